//! Run time: the only clock that travels between machines.
//!
//! Every agent maps its own monotonic clock to it, so instants of different
//! machines can be compared without asking any of them for the time of day.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// An instant of a run: microseconds since its start, negative before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunTime(pub i64);

impl RunTime {
    /// The start of the run.
    pub const ZERO: RunTime = RunTime(0);

    /// Rounds seconds to the nearest microsecond; what does not fit saturates, not-a-number is zero.
    #[must_use]
    pub fn from_secs_f64(seconds: f64) -> RunTime {
        RunTime((seconds * MICROS_PER_SECOND as f64).round() as i64)
    }

    /// Gives the instant in seconds since the start.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / MICROS_PER_SECOND as f64
    }

    /// Names the whole second that the instant lies in: −0.5 s lies in second −1.
    #[must_use]
    pub fn second(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }

    /// Measures the time since an earlier instant; zero when `other` is later.
    #[must_use]
    pub fn since(self, other: RunTime) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(other.0)).unwrap_or(0))
    }
}

/// Clips a duration to what an instant can hold; 292,000 years are long enough for a run.
fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Add<Duration> for RunTime {
    type Output = RunTime;

    fn add(self, later: Duration) -> RunTime {
        RunTime(self.0.saturating_add(micros(later)))
    }
}

impl Sub<Duration> for RunTime {
    type Output = RunTime;

    fn sub(self, earlier: Duration) -> RunTime {
        RunTime(self.0.saturating_sub(micros(earlier)))
    }
}

impl fmt::Display for RunTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:.3} s", self.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_before_the_start_are_negative() {
        assert_eq!(RunTime::from_secs_f64(-0.5).second(), -1);
        assert_eq!(RunTime::ZERO.second(), 0);
        assert_eq!(RunTime(1_999_999).second(), 1);
    }

    #[test]
    fn the_past_is_never_negative() {
        let early = RunTime::from_secs_f64(1.0);
        let late = early + Duration::from_millis(250);
        assert_eq!(late.since(early), Duration::from_millis(250));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late - Duration::from_millis(250), early);
        assert_eq!(RunTime(i64::MIN) - Duration::MAX, RunTime(i64::MIN));
    }
}
