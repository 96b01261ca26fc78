//! The join blob: everything that an agent needs to find and trust its coordinator,
//! as one text that survives a shell, user data of an instance and a YAML file.
//!
//! `rhj1_` + base64url of (a `JoinBlob` message, then its checksum). The checksum
//! tells a text that was cut or changed on its way from one of another version; it
//! protects against accidents only, for the token within is the secret.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use prost::Message;

use crate::v1;

/// The longest text that is read. Usual blobs stay under 1 KiB; user data of an instance holds 16.
pub const LONGEST_TEXT: usize = 8 * 1024;

const FAMILY: &str = "rhj";
const VERSION: &str = "1";
const CHECKSUM_BYTES: usize = 4;

/// How an agent finds and trusts its coordinator. Its text form is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinBlob {
    /// Addresses of the join listener, `host:port`, in the order to try.
    pub coordinators: Vec<String>,
    /// Addresses of the link listener, `host:port`, in the order to try.
    pub link: Vec<String>,
    /// Certificate of the fleet's authority (DER).
    pub ca_der: Vec<u8>,
    /// Admits a limited number of agents.
    pub token: String,
    /// When the token ends, in seconds since the Unix epoch.
    pub expires_unix: u64,
    /// The fleet's name.
    pub fleet: String,
    /// After a run the agent waits for the next one.
    pub stays: bool,
}

/// Why a text is of no use for joining.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// It is something else.
    #[error("reading the join blob: it does not begin with \"rhj1_\"")]
    Foreign,
    /// It comes from another release.
    #[error(
        "reading the join blob: it is of version {0:?}, this build reads version \"1\"; use an agent of the coordinator's release"
    )]
    OtherVersion(String),
    /// It was cut or changed, or never complete.
    #[error("reading the join blob: it is damaged or cut short; copy it again")]
    Damaged,
    /// It is longer than any that this build makes.
    #[error("reading the join blob: it has {0} characters, more than {LONGEST_TEXT}")]
    TooLong(usize),
    /// It lacks something without which nobody can join.
    #[error("reading the join blob: it has no {0}")]
    Lacks(&'static str),
    /// It is over.
    #[error("using the join blob: it expired {0} s ago; ask the coordinator for a new one")]
    Expired(u64),
}

