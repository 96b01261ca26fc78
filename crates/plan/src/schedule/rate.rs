//! Starts at a rate that follows stages.
//!
//! Start i comes when the integral of the rate passes i, rounded down to the microsecond. So that the
//! inverse is exact, the integral is an integer: with the rate r in micro-starts per second and the time x
//! in microseconds, twice the integral over a linear stage of length d from r₀ to r₁ is
//!
//! ```text
//!   J(x) = 2·r₀·x + ⌊(r₁ − r₀)·x² / d⌋      in units of 10⁻¹² / 2 starts
//! ```
//!
//! which is exact at the end of the stage (x = d) and never falls, whatever is rounded in between.

use super::clipped;
use crate::load::{MOST_PER_SECOND, RateStage};

/// One start in the units of J.
const START: u128 = 2_000_000_000_000;

const NANOS_PER_MICRO: u64 = 1000;

/// One stage with a duration: microseconds of plan time, micro-starts per second.
#[derive(Clone, Debug)]
struct Leg {
    /// J of everything before it.
    before: u128,
    start: u64,
    over: u64,
    from: u64,
    to: u64,
}

impl Leg {
    /// J at `passed` microseconds into the stage, the stages before it included.
    fn integral(&self, passed: u64) -> u128 {
        let (passed, over) = (i128::from(passed), i128::from(self.over));
        let (from, to) = (i128::from(self.from), i128::from(self.to));
        let bend = ((to - from) * passed * passed).div_euclid(over);
        self.before
            + u128::try_from(2 * from * passed + bend).expect("a rate is never negative, so neither is its integral")
    }

    /// Finds the last microsecond into the stage at which J has not passed `target`; J passes it within the stage.
    fn last_at_or_below(&self, target: u128) -> u64 {
        let (mut at_or_below, mut above) = (0, self.over);
        while above - at_or_below > 1 {
            let middle = at_or_below + (above - at_or_below) / 2;
            if self.integral(middle) <= target {
                at_or_below = middle;
            } else {
                above = middle;
            }
        }
        at_or_below
    }
}

/// The starts of a rate.
#[derive(Clone, Debug)]
pub struct Rate {
    legs: Vec<Leg>,
    /// J of all stages.
    total: u128,
}

impl Rate {
    /// Works out stages that begin at a rate of 0.
    pub fn new(stages: &[RateStage]) -> Rate {
        let mut rate = Rate { legs: Vec::new(), total: 0 };
        let (mut start, mut from) = (0_u64, 0);
        for stage in stages {
            let (to, over) = match stage {
                RateStage::RampTo { per_second, over } => (micro_starts(*per_second), *over),
                RateStage::Hold { over } => (from, *over),
            };
            let over = clipped(over) / NANOS_PER_MICRO;
            if over > 0 {
                let leg = Leg { before: rate.total, start, over, from, to };
                rate.total = leg.integral(over);
                rate.legs.push(leg);
                start = start.saturating_add(over);
            }
            from = to;
        }
        rate
    }

    /// Counts the starts: those that the integral passes.
    pub fn planned(&self) -> u64 {
        u64::try_from(self.total.div_ceil(START)).unwrap_or(u64::MAX)
    }

    /// Gives the instant of a start in nanoseconds; `None` beyond the last.
    pub fn instant(&self, index: u64) -> Option<u64> {
        let target = u128::from(index) * START;
        if target >= self.total {
            return None;
        }
        let leg = &self.legs[self.legs.partition_point(|leg| leg.before <= target) - 1];
        Some((leg.start + leg.last_at_or_below(target)).saturating_mul(NANOS_PER_MICRO))
    }

    /// Counts the starts strictly before an instant in nanoseconds: those that the integral has passed by then.
    pub fn before(&self, instant: u64) -> u64 {
        let micros = instant.div_ceil(NANOS_PER_MICRO);
        let begun = self.legs.partition_point(|leg| leg.start < micros);
        let integral = self.legs[..begun].last().map_or(0, |leg| leg.integral((micros - leg.start).min(leg.over)));
        u64::try_from(integral.div_ceil(START)).unwrap_or(u64::MAX)
    }
}

/// Turns a rate into whole micro-starts per second; what is no rate is clipped to one.
fn micro_starts(per_second: f64) -> u64 {
    (per_second.clamp(0.0, MOST_PER_SECOND) * 1e6).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_ramp_and_a_hold_add_up() {
        let over = Duration::from_secs(10);
        let rate = Rate::new(&[RateStage::RampTo { per_second: 100.0, over }, RateStage::Hold { over }]);
        assert_eq!(rate.planned(), 500 + 1000);
        assert_eq!(rate.instant(500), Some(10_000_000_000));
        assert_eq!(rate.instant(501), Some(10_010_000_000));
        assert_eq!(rate.instant(125), Some(5_000_000_000)); // a quarter of the ramp's starts in its first half
        assert_eq!(rate.instant(1500), None);
        assert_eq!(rate.before(10_010_000_001), 502);
    }

    #[test]
    fn nothing_starts_while_the_rate_is_zero() {
        let jump = |per_second| RateStage::RampTo { per_second, over: Duration::ZERO };
        let hold = RateStage::Hold { over: Duration::from_secs(1) };
        let rate = Rate::new(&[jump(1.0), hold, jump(0.0), hold, jump(1.0), hold]);
        assert_eq!([rate.instant(0), rate.instant(1), rate.instant(2)], [Some(0), Some(2_000_000_000), None]);
    }
}
