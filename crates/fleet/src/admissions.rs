//! The book of admissions: which tokens still admit whom, and whose certificate is
//! whose. It holds digests only, so that reading it gives nobody a token.
//!
//! Secrets are looked up by digest. How long that takes tells a guesser how much of
//! a digest fits, which says nothing about the secret behind it.

use std::collections::BTreeMap;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// How long an ended certificate's owner keeps its number, in seconds: an agent that was
/// cut off for hours comes back as the one it was.
const REMEMBERED_S: u64 = 24 * 3600;

/// Why an agent was not admitted.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Nobody made this token.
    #[error("admitting an agent: its token is unknown to this fleet")]
    UnknownToken,
    /// The token's time is over.
    #[error("admitting an agent: its token expired {ago_s} s ago")]
    ExpiredToken {
        /// Seconds since the token's end.
        ago_s: u64,
    },
    /// The token has admitted as many agents as it may.
    #[error("admitting an agent: its token has admitted as many agents as it may")]
    UsedUpToken,
    /// Another agent was admitted on this instance, on which there is one.
    #[error(
        "admitting an agent: {instance} has agent {agent} already, and its launcher started one there; whoever has its token uses it a second time"
    )]
    Twice {
        /// The instance.
        instance: String,
        /// The agent that is there.
        agent: u32,
    },
    /// The public key is none of P-256.
    #[error("admitting an agent: its public key is not an uncompressed point of P-256")]
    MalformedKey,
    /// The certificate to renew is not one of ours, or has ended.
    #[error("renewing a certificate: it is unknown to this fleet or has ended")]
    UnknownCertificate,
    /// The authority could not sign.
    #[error("signing an agent's certificate")]
    Signing(#[source] rcgen::Error),
}

/// Who an admitted agent says it is, and what is known of that.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// What runs it, as its launcher calls it; anything, where nobody launched it.
    pub instance: String,
    /// Where it runs; empty if nobody knows.
    pub region: String,
    /// Whether the launcher has vouched for it. Then no other agent is on its instance.
    pub is_vouched: bool,
}

/// SHA-256 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Fingerprint(String);

