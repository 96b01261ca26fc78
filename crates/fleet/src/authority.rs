//! The fleet's own certificate authority: it vouches for the coordinator, admits
//! agents by token, and is kept in one file so that a fleet outlives its coordinator.
//!
//! Whoever reads that file can admit itself to the fleet; it has mode 0600.

mod file;

use std::{
    io,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, Issuer, KeyPair};

use crate::{
    admissions::{Admissions, Admitted, Guest, Refused},
    certificates::{self, AGENT_S, AgentPublicKey},
};

const FILE: &str = "authority.json";

/// A fleet's authority with the book of whom it has admitted.
///
/// Whoever changes it (`token`, `admit`, `renew`) saves it before the answer leaves:
/// else a restart would forget a use of a token.
pub struct Authority {
    fleet: String,
    created_unix: u64,
    certificate: Vec<u8>,
    key: KeyPair,
    admissions: Admissions,
}

/// What the coordinator shows on its listeners.
pub struct ServerCertificate {
    /// The certificate first, then any up to the authority (DER).
    pub chain: Vec<Vec<u8>>,
    /// Its private key (PKCS #8 DER).
    pub key: Vec<u8>,
}

/// What an agent gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// The agent's number in the fleet, from 1.
    pub agent: u32,
    /// The certificate first, then any up to the authority (DER).
    pub chain: Vec<Vec<u8>>,
    /// When it ends, in seconds since the Unix epoch.
    pub expires_unix: u64,
}

/// A secret that admits a limited number of agents for a limited time.
pub struct Token {
    /// The secret itself: 43 characters that need no quoting.
    pub secret: String,
    /// From this second since the Unix epoch on it admits nobody.
    pub expires_unix: u64,
}

