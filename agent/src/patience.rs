//! Trying again for as long as it takes: soon at first, then every few seconds, told once a minute.

use std::time::Duration;

use rand::Rng as _;
use rehearsal_link::redial::Redial;
use tokio::time::Instant;

use crate::connection::log;

/// The longest pause between two attempts: a coordinator that starts has its agents soon, and a thousand of them knock less
/// often than once in 2 ms.
const LONGEST: Duration = Duration::from_secs(5);
/// An agent may wait for hours, and its log is read by people.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What somebody who tries again has to remember.
pub(crate) struct Patience {
    pauses: Redial,
    told: Option<Instant>,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self { pauses: Redial::within(LONGEST), told: None }
    }

    /// Waits after something failed, and says so the first time and then once a minute.
    pub(crate) async fn failed(&mut self, what: impl FnOnce() -> String) {
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            log(&what());
            self.told = Some(Instant::now());
        }
        let pause = self.pauses.next_delay(rand::rng().next_u64());
        tokio::time::sleep(pause).await;
    }
}
