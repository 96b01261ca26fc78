//! Evaluates thresholds over the samples of a run: pass, fail or no data.
//!
//! No data never passes: a rule about something that did not happen proves nothing. Errors are the
//! one exception. They are only ever recorded when something went wrong, so their absence from a
//! run that recorded anything at all is the number zero.

use std::collections::BTreeMap;

use rehearsal_metrics::{MetricSet, SeriesKey};
use rehearsal_plan::catalogue::AUTOSCALER;
use rehearsal_plan::{Statistic, Threshold};
use serde::{Deserialize, Serialize};

use crate::amounts;

/// What became of a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The rule held.
    Pass,
    /// The rule was broken.
    Fail,
    /// There was nothing to apply it to.
    NoData,
}

/// One threshold with what was measured beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdOutcome {
    /// The rule, as its author wrote it.
    pub text: String,
    /// What was measured, in the unit of files: seconds, a fraction of 1, or a plain number.
    pub value: Option<f64>,
    /// What follows.
    pub outcome: Outcome,
}

impl ThresholdOutcome {
    /// Writes the measured value in the unit in which the rule writes its limit.
    pub fn value_text(&self) -> Option<String> {
        let value = self.value?;
        let after_op = self.text.rsplit_once(['<', '>', '=']);
        let limit = after_op.and_then(|(_, rest)| rest.split_whitespace().next());
        Some(match limit.and_then(|limit| limit.chars().last()) {
            Some('%') => amounts::percent(value),
            Some(last) if last.is_alphabetic() => amounts::seconds(value),
            _ => amounts::number(value),
        })
    }
}

/// Evaluates thresholds over the whole run. `autoscaler` has the autoscaler's figures by name,
/// without the prefix. A rule with a `for` fails only by its streaks, which
/// [`WatchedThresholds`](crate::WatchedThresholds) finds; here it passes wherever it has data.
pub fn evaluate(
    thresholds: &[Threshold],
    metrics: &MetricSet,
    autoscaler: &BTreeMap<String, f64>,
) -> Vec<ThresholdOutcome> {
    let outcome = |threshold: &Threshold| {
        let figure = threshold.metric.strip_prefix(AUTOSCALER);
        let value = match figure {
            Some(figure) => autoscaler.get(figure).copied(),
            None => measure(threshold, metrics),
        };
        let outcome = match value {
            None => Outcome::NoData,
            Some(_) if is_judged_by_second(threshold) => Outcome::Pass,
            Some(value) if holds(threshold, value) => Outcome::Pass,
            Some(_) => Outcome::Fail,
        };
        ThresholdOutcome { text: threshold.to_string(), value, outcome }
    };
    thresholds.iter().map(outcome).collect()
}

/// Tells whether a rule is applied to every second by itself. A cue is a single moment and a figure
/// of the autoscaler one value for the whole run, so neither can be broken for some time.
pub(crate) fn is_judged_by_second(threshold: &Threshold) -> bool {
    let has_seconds = !threshold.metric.starts_with("cue.") && !threshold.metric.starts_with(AUTOSCALER);
    threshold.held_for.is_some() && has_seconds
}

/// Takes a threshold's statistic of a set of samples, in the unit of files: seconds, a fraction of 1,
/// or a plain number. `None` without samples, and for figures of the autoscaler, which are not
/// samples.
pub fn measure(threshold: &Threshold, metrics: &MetricSet) -> Option<f64> {
    let selector = SeriesKey { metric: threshold.metric.clone(), tags: threshold.tags.iter().collect() };
    let is_counting = matches!(threshold.statistic, Statistic::Count | Statistic::Rate);
    let absence_is_zero = threshold.metric == "errors" && is_counting && metrics.iter().next().is_some();
    let measured = metrics.statistic(&selector, threshold.statistic);
    measured.or(absence_is_zero.then_some(0.0))
}

/// Compares a measured value with a threshold's limit.
pub fn holds(threshold: &Threshold, value: f64) -> bool {
    threshold.op.holds(value, threshold.value)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::judge::tests::Run;

    fn check(text: &str, outcome: Outcome, value: Option<&str>) {
        let mut run = Run::new();
        for second in 0..10 {
            run.answers(second, 100, Duration::from_millis(100));
        }
        run.refusals(3, 50);
        let timeline = run.timeline();
        let metrics = MetricSet::whole(&timeline, &[], Duration::from_secs(10));
        let figures = [("jitter".to_owned(), 3.0)].into();
        let outcomes = evaluate(&[text.parse().unwrap()], &metrics, &figures);
        assert_eq!(outcomes[0].text, text);
        assert_eq!((outcomes[0].outcome, outcomes[0].value_text().as_deref()), (outcome, value), "{text}");
    }

    #[test]
    fn rules_are_evaluated_over_the_whole_run() {
        use Outcome::*;
        check("http.response p(99) < 500ms", Pass, Some("100 ms"));
        check("http.response{name:vote} max < 50ms", Fail, Some("100 ms"));
        check("http.response count >= 1000", Pass, Some("1,000"));
        check("http.response rate > 100", Fail, Some("100"));
        check("http.failed rate < 0.1%", Fail, Some("4.762%"));
        check("http.response{name:other} p(99) < 1s", NoData, None);
        check("custom.basket mean < 1", NoData, None);
        check("autoscaler.jitter < 2", Fail, Some("3"));
        check("autoscaler.under_share < 2", NoData, None);
    }

    #[test]
    fn a_rule_for_some_time_is_not_judged_by_the_whole() {
        check("http.failed rate < 0.1% for 3s", Outcome::Pass, Some("4.762%"));
    }

    /// A rule that forbids errors used to be without data exactly when it was kept.
    #[test]
    fn no_errors_are_zero_errors_once_anything_was_measured() {
        check("errors count == 0", Outcome::Fail, Some("50"));
        check("errors{kind:timeout} count == 0", Outcome::Pass, Some("0"));
        let nothing = evaluate(&["errors count == 0".parse().unwrap()], &MetricSet::default(), &BTreeMap::new());
        assert_eq!(nothing[0].outcome, Outcome::NoData);
    }

    #[test]
    fn a_comparison_inside_a_tag_does_not_hide_the_limit() {
        let outcome = ThresholdOutcome {
            text: "checks{name:\"a < 5ms\"} rate > 99.9% for 10s abort".to_owned(),
            value: Some(0.5),
            outcome: Outcome::Fail,
        };
        assert_eq!(outcome.value_text().as_deref(), Some("50%"));
    }
}
