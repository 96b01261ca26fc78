//! Where run time begins on this machine, so that a coordinator that comes back goes on in the same time.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rehearsal_engine::RunClock;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Run time zero by the clocks of the machine. The monotonic one is exact, and counts anew with every start of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Anchor {
    /// The machine's present start, as the kernel names it.
    boot: String,
    monotonic_us: i64,
    unix_us: i64,
}

impl Anchor {
    /// Run time begins now.
    pub(crate) fn now() -> Self {
        Self { boot: boot(), monotonic_us: monotonic_us(), unix_us: unix_us() }
    }

    /// A clock that shows the run's time. After a restart of the machine it is as good as the machine's date.
    pub(crate) fn clock(&self) -> RunClock {
        let since = if self.boot == boot() { monotonic_us() - self.monotonic_us } else { unix_us() - self.unix_us };
        let clock = RunClock::starting_at(Instant::now());
        clock.set_offset(since);
        clock
    }
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// The clock behind [`Instant`], which alone cannot be written down.
fn monotonic_us() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

fn unix_us() -> i64 {
    let since: Duration = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_clock_goes_on_where_the_first_is() {
        let anchor = Anchor::now();
        let first = anchor.clock();
        let kept: Anchor = serde_json::from_value(serde_json::to_value(&anchor).unwrap()).unwrap();
        let later = kept.clock();
        let apart = (later.now().0 - first.now().0).abs();
        assert!(apart < 50_000, "{apart} µs apart");
        let other_boot = Anchor { boot: "another".to_owned(), ..anchor };
        let apart = (other_boot.clock().now().0 - first.now().0).abs();
        assert!(apart < 50_000, "{apart} µs apart by the date");
    }
}
