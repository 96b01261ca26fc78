//! How an agent knows run time: an NTP-like filter over probes, and a clock that is slewed and never stepped.
//!
//! One probe gives four instants, `sent` and `returned` on the agent's monotonic clock m, `received` and `answered` in
//! run time r. The coordinator's stamps fell somewhere between sending and return, so with
//!
//! ```text
//! offset = ((received − sent) + (answered − returned)) / 2        r ≈ m + offset
//! bound  = ((returned − sent) − (answered − received)) / 2 + drift × (now − sent)
//! ```
//!
//! the true run time is within `bound` of `m + offset`, however unequal the two ways were, as long as the two clocks
//! drift apart by no more than `drift`. Example: a round trip of 30 ms of which the coordinator held 2 ms gives ±14 ms;
//! ten seconds later, at 250 ppm, ±16.5 ms.

use std::collections::VecDeque;
use std::time::Duration;

use rehearsal_plan::RunTime;

use crate::identity::MonoTime;

/// Assumed most that two clocks drift apart, in parts per million: two quartzes at ±100, with room for temperature.
pub const ASSUMED_DRIFT_PPM: u32 = 250;

/// Fastest correction of the run clock, in parts per million: half a millisecond a second, as NTP does.
pub const SLEW_PPM: u32 = 500;

/// Samples kept: at one probe a second the quietest of the last 16 s is found, and a changed route is soon noticed.
const KEPT: usize = 16;

const MILLION: i128 = 1_000_000;

/// One exchange with the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// When the agent sent it.
    pub sent: MonoTime,
    /// When it reached the coordinator.
    pub received: RunTime,
    /// When the coordinator answered.
    pub answered: RunTime,
    /// When the answer reached the agent.
    pub returned: MonoTime,
}

impl Probe {
    /// Time on the way there and back, in microseconds; `None` if the instants contradict each other.
    fn round_trip(&self) -> Option<i64> {
        let outside = i64::try_from(self.returned.0.checked_sub(self.sent.0)?).ok()?;
        let inside = self.answered.0.checked_sub(self.received.0).filter(|held| *held >= 0)?;
        // Two clocks may disagree by a little about the time that the coordinator held the probe.
        let tolerated = 1 + outside / 1_000;
        (inside <= outside + tolerated).then_some((outside - inside).max(0))
    }

    /// Run time minus monotonic time, in microseconds.
    fn offset(&self) -> i64 {
        let there = i128::from(self.received.0) - i128::from(self.sent.0);
        let back = i128::from(self.answered.0) - i128::from(self.returned.0);
        i64::try_from((there + back) / 2).unwrap_or(if there > 0 { i64::MAX } else { i64::MIN })
    }
}

/// Run time minus monotonic time, and how wrong that can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// In microseconds.
    pub offset: i64,
    /// The true offset differs by no more than this.
    pub bound: Duration,
}

/// Keeps the recent probes and trusts the one with the smallest bound now.
#[derive(Debug, Clone)]
pub struct ClockFilter {
    drift_ppm: u32,
    recent: VecDeque<Probe>,
}

impl ClockFilter {
    /// A filter that assumes two clocks to drift apart by at most `drift_ppm`.
    pub fn new(drift_ppm: u32) -> Self {
        ClockFilter { drift_ppm, recent: VecDeque::with_capacity(KEPT) }
    }

    /// Takes a probe; gives `false` if its instants contradict each other and it was ignored.
    pub fn observe(&mut self, probe: Probe) -> bool {
        if probe.round_trip().is_none() {
            return false;
        }
        if self.recent.len() == KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(probe);
        true
    }

    /// Forgets everything: the coordinator that answered is gone, and its run time with it.
    pub fn forget(&mut self) {
        self.recent.clear();
    }

    /// The best estimate now; `None` before the first probe.
    pub fn best(&self, now: MonoTime) -> Option<Estimate> {
        self.recent.iter().map(|probe| self.estimate(probe, now)).min_by_key(|estimate| estimate.bound)
    }

    fn estimate(&self, probe: &Probe, now: MonoTime) -> Estimate {
        let half = probe.round_trip().unwrap_or(i64::MAX) / 2 + 1;
        // Half a tick is lost in halving the sum of the offsets, one more in rounding the drift.
        let bound = half.unsigned_abs() + drifted(self.drift_ppm, now.since(probe.sent)) + 1;
        Estimate { offset: probe.offset(), bound: Duration::from_micros(bound) }
    }
}