impl JoinBlob {
    /// Checks that the token still holds at `now_unix` (seconds since the Unix epoch).
    ///
    /// # Errors
    /// [`JoinError::Expired`] from `expires_unix` on. An agent whose wall clock is wrong
    /// should say so and try: the coordinator's clock decides.
    pub fn check(&self, now_unix: u64) -> Result<(), JoinError> {
        match now_unix.checked_sub(self.expires_unix) {
            Some(ago) => Err(JoinError::Expired(ago)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for JoinBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = v1::JoinBlob {
            coordinators: self.coordinators.clone(),
            link: self.link.clone(),
            ca_der: self.ca_der.clone(),
            token: self.token.clone(),
            expires_unix: self.expires_unix,
            fleet: self.fleet.clone(),
            stays: self.stays,
        }
        .encode_to_vec();
        bytes.extend(checksum(&bytes));
        write!(f, "{FAMILY}{VERSION}_{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// Without the token: what is printed while searching for a mistake ends up in logs.
impl fmt::Debug for JoinBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinBlob")
            .field("coordinators", &self.coordinators)
            .field("link", &self.link)
            .field("expires_unix", &self.expires_unix)
            .field("fleet", &self.fleet)
            .field("stays", &self.stays)
            .finish_non_exhaustive()
    }
}

impl FromStr for JoinBlob {
    type Err = JoinError;

    /// Reads a text, ignoring white space around it.
    fn from_str(text: &str) -> Result<JoinBlob, JoinError> {
        let text = text.trim();
        if text.len() > LONGEST_TEXT {
            return Err(JoinError::TooLong(text.len()));
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(body(text)?).map_err(|_| JoinError::Damaged)?;
        let end = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(JoinError::Damaged)?;
        let (message, sum) = bytes.split_at(end);
        if checksum(message) != sum {
            return Err(JoinError::Damaged);
        }
        complete(v1::JoinBlob::decode(message).map_err(|_| JoinError::Damaged)?)
    }
}

/// The text after the version's mark.
fn body(text: &str) -> Result<&str, JoinError> {
    let (mark, body) = text.split_once('_').ok_or(JoinError::Foreign)?;
    match mark.strip_prefix(FAMILY) {
        Some(VERSION) => Ok(body),
        Some(other) if !other.is_empty() && other.bytes().all(|b| b.is_ascii_digit()) => {
            Err(JoinError::OtherVersion(other.to_owned()))
        }
        _ => Err(JoinError::Foreign),
    }
}

fn complete(wire: v1::JoinBlob) -> Result<JoinBlob, JoinError> {
    let lacks = [
        (wire.coordinators.is_empty(), "address of a join listener"),
        (wire.link.is_empty(), "address of a link listener"),
        (wire.ca_der.is_empty(), "certificate of the authority"),
        (wire.token.is_empty(), "token"),
    ];
    if let Some((_, what)) = lacks.into_iter().find(|(missing, _)| *missing) {
        return Err(JoinError::Lacks(what));
    }
    Ok(JoinBlob {
        coordinators: wire.coordinators,
        link: wire.link,
        ca_der: wire.ca_der,
        token: wire.token,
        expires_unix: wire.expires_unix,
        fleet: wire.fleet,
        stays: wire.stays,
    })
}

/// FNV-1a, 32 bits: catches a cut or mistyped text with a chance of 1 − 2⁻³².
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    bytes.iter().fold(0x811c_9dc5_u32, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn usual() -> JoinBlob {
        JoinBlob {
            coordinators: vec!["203.0.113.7:7711".into(), "[2001:db8::7]:7711".into()],
            link: vec!["203.0.113.7:7710".into(), "[2001:db8::7]:7710".into()],
            ca_der: vec![0x30; 379],
            token: "k".repeat(43),
            expires_unix: 1_900_000_000,
            fleet: "friday-night-rehearsal".into(),
            stays: true,
        }
    }

    #[test]
    fn a_usual_blob_is_short_and_safe_in_a_shell() {
        let text = usual().to_string();
        assert!(text.len() < 1024, "{} characters", text.len());
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
        assert_eq!(format!(" {text}\n").parse::<JoinBlob>(), Ok(usual()));
    }

    #[test]
    fn every_cut_is_noticed() {
        let text = usual().to_string();
        for end in 5..text.len() {
            assert_eq!(text[..end].parse::<JoinBlob>(), Err(JoinError::Damaged), "cut at {end}");
        }
    }

    #[test]
    fn other_texts_are_told_apart() {
        let check = |text: &str, expected| assert_eq!(text.parse::<JoinBlob>(), Err(expected), "{text}");
        check("", JoinError::Foreign);
        check("rhj_", JoinError::Foreign);
        check("hello_world", JoinError::Foreign);
        check("rhj2_AAAA", JoinError::OtherVersion("2".into()));
        check("rhj1_", JoinError::Damaged);
        check("rhj1_!!!!", JoinError::Damaged);
        check(&"x".repeat(LONGEST_TEXT + 1), JoinError::TooLong(LONGEST_TEXT + 1));
        let tokenless = JoinBlob { token: String::new(), ..usual() };
        check(&tokenless.to_string(), JoinError::Lacks("token"));
    }

    #[test]
    fn a_blob_ends_at_its_instant() {
        assert_eq!(usual().check(1_899_999_999), Ok(()));
        assert_eq!(usual().check(1_900_000_005), Err(JoinError::Expired(5)));
    }

    #[test]
    fn the_token_is_not_printed_for_debugging() {
        assert!(!format!("{:?}", usual()).contains("kkk"));
    }

    proptest! {
        #[test]
        fn round_trips(
            hosts in prop::collection::vec("[a-z0-9.:]{1,20}", 1..4),
            ca_der in prop::collection::vec(any::<u8>(), 1..400),
            token in ".{1,40}",
            expires_unix: u64,
            fleet in ".{0,20}",
            stays: bool,
        ) {
            let blob = JoinBlob { coordinators: hosts.clone(), link: hosts, ca_der, token, expires_unix, fleet, stays };
            prop_assert_eq!(blob.to_string().parse(), Ok(blob));
        }

        #[test]
        fn no_text_makes_it_panic(text in "(rhj[0-9]{0,2}_)?.{0,60}") {
            let _ = text.parse::<JoinBlob>();
        }
    }
}
