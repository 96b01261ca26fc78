//! Watches thresholds while a run goes on: those that must be broken `for` some time, and those
//! that `abort`.
//!
//! Only settled seconds count, because a second of which an agent has not told yet may still turn
//! out well. A rule with a `for` is applied to every second by itself and is broken once it was
//! broken in each second with samples for that long. A second without samples neither breaks a rule
//! nor mends it. A rule without `for` that aborts is applied to the run so far.

use rehearsal_metrics::{CueFiring, MetricSet, Span, Timeline};
use rehearsal_plan::Threshold;
use rehearsal_plan::catalogue::AUTOSCALER;

use crate::thresholds::{holds, is_judged_by_second, measure};

/// Seconds after which a cue's reach may abort a run: an audience votes within fifteen seconds, so
/// whoever has not heard the call by then has missed it, while earlier many just have not yet.
const CUE_PATIENCE_S: i64 = 15;

/// Hundredths of the run after which the run so far is looked at again: its statistics hardly move
/// in less, and looking costs in proportion to the run's length.
const LOOKS_PER_LENGTH: i64 = 100;

/// A rule that was broken for as long as it says, or that ended the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Breach {
    /// The rule's position among the plan's thresholds.
    pub rule: usize,
    /// The rule.
    pub text: String,
    /// What was measured last, in the unit of files.
    pub value: f64,
    /// The seconds over which it was broken.
    pub span: Span,
    /// Whether the run is to end.
    pub aborts: bool,
}

#[derive(Clone, Debug)]
struct Rule {
    /// Its position among the plan's thresholds.
    position: usize,
    threshold: Threshold,
    /// The second since which it has been broken without a break.
    broken_since: Option<i64>,
    /// Where the breach of this streak is listed, once there is one.
    breach: Option<usize>,
}

/// The rules of a plan that are watched, and what they have seen.
#[derive(Clone, Debug)]
pub struct WatchedThresholds {
    by_second: Vec<Rule>,
    by_run: Vec<Rule>,
    /// The next second to apply rules to.
    next_s: i64,
    /// The settled second from which on the run so far is looked at again.
    look_again_s: i64,
    breaches: Vec<Breach>,
}

impl WatchedThresholds {
    /// Takes those of a plan's thresholds that have to be watched.
    pub fn new(thresholds: &[Threshold]) -> WatchedThresholds {
        let rules = thresholds.iter().enumerate().map(|(position, threshold)| Rule {
            position,
            threshold: threshold.clone(),
            broken_since: None,
            breach: None,
        });
        let (by_second, others): (Vec<Rule>, Vec<Rule>) = rules.partition(|rule| is_judged_by_second(&rule.threshold));
        // The autoscaler's figures are known only at the end.
        let may_abort = |rule: &Rule| rule.threshold.abort && !rule.threshold.metric.starts_with(AUTOSCALER);
        WatchedThresholds {
            by_second,
            by_run: others.into_iter().filter(may_abort).collect(),
            next_s: 0,
            look_again_s: 0,
            breaches: Vec::new(),
        }
    }

    /// Looks at the seconds that have settled since the last time. Returns the breaches that are
    /// to end the run now; each comes once.
    pub fn settle(&mut self, timeline: &Timeline, firings: &[CueFiring]) -> Vec<Breach> {
        let Some(settled) = timeline.settled() else {
            return Vec::new();
        };
        let known = self.breaches.len();
        while self.next_s <= settled && !self.by_second.is_empty() {
            self.look_at_second(timeline, self.next_s);
            self.next_s += 1;
        }
        if settled >= self.look_again_s && !self.by_run.is_empty() {
            self.look_at_run(timeline, firings, settled);
            self.look_again_s = settled + 1 + settled / LOOKS_PER_LENGTH;
        }
        let new = self.breaches[known..].iter();
        new.filter(|breach| breach.aborts).cloned().collect()
    }

    /// Lists all breaches so far, in order of their discovery; the judge wants them.
    pub fn breaches(&self) -> &[Breach] {
        &self.breaches
    }

    fn look_at_second(&mut self, timeline: &Timeline, second: i64) {
        let span = Span { from_s: second, to_s: second + 1 };
        let metrics = MetricSet::window(timeline, &[], span);
        for rule in &mut self.by_second {
            match measure(&rule.threshold, &metrics) {
                None => {}
                Some(value) if holds(&rule.threshold, value) => rule.mend(),
                Some(value) => rule.break_in(second, value, &mut self.breaches),
            }
        }
    }

