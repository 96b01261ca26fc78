//! Until when an agent may make load, where user threads can see it without being told.
//!
//! The link's thread tells them when the lease runs out. But a process that was stopped as a whole, a laptop that slept or
//! a paused machine, wakes with all its timers overdue at once, and its users must not go on before that word has come.

use std::sync::atomic::{AtomicI64, Ordering};

/// Two instants in microseconds of the monotonic clock of the [`RunClock`](crate::RunClock). Unlimited until they are set.
#[derive(Debug)]
pub struct Permit {
    arrivals_until: AtomicI64,
    users_until: AtomicI64,
}

impl Default for Permit {
    fn default() -> Self {
        Self { arrivals_until: AtomicI64::new(i64::MAX), users_until: AtomicI64::new(i64::MAX) }
    }
}

impl Permit {
    /// Says until when users may start, and until when those that are here may go on.
    pub fn set(&self, arrivals_until: i64, users_until: i64) {
        self.arrivals_until.store(arrivals_until, Ordering::Relaxed);
        self.users_until.store(users_until, Ordering::Relaxed);
    }

    /// Whether users may start now.
    #[must_use]
    pub fn allows_arrivals(&self, now: i64) -> bool {
        now < self.arrivals_until.load(Ordering::Relaxed)
    }

    /// Whether users may do anything now.
    #[must_use]
    pub fn allows_users(&self, now: i64) -> bool {
        now < self.users_until.load(Ordering::Relaxed)
    }
}
