//! The fleet's authority as the services share it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rehearsal_fleet::{Authority, IssuedCertificate, Refused};

/// The authority behind a lock that is held for one call at a time, never across a wait.
#[derive(Clone)]
pub(super) struct SharedAuthority(Arc<Mutex<Authority>>);

impl SharedAuthority {
    pub(super) fn new(authority: Authority) -> Self {
        Self(Arc::new(Mutex::new(authority)))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Authority, u64) -> T) -> T {
        // A panic while it was held cannot have left half an admission: they are single insertions.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), now_unix())
    }

    pub(super) fn admit(&self, token: &str, public_key: &[u8]) -> Result<IssuedCertificate, Refused> {
        self.with(|authority, now| authority.admit(token, public_key, now))
    }

    pub(super) fn renew(&self, certificate: &[u8], public_key: &[u8]) -> Result<IssuedCertificate, Refused> {
        self.with(|authority, now| authority.renew(certificate, public_key, now))
    }

    pub(super) fn agent_of(&self, certificate: &[u8]) -> Option<u32> {
        self.with(|authority, now| authority.agent_of(certificate, now))
    }
}

/// Seconds since 1970.
pub(super) fn now_unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