/// How far two clocks drift apart in `span`, in microseconds, rounded up.
fn drifted(ppm: u32, span: Duration) -> u64 {
    u64::try_from((span.as_micros() * u128::from(ppm)).div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// The agent's run time: follows the filter by slewing.
///
/// | state | a probe | |
/// |---|---|---|
/// | unset | sets it | |
/// | free: no version holds yet | sets it again | |
/// | held, from [`Self::hold`] on | corrects its rate by at most [`SLEW_PPM`] until the error is gone | never stepped |
#[derive(Debug, Clone)]
pub struct RunClock {
    filter: ClockFilter,
    line: Option<Line>,
    held: bool,
}

/// Run time as a function of monotonic time: from `since` on offset `offset`, which then moves by `slew` in all.
#[derive(Debug, Clone, Copy)]
struct Line {
    since: MonoTime,
    offset: i64,
    /// Correction still to be made from `since` on, in microseconds, signed.
    slew: i64,
}

impl Line {
    fn offset_at(&self, now: MonoTime) -> i64 {
        let most = now.since(self.since).as_micros() as i128 * i128::from(SLEW_PPM) / MILLION;
        let made = i128::from(self.slew).clamp(-most, most);
        self.offset.saturating_add(i64::try_from(made).expect("clamped to the slew, which is an i64"))
    }
}

impl RunClock {
    /// A clock that is not set yet.
    pub fn new(drift_ppm: u32) -> Self {
        RunClock { filter: ClockFilter::new(drift_ppm), line: None, held: false }
    }

    /// Takes a probe at the instant at which its answer came.
    pub fn observe(&mut self, probe: Probe, now: MonoTime) {
        if !self.filter.observe(probe) {
            return;
        }
        let Some(best) = self.filter.best(now) else {
            return;
        };
        self.line = Some(match self.line {
            Some(line) if self.held => {
                let offset = line.offset_at(now);
                Line { since: now, offset, slew: best.offset.saturating_sub(offset) }
            }
            _ => Line { since: now, offset: best.offset, slew: 0 },
        });
    }

    /// From now on instants of run time matter: the clock is slewed only. Does nothing before it is set.
    pub fn hold(&mut self) {
        self.held = self.line.is_some();
    }

    /// Another coordinator answers from now on: its probes alone count.
    pub fn forget_probes(&mut self) {
        self.filter.forget();
    }

    /// The run time now; `None` before the first probe.
    pub fn run_time(&self, now: MonoTime) -> Option<RunTime> {
        let offset = self.line?.offset_at(now);
        Some(RunTime(i64::try_from(now.0).unwrap_or(i64::MAX).saturating_add(offset)))
    }

    /// The most by which [`Self::run_time`] differs from the coordinator's; `None` without a probe of the present
    /// coordinator.
    pub fn bound(&self, now: MonoTime) -> Option<Duration> {
        let best = self.filter.best(now)?;
        let still_to_slew = self.line?.offset_at(now).abs_diff(best.offset);
        Some(best.bound + Duration::from_micros(still_to_slew))
    }

    /// The monotonic instant at which the clock will show `at`, as it runs now; `None` before the first probe.
    ///
    /// While it is slewed this is off by at most 500 ppm of the distance, so look again when the time has come.
    pub fn instant_of(&self, at: RunTime, now: MonoTime) -> Option<MonoTime> {
        let ahead = at.0.saturating_sub(self.run_time(now)?.0);
        Some(MonoTime(now.0.saturating_add_signed(ahead)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A pair of clocks: run time is monotonic time plus `offset`, drifting by `ppm`.
    #[derive(Debug, Clone, Copy)]
    struct Truth {
        offset: i64,
        ppm: i64,
    }

    impl Truth {
        fn run_time(&self, mono: u64) -> i64 {
            mono as i64 + self.offset + mono as i64 * self.ppm / 1_000_000
        }

        fn probe(&self, sent: u64, there: u64, held: u64, back: u64) -> Probe {
            Probe {
                sent: MonoTime(sent),
                received: RunTime(self.run_time(sent + there)),
                answered: RunTime(self.run_time(sent + there + held)),
                returned: MonoTime(sent + there + held + back),
            }
        }
    }

    proptest! {
        /// However unequal the ways, however wrong the clocks within the assumed drift: the true error never exceeds
        /// the stated bound, and held run time never goes back nor jumps.
        #[test]
        fn the_stated_bound_holds_and_the_clock_is_smooth(
            offset in -1_000_000_000i64..1_000_000_000,
            ppm in -250i64..=250,
            probes in proptest::collection::vec((1u64..3_000_000, 0u64..400_000, 0u64..5_000, 0u64..400_000), 1..60),
        ) {
            let truth = Truth { offset, ppm };
            let mut clock = RunClock::new(ASSUMED_DRIFT_PPM);
            let mut mono = 0;
            let mut shown: Option<(u64, i64)> = None;
            for (pause, there, held, back) in probes {
                let probe = truth.probe(mono + pause, there, held, back);
                for look in [mono + pause / 2, probe.returned.0] {
                    let now = MonoTime(look);
                    if let (Some(run_time), Some(bound)) = (clock.run_time(now), clock.bound(now)) {
                        let error = run_time.0.abs_diff(truth.run_time(look));
                        prop_assert!(u128::from(error) <= bound.as_micros(), "error {} µs, bound {:?}", error, bound);
                        if let Some((before, earlier)) = shown {
                            let (elapsed, advanced) = ((look - before) as i64, run_time.0 - earlier);
                            prop_assert!((advanced - elapsed).abs() <= elapsed * i64::from(SLEW_PPM) / 1_000_000 + 2);
                        }
                        shown = Some((look, run_time.0));
                    }
                }
                mono = probe.returned.0;
                clock.observe(probe, probe.returned);
                clock.hold();
            }
        }
    }

    #[test]
    fn the_quietest_recent_probe_wins() {
        let truth = Truth { offset: 5_000_000, ppm: 0 };
        let mut filter = ClockFilter::new(ASSUMED_DRIFT_PPM);
        filter.observe(truth.probe(0, 300_000, 0, 1_000));
        filter.observe(truth.probe(1_000_000, 2_000, 100, 2_000));
        filter.observe(truth.probe(2_000_000, 1_000, 0, 500_000));
        let best = filter.best(MonoTime(3_000_000)).unwrap();
        assert_eq!(best.offset, 5_000_000);
        assert!(best.bound < Duration::from_micros(2_600), "{best:?}");
    }

    #[test]
    fn before_it_is_held_a_probe_sets_the_clock_and_after_it_only_slews() {
        let mut clock = RunClock::new(ASSUMED_DRIFT_PPM);
        clock.observe(Truth { offset: 0, ppm: 0 }.probe(0, 50, 0, 50), MonoTime(100));
        clock.filter.forget();
        clock.observe(Truth { offset: 70_000, ppm: 0 }.probe(1_000, 50, 0, 50), MonoTime(1_100));
        assert_eq!(clock.run_time(MonoTime(2_000)), Some(RunTime(72_000)));
        clock.hold();
        clock.forget_probes();
        assert_eq!(clock.bound(MonoTime(2_000)), None);
        clock.observe(Truth { offset: 170_000, ppm: 0 }.probe(2_000, 50, 0, 50), MonoTime(2_100));
        assert_eq!(clock.run_time(MonoTime(1_002_100)), Some(RunTime(1_072_600)), "500 µs of correction in a second");
        assert!(clock.bound(MonoTime(1_002_100)).unwrap() >= Duration::from_micros(99_500));
        assert_eq!(
            clock.run_time(MonoTime(400_000_000)),
            Some(RunTime(400_170_000)),
            "slewing ends when the error is gone"
        );
    }

    #[test]
    fn contradictory_probes_are_ignored() {
        let mut clock = RunClock::new(ASSUMED_DRIFT_PPM);
        let hostile = [(10, 0, 0, 5), (0, 10, 0, 5), (0, 0, 1_000_000, 5), (0, i64::MIN, i64::MAX, 5)];
        for (sent, received, answered, returned) in hostile {
            let probe = Probe {
                sent: MonoTime(sent),
                received: RunTime(received),
                answered: RunTime(answered),
                returned: MonoTime(returned),
            };
            clock.observe(probe, MonoTime(returned));
        }
        assert_eq!(clock.run_time(MonoTime(20)), None);
    }
}
