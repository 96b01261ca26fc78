//! The fleet's authority as the services share it. It is kept before an answer leaves: agents of this coordinator are known
//! to the one that takes its run up.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rehearsal_fleet::{Authority, AuthorityError, Guest, IssuedCertificate, Refused, ServerCertificate};
use tonic::Status;

/// Its file in the run's folder. It goes with the run's last agent.
pub(crate) const AUTHORITY: &str = "authority.json";

/// The authority behind a lock that is held for one call at a time, never across a wait.
#[derive(Clone)]
pub(crate) struct SharedAuthority {
    authority: Arc<Mutex<Authority>>,
    folder: PathBuf,
}

impl SharedAuthority {
    pub(super) fn new(authority: Authority, folder: &Path) -> Self {
        Self { authority: Arc::new(Mutex::new(authority)), folder: folder.to_owned() }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Authority, u64) -> T) -> T {
        // A panic while it was held cannot have left half an admission: they are single insertions.
        work(&mut self.authority.lock().unwrap_or_else(PoisonError::into_inner), now_unix())
    }

    #[allow(clippy::result_large_err)] // tonic's own type
    pub(super) fn check(&self, token: &str) -> Result<(), Status> {
        self.with(|authority, now| authority.check(token, now)).map_err(denied)
    }

    #[allow(clippy::result_large_err)] // tonic's own type
    pub(super) fn admit(&self, token: &str, public_key: &[u8], guest: &Guest) -> Result<IssuedCertificate, Status> {
        self.issue(|authority, now| authority.admit(token, public_key, guest, now))
    }

    /// Who an agent of the fleet is.
    pub(super) fn guest(&self, agent: u32) -> Guest {
        self.with(|authority, _| authority.guest(agent).cloned().unwrap_or_default())
    }

    /// A certificate for another listener of this coordinator's.
    pub(crate) fn server_certificate(&self, names: &[String]) -> Result<ServerCertificate, AuthorityError> {
        self.with(|authority, now| authority.server_certificate(names, now))
    }

    #[allow(clippy::result_large_err)] // tonic's own type
    pub(super) fn renew(&self, certificate: &[u8], public_key: &[u8]) -> Result<IssuedCertificate, Status> {
        self.issue(|authority, now| authority.renew(certificate, public_key, now))
    }

    pub(super) fn agent_of(&self, certificate: &[u8]) -> Option<u32> {
        self.with(|authority, now| authority.agent_of(certificate, now))
    }

    #[allow(clippy::result_large_err)] // tonic's own type
    fn issue(
        &self,
        how: impl FnOnce(&mut Authority, u64) -> Result<IssuedCertificate, Refused>,
    ) -> Result<IssuedCertificate, Status> {
        self.with(|authority, now| {
            let issued = how(authority, now).map_err(denied)?;
            // An agent may ask again: with the same key it is the same agent.
            authority.save(&self.folder).map_err(|error| Status::unavailable(error.to_string()))?;
            Ok(issued)
        })
    }
}

#[allow(clippy::needless_pass_by_value)] // it is what errors are mapped by
fn denied(refused: Refused) -> Status {
    Status::permission_denied(refused.to_string())
}

/// Seconds since 1970.
pub(crate) fn now_unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