/// Why an authority could not be made, kept or found.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Keys or certificates could not be made.
    #[error("making the fleet's {what}")]
    Make {
        /// What was to be made.
        what: &'static str,
        /// Why it was not.
        #[source]
        source: rcgen::Error,
    },
    /// The file could not be written.
    #[error("saving the fleet's authority to {}", path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file could not be read.
    #[error("loading the fleet's authority from {}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Authority {
    /// Makes the authority of a new fleet at `now_unix` (seconds since the Unix epoch).
    ///
    /// # Errors
    /// [`AuthorityError::Make`] if the system gives no random numbers.
    pub fn create(fleet: &str, now_unix: u64) -> Result<Authority, AuthorityError> {
        let make = |source| AuthorityError::Make { what: "authority", source };
        let key = KeyPair::generate().map_err(make)?;
        let certificate =
            certificates::authority(fleet, now_unix).and_then(|params| params.self_signed(&key)).map_err(make)?;
        Ok(Authority {
            fleet: fleet.to_owned(),
            created_unix: now_unix,
            certificate: certificate.der().to_vec(),
            key,
            admissions: Admissions::default(),
        })
    }

    /// Reads what [`Authority::save`] wrote into `folder`.
    ///
    /// # Errors
    /// [`AuthorityError::Load`] if there is no such file or it is damaged.
    pub fn load(folder: &Path) -> Result<Authority, AuthorityError> {
        let path = folder.join(FILE);
        file::read(&path).map_err(|source| AuthorityError::Load { path, source })
    }

    /// Writes everything into `folder`, readable by its owner alone, and never leaves half a file.
    ///
    /// A thousand agents are some 300 KB and, on a disk that syncs in 0.2 ms, 1.6 ms; it blocks meanwhile.
    ///
    /// # Errors
    /// [`AuthorityError::Save`] if the folder cannot be made or written.
    pub fn save(&self, folder: &Path) -> Result<(), AuthorityError> {
        let path = folder.join(FILE);
        file::write(self, &path).map_err(|source| AuthorityError::Save { path, source })
    }

    /// The fleet's name.
    pub fn fleet(&self) -> &str {
        &self.fleet
    }

    /// The authority's certificate (DER): what a join blob carries.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Makes a certificate for the coordinator under `names`: DNS names and IP addresses.
    ///
    /// # Errors
    /// [`AuthorityError::Make`] if a name cannot stand in a certificate.
    pub fn server_certificate(&self, names: &[String], now_unix: u64) -> Result<ServerCertificate, AuthorityError> {
        let make = |source| AuthorityError::Make { what: "server certificate", source };
        let key = KeyPair::generate().map_err(make)?;
        let certificate =
            certificates::server(names, now_unix).and_then(|params| self.sign(&params, &key)).map_err(make)?;
        Ok(ServerCertificate { chain: vec![certificate], key: key.serialize_der() })
    }

    /// Makes a token that admits `uses` agents until `expires_unix`.
    ///
    /// # Errors
    /// [`AuthorityError::Make`] if the system gives no random numbers.
    pub fn token(&mut self, expires_unix: u64, uses: u32) -> Result<Token, AuthorityError> {
        let bytes = certificates::random::<32>().map_err(|source| AuthorityError::Make { what: "token", source })?;
        let secret = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        self.admissions.add_token(&secret, expires_unix, uses);
        Ok(Token { secret, expires_unix })
    }

    /// Admits an agent by token. `public_key` is an uncompressed point of P-256.
    ///
    /// The same key with the same token is the same agent, and spends no further use.
    ///
    /// # Errors
    /// A [`Refused`] of its own for each reason; nothing was spent then.
    pub fn admit(
        &mut self,
        token: &str,
        public_key: &[u8],
        guest: &Guest,
        now_unix: u64,
    ) -> Result<IssuedCertificate, Refused> {
        let key = AgentPublicKey::try_new(public_key).ok_or(Refused::MalformedKey)?;
        let admitted = self.admissions.admit(token, public_key, guest, now_unix)?;
        self.issue(admitted, &key, now_unix)
    }

    /// Checks that a token may admit somebody at all, before anything else is asked about him. It spends nothing.
    ///
    /// # Errors
    /// [`Refused::UnknownToken`] or [`Refused::ExpiredToken`].
    pub fn check(&self, token: &str, now_unix: u64) -> Result<(), Refused> {
        self.admissions.check(token, now_unix)
    }

    /// Who the agent of a number is.
    pub fn guest(&self, agent: u32) -> Option<&Guest> {
        self.admissions.guest(agent)
    }

    /// How many agents have been admitted to the fleet, in all its life.
    pub fn admitted(&self) -> usize {
        self.admissions.count()
    }

    /// Replaces a certificate that has not ended yet; `certificate` (DER) is the one that
    /// the agent's connection was made with.
    ///
    /// # Errors
    /// [`Refused::UnknownCertificate`], [`Refused::MalformedKey`] or [`Refused::Signing`].
    pub fn renew(
        &mut self,
        certificate: &[u8],
        public_key: &[u8],
        now_unix: u64,
    ) -> Result<IssuedCertificate, Refused> {
        let key = AgentPublicKey::try_new(public_key).ok_or(Refused::MalformedKey)?;
        let admitted = self.admissions.renew(certificate, public_key, now_unix)?;
        self.issue(admitted, &key, now_unix)
    }

    /// The number of the agent that shows `certificate` (DER); `None` if it is not one of
    /// this fleet's or has ended.
    pub fn agent_of(&self, certificate: &[u8], now_unix: u64) -> Option<u32> {
        self.admissions.agent_of(certificate, now_unix)
    }

    fn issue(&mut self, to: Admitted, key: &AgentPublicKey, now_unix: u64) -> Result<IssuedCertificate, Refused> {
        let (agent, expires_unix) = (to.agent, now_unix.saturating_add(AGENT_S));
        let certificate = certificates::agent(agent, now_unix)
            .and_then(|params| self.sign(&params, key))
            .map_err(Refused::Signing)?;
        self.admissions.issued(to, &certificate, expires_unix, now_unix);
        Ok(IssuedCertificate { agent, chain: vec![certificate], expires_unix })
    }

    fn sign(&self, params: &CertificateParams, key: &impl rcgen::PublicKeyData) -> Result<Vec<u8>, rcgen::Error> {
        let own = certificates::authority(&self.fleet, self.created_unix)?;
        let issuer = Issuer::from_params(&own, &self.key);
        Ok(params.signed_by(key, &issuer)?.der().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt};

    const NOW: u64 = 1_900_000_000;

    fn point() -> Vec<u8> {
        KeyPair::generate().unwrap().public_key_raw().to_vec()
    }

    #[test]
    fn a_key_that_is_no_point_of_the_curve_is_refused_and_spends_nothing() {
        let mut authority = Authority::create("test", NOW).unwrap();
        let token = authority.token(NOW + 60, 1).unwrap();
        let mut bent = point();
        bent[64] ^= 1;
        for key in [vec![], vec![4; 65], vec![4; 1_000], bent] {
            let refused = authority.admit(&token.secret, &key, &Guest::default(), NOW);
            assert!(matches!(refused, Err(Refused::MalformedKey)));
        }
        assert_eq!(authority.admit(&token.secret, &point(), &Guest::default(), NOW).unwrap().agent, 1);
    }

    #[test]
    fn a_fleet_outlives_its_coordinator() {
        let folder = tempfile::tempdir().unwrap();
        let mut before = Authority::create("test", NOW).unwrap();
        let token = before.token(NOW + 60, 2).unwrap();
        let key = point();
        let first = before.admit(&token.secret, &key, &Guest::default(), NOW).unwrap();
        before.save(folder.path()).unwrap();
        let renewed = before.renew(&first.chain[0], &point(), NOW + 1).unwrap();
        before.save(folder.path()).unwrap();

        let mut after = Authority::load(folder.path()).unwrap();
        assert_eq!((after.fleet(), after.certificate()), (before.fleet(), before.certificate()));
        for certificate in [&first.chain[0], &renewed.chain[0]] {
            assert_eq!(after.agent_of(certificate, NOW + 2), Some(1));
            assert_eq!(after.renew(certificate, &point(), NOW + 2).unwrap().agent, 1);
        }
        let again = after.admit(&token.secret, &key, &Guest::default(), NOW + 3).unwrap();
        assert_eq!(again.agent, 1, "the same key is the same agent");
        assert_eq!(
            after.admit(&token.secret, &point(), &Guest::default(), NOW + 3).unwrap().agent,
            2,
            "no number is used twice"
        );
        let third = after.admit(&token.secret, &point(), &Guest::default(), NOW + 3);
        assert!(matches!(third, Err(Refused::UsedUpToken)));
    }

    #[test]
    fn the_file_is_its_owners_alone_and_holds_no_token() {
        let folder = tempfile::tempdir().unwrap();
        let mut authority = Authority::create("test", NOW).unwrap();
        let token = authority.token(NOW + 60, 2).unwrap();
        authority.save(folder.path()).unwrap();
        let file = folder.path().join(FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!fs::read_to_string(&file).unwrap().contains(&token.secret));
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Authority::load(folder.path()).is_err());
        Authority::create("test", NOW).unwrap().save(folder.path()).unwrap();
        let file = folder.path().join(FILE);
        let text = fs::read_to_string(&file).unwrap();
        for damage in [text.replace("\"key\": \"", "\"key\": \"AAAA"), text[..100].to_owned()] {
            fs::write(&file, damage).unwrap();
            assert!(Authority::load(folder.path()).is_err());
        }
    }

    #[test]
    fn absurd_times_and_names_are_errors_not_panics() {
        assert!(Authority::create("test", u64::MAX).is_err());
        let authority = Authority::create("test", NOW).unwrap();
        assert!(authority.server_certificate(&["näme".to_owned()], NOW).is_err());
    }
}