impl Fingerprint {
    pub(crate) fn of(bytes: &[u8]) -> Fingerprint {
        let hash = digest(&SHA256, bytes);
        Fingerprint(hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct TokenRecord {
    /// From this second on it admits nobody.
    expires_unix: u64,
    /// Agents that it may still admit.
    uses_left: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct CertificateRecord {
    /// The owner's number.
    agent: u32,
    /// The owner's public key.
    key: Fingerprint,
    /// The token that admitted it.
    token: Fingerprint,
    /// When the certificate ends.
    expires_unix: u64,
}

/// One agent that was found worthy of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub(crate) agent: u32,
    key: Fingerprint,
    token: Fingerprint,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Admissions {
    tokens: BTreeMap<Fingerprint, TokenRecord>,
    certificates: BTreeMap<Fingerprint, CertificateRecord>,
    /// Who has which number.
    #[serde(default)]
    guests: BTreeMap<u32, Guest>,
    /// The highest number that any agent of the fleet has had; numbers are not used twice.
    last_agent: u32,
}

impl Admissions {
    pub(crate) fn add_token(&mut self, secret: &str, expires_unix: u64, uses: u32) {
        let record = TokenRecord { expires_unix, uses_left: uses };
        self.tokens.insert(Fingerprint::of(secret.as_bytes()), record);
    }

    /// Spends one use of the token, unless the same key was admitted by it before: an agent whose
    /// answer was lost, or whose certificate ended, asks again and is the one it was.
    pub(crate) fn admit(
        &mut self,
        secret: &str,
        key: &[u8],
        guest: &Guest,
        now_unix: u64,
    ) -> Result<Admitted, Refused> {
        self.check(secret, now_unix)?;
        let (token, key) = (Fingerprint::of(secret.as_bytes()), Fingerprint::of(key));
        let known = self.certificates.values().find(|c| c.token == token && c.key == key);
        if let Some(known) = known {
            return Ok(Admitted { agent: known.agent, key, token });
        }
        let mut there = self.guests.iter().filter(|(_, there)| guest.is_vouched && there.instance == guest.instance);
        if let Some((&agent, _)) = there.next() {
            return Err(Refused::Twice { instance: guest.instance.clone(), agent });
        }
        let record = self.tokens.get_mut(&token).ok_or(Refused::UnknownToken)?;
        record.uses_left = record.uses_left.checked_sub(1).ok_or(Refused::UsedUpToken)?;
        self.last_agent += 1;
        self.guests.insert(self.last_agent, guest.clone());
        Ok(Admitted { agent: self.last_agent, key, token })
    }

    /// Checks that somebody with this token may come in at all. It spends nothing.
    pub(crate) fn check(&self, secret: &str, now_unix: u64) -> Result<(), Refused> {
        let record = self.tokens.get(&Fingerprint::of(secret.as_bytes())).ok_or(Refused::UnknownToken)?;
        match now_unix.checked_sub(record.expires_unix) {
            Some(ago_s) => Err(Refused::ExpiredToken { ago_s }),
            None => Ok(()),
        }
    }

    /// Who has a number.
    pub(crate) fn guest(&self, agent: u32) -> Option<&Guest> {
        self.guests.get(&agent)
    }

    /// How many agents were admitted.
    pub(crate) fn count(&self) -> usize {
        self.guests.len()
    }

    /// Lets the owner of a valid certificate have another, for the same or a new key.
    pub(crate) fn renew(&self, certificate: &[u8], key: &[u8], now_unix: u64) -> Result<Admitted, Refused> {
        let record = self.valid(certificate, now_unix).ok_or(Refused::UnknownCertificate)?;
        Ok(Admitted { agent: record.agent, key: Fingerprint::of(key), token: record.token.clone() })
    }

    /// Writes down a certificate that was issued. It forgets those that ended long ago, and of the same
    /// owner all that have ended: the new one says who it is. So the book, which is saved as a whole at
    /// each change, has two or three lines for each agent, however long the fleet lives.
    pub(crate) fn issued(&mut self, to: Admitted, certificate: &[u8], expires_unix: u64, now_unix: u64) {
        let Admitted { agent, key, token } = to;
        self.certificates.retain(|_, c| {
            let remembered_s = if c.agent == agent { 0 } else { REMEMBERED_S };
            now_unix < c.expires_unix.saturating_add(remembered_s)
        });
        let record = CertificateRecord { agent, key, token, expires_unix };
        self.certificates.insert(Fingerprint::of(certificate), record);
    }

    /// The number of the agent that a valid certificate was issued to.
    pub(crate) fn agent_of(&self, certificate: &[u8], now_unix: u64) -> Option<u32> {
        self.valid(certificate, now_unix).map(|record| record.agent)
    }

    fn valid(&self, certificate: &[u8], now_unix: u64) -> Option<&CertificateRecord> {
        let record = self.certificates.get(&Fingerprint::of(certificate))?;
        (now_unix < record.expires_unix).then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn admit(book: &mut Admissions, secret: &str, key: &[u8], now_unix: u64) -> Result<Admitted, Refused> {
        book.admit(secret, key, &Guest::default(), now_unix)
    }

    fn book(uses: u32) -> Admissions {
        let mut book = Admissions::default();
        book.add_token("secret", 1_000, uses);
        book
    }

    #[test]
    fn each_reason_is_its_own_refusal() {
        let mut book = book(1);
        assert!(matches!(admit(&mut book, "guess", b"a", 0), Err(Refused::UnknownToken)));
        let late = admit(&mut book, "secret", b"a", 1_003);
        assert!(matches!(late, Err(Refused::ExpiredToken { ago_s: 3 })));
        assert_eq!(admit(&mut book, "secret", b"a", 999).unwrap().agent, 1);
        assert!(matches!(admit(&mut book, "secret", b"b", 0), Err(Refused::UsedUpToken)));
    }

    #[test]
    fn an_instance_that_is_vouched_for_has_one_agent() {
        let mut book = book(9);
        let on = |instance: &str, is_vouched| Guest { instance: instance.into(), is_vouched, ..Guest::default() };
        let first = book.admit("secret", b"a", &on("i-1", true), 10).unwrap();
        book.issued(first.clone(), b"certificate", 50, 10);
        let twice = book.admit("secret", b"b", &on("i-1", true), 20);
        assert!(matches!(twice, Err(Refused::Twice { agent: 1, .. })), "somebody else there has read the token");
        assert_eq!(book.admit("secret", b"a", &on("i-1", true), 60).unwrap(), first, "it is itself");
        assert_eq!(book.admit("secret", b"c", &on("i-2", true), 60).unwrap().agent, 2, "and nothing was spent");
        for (key, agent) in [(b"d", 3), (b"e", 4)] {
            let counted = book.admit("secret", key, &on("local:1", false), 60).unwrap();
            assert_eq!(counted.agent, agent, "every container calls itself that");
        }
        assert_eq!((book.guest(2).map(|guest| guest.instance.as_str()), book.count()), (Some("i-2"), 4));
    }

    #[test]
    fn asking_again_with_the_same_key_spends_nothing() {
        let mut book = book(1);
        let first = admit(&mut book, "secret", b"a", 10).unwrap();
        book.issued(first.clone(), b"certificate", 50, 10);
        assert_eq!(admit(&mut book, "secret", b"a", 60).unwrap(), first);
    }

    #[test]
    fn a_certificate_is_worth_nothing_once_it_ended() {
        let mut book = book(1);
        let admitted = admit(&mut book, "secret", b"a", 10).unwrap();
        book.issued(admitted, b"certificate", 50, 10);
        assert_eq!(book.agent_of(b"certificate", 49), Some(1));
        assert_eq!(book.renew(b"certificate", b"b", 49).unwrap().agent, 1);
        assert_eq!(book.agent_of(b"certificate", 50), None);
        assert!(matches!(book.renew(b"certificate", b"b", 50), Err(Refused::UnknownCertificate)));
        assert_eq!(book.agent_of(b"another", 49), None);
    }

    #[test]
    fn the_book_does_not_grow_with_renewals() {
        let mut book = book(1);
        let admitted = admit(&mut book, "secret", b"a", 0).unwrap();
        for half_hour in 0..1_000_u64 {
            let now = half_hour * 1800;
            book.issued(admitted.clone(), &half_hour.to_be_bytes(), now + 3600, now);
            assert!(book.certificates.len() <= 2, "{}", book.certificates.len());
        }
    }

    #[test]
    fn an_agent_is_remembered_for_a_day_whoever_else_comes() {
        let mut book = book(2);
        let admitted = admit(&mut book, "secret", b"a", 0).unwrap();
        book.issued(admitted, b"of a", 50, 0);
        let day = 50 + REMEMBERED_S;
        book.add_token("later", 2 * day, 1);
        for (now, known) in [(day - 1, 1), (day, 0)] {
            let other = admit(&mut book, "later", b"b", now).unwrap();
            book.issued(other, b"of b", now + 50, now);
            assert_eq!(book.certificates.values().filter(|c| c.agent == 1).count(), known);
        }
    }

    /// What may happen to a book; tokens, keys and certificates are meant by their number.
    #[derive(Debug, Clone)]
    enum Step {
        Token { secret: u8, life_s: u64, uses: u32 },
        Admit { secret: u8, key: u8 },
        Renew { certificate: u8, key: u8 },
        Wait { s: u64 },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            1 => (0..3_u8, 1..200_u64, 0..4_u32).prop_map(|(secret, life_s, uses)| Step::Token { secret, life_s, uses }),
            4 => (0..4_u8, 0..5_u8).prop_map(|(secret, key)| Step::Admit { secret, key }),
            4 => (0..20_u8, 0..5_u8).prop_map(|(certificate, key)| Step::Renew { certificate, key }),
            2 => prop_oneof![1..60_u64, Just(REMEMBERED_S)].prop_map(|s| Step::Wait { s }),
        ];
        proptest::collection::vec(step, 0..60)
    }

    /// Answers of a book to each step; certificates are numbered as they are issued, and hold for 100 s.
    fn answers(steps: &[Step], mut between: impl FnMut(Admissions) -> Admissions) -> Vec<Result<Admitted, String>> {
        let (mut book, mut now, mut issued) = (Admissions::default(), 0, 0_u8);
        let mut answers = Vec::new();
        for step in steps {
            book = between(book);
            let admitted = match *step {
                Step::Token { secret, life_s, uses } => {
                    book.add_token(&secret.to_string(), now + life_s, uses);
                    continue;
                }
                Step::Wait { s } => {
                    now += s;
                    continue;
                }
                Step::Admit { secret, key } => admit(&mut book, &secret.to_string(), &[key], now),
                Step::Renew { certificate, key } => book.renew(&[certificate], &[key], now),
            };
            if let Ok(admitted) = &admitted {
                book.issued(admitted.clone(), &[issued], now + 100, now);
                issued += 1;
            }
            answers.push(admitted.map_err(|refused| refused.to_string()));
        }
        answers
    }

    proptest! {
        #[test]
        fn a_book_that_was_closed_and_opened_again_answers_the_same(steps in steps()) {
            let reopened = answers(&steps, |book| {
                serde_json::from_slice(&serde_json::to_vec(&book).unwrap()).unwrap()
            });
            prop_assert_eq!(reopened, answers(&steps, |book| book));
        }
    }
}
