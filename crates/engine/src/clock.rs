//! Run time on a thread: the agent's monotonic clock plus an offset that the link keeps right.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rehearsal_plan::RunTime;
use tokio::time::Instant;

use crate::permit::Permit;

/// Maps this process's monotonic clock to run time. Shared by all threads; only the link's thread moves the offset, slowly.
#[derive(Debug)]
pub struct RunClock {
    origin: Instant,
    offset_micros: AtomicI64,
    permit: Permit,
}

impl RunClock {
    /// A clock on which `origin` is run time zero until an offset is set.
    #[must_use]
    pub fn starting_at(origin: Instant) -> Self {
        Self { origin, offset_micros: AtomicI64::new(0), permit: Permit::default() }
    }

    /// Microseconds of the monotonic clock since the origin; negative before it.
    #[must_use]
    pub fn monotonic_micros(&self, at: Instant) -> i64 {
        match at.checked_duration_since(self.origin) {
            Some(after) => micros(after),
            None => -micros(self.origin.duration_since(at)),
        }
    }

    /// Until when load may be made.
    #[must_use]
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Whether users may start now.
    #[must_use]
    pub fn allows_arrivals(&self) -> bool {
        self.permit.allows_arrivals(self.monotonic_micros(Instant::now()))
    }

    /// Whether users may do anything now.
    #[must_use]
    pub fn allows_users(&self) -> bool {
        self.permit.allows_users(self.monotonic_micros(Instant::now()))
    }

    /// Sets what is added to the monotonic clock, in microseconds.
    pub fn set_offset(&self, micros: i64) {
        self.offset_micros.store(micros, Ordering::Relaxed);
    }

    /// The run time of an instant.
    #[must_use]
    pub fn at(&self, instant: Instant) -> RunTime {
        RunTime(self.monotonic_micros(instant) + self.offset_micros.load(Ordering::Relaxed))
    }

    /// The run time now.
    #[must_use]
    pub fn now(&self) -> RunTime {
        self.at(Instant::now())
    }

    /// The instant of a run time; the origin for those that lie before all instants.
    #[must_use]
    pub fn instant(&self, at: RunTime) -> Instant {
        let since_origin = at.0 - self.offset_micros.load(Ordering::Relaxed);
        let distance = Duration::from_micros(since_origin.unsigned_abs());
        let instant =
            if since_origin < 0 { self.origin.checked_sub(distance) } else { self.origin.checked_add(distance) };
        instant.unwrap_or(self.origin)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