    fn look_at_run(&mut self, timeline: &Timeline, firings: &[CueFiring], settled: i64) {
        let is_ripe = |firing: &&CueFiring| firing.fired_at_s.floor() as i64 + CUE_PATIENCE_S <= settled;
        let ripe: Vec<CueFiring> = firings.iter().filter(is_ripe).cloned().collect();
        let span = Span { from_s: 0, to_s: settled + 1 };
        let metrics = MetricSet::window(timeline, &ripe, span);
        for rule in self.by_run.iter_mut().filter(|rule| rule.breach.is_none()) {
            let value = measure(&rule.threshold, &metrics);
            if let Some(value) = value.filter(|value| !holds(&rule.threshold, *value)) {
                rule.breach = Some(self.breaches.len());
                self.breaches.push(rule.breach_of(span, value));
            }
        }
    }
}

impl Rule {
    fn mend(&mut self) {
        (self.broken_since, self.breach) = (None, None);
    }

    /// Notes that the rule is broken in a second, and the breach when that has lasted long enough.
    fn break_in(&mut self, second: i64, value: f64, breaches: &mut Vec<Breach>) {
        let span = Span { from_s: *self.broken_since.get_or_insert(second), to_s: second + 1 };
        let breach = self.breach_of(span, value);
        let lasted = (span.to_s - span.from_s) as f64;
        let is_long_enough = lasted >= self.threshold.held_for.unwrap_or_default().as_secs_f64();
        match self.breach.and_then(|position| breaches.get_mut(position)) {
            Some(known) => *known = breach,
            None if is_long_enough => {
                self.breach = Some(breaches.len());
                breaches.push(breach);
            }
            None => {}
        }
    }

    fn breach_of(&self, span: Span, value: f64) -> Breach {
        Breach { rule: self.position, text: self.threshold.to_string(), value, span, aborts: self.threshold.abort }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::judge::tests::Run;

    /// Feeds a run second by second; in each, that many of 100 calls fail, `None` is a second
    /// without calls. Returns the seconds of the breaches, and the second after which the run was
    /// to end.
    fn watch(rule: &str, failing: &[Option<u64>]) -> (Vec<(i64, i64)>, Option<i64>) {
        let mut watched = WatchedThresholds::new(&[rule.parse().unwrap()]);
        let mut aborted_at = None;
        for length in 1..=failing.len() {
            let mut run = Run::new();
            for (second, failed) in failing[..length].iter().enumerate() {
                run.second(second as i64);
                if let Some(failed) = failed {
                    run.answers(second as i64, 100 - failed, Duration::from_millis(1));
                    run.refusals(second as i64, *failed);
                }
            }
            if !watched.settle(&run.timeline(), &[]).is_empty() {
                assert_eq!(aborted_at.replace(length as i64 - 1), None, "told once");
            }
        }
        let spans = watched.breaches().iter();
        let spans = spans.map(|breach| (breach.span.from_s, breach.span.to_s));
        (spans.collect(), aborted_at)
    }

    #[test]
    fn a_rule_must_be_broken_without_a_break() {
        let rule = "http.failed rate < 10% for 3s";
        let (good, bad, none) = (Some(0), Some(50), None);
        assert_eq!(watch(rule, &[bad, bad, good, bad, bad]), (vec![], None));
        assert_eq!(watch(rule, &[good, bad, bad, bad, bad, good]), (vec![(1, 5)], None));
        assert_eq!(watch(rule, &[bad, bad, bad, good, bad, bad, bad]).0, [(0, 3), (4, 7)]);
        assert_eq!(watch(rule, &[bad, none, none]).0, [], "silence is no proof");
        assert_eq!(watch(rule, &[bad, none, bad]).0, [(0, 3)], "nor does it mend");
    }

    #[test]
    fn an_abort_comes_when_the_time_is_full() {
        let rule = "http.failed rate < 10% for 2s abort";
        assert_eq!(watch(rule, &[Some(0), Some(50), Some(50), Some(50)]), (vec![(1, 4)], Some(2)));
    }

    #[test]
    fn an_abort_without_a_time_looks_at_the_run_so_far() {
        let rule = "http.failed rate < 10% abort";
        let seconds = [Some(0), Some(0), Some(15), Some(50), Some(0)];
        assert_eq!(watch(rule, &seconds), (vec![(0, 4)], Some(3)));
    }

    #[test]
    fn rules_of_the_whole_run_are_left_to_the_end() {
        for rule in ["http.failed rate < 1%", "autoscaler.jitter < 2 abort"] {
            assert_eq!(watch(rule, &[Some(100); 3]), (vec![], None), "{rule}");
        }
    }
}
