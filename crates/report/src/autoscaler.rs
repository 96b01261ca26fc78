//! What is told of the autoscaler, as texts: all forms of the report for people are made of these rows.
//!
//! Every figure has its unit and what it is a share of. What there is no evidence for is a dash.

use rehearsal_plan::Capacity;
use rehearsal_verdict::Verdict;
use rehearsal_verdict::amounts::{counted, number, percent};
use rehearsal_verdict::elasticity::{Assessment, Direction, KeptBand, Kind, Step, Weight};

/// The heading of [`steps`].
pub(crate) const STEPS: [&str; 9] =
    ["Step of the load", "from", "to", "detection", "decision", "actuation", "readiness", "settling", "overshoot"];
/// The heading of [`supply`].
pub(crate) const SUPPLY: [&str; 3] = ["Supply against demand", "short", "beyond"];
/// The heading of [`bands`].
pub(crate) const BANDS: [&str; 3] = ["Metric of the scaler", "band", "kept, of the time that counts"];

/// What an assessment comes to by itself, and the names of what led to it.
pub(crate) fn outcome(assessment: &Assessment) -> (Verdict, String) {
    let named = |weight: Weight| {
        let mut kinds: Vec<Kind> = Vec::new();
        for finding in assessment.findings.iter().filter(|finding| finding.weight == weight) {
            if !kinds.contains(&finding.kind) {
                kinds.push(finding.kind);
            }
        }
        kinds.into_iter().map(Kind::name).collect::<Vec<_>>().join(", ")
    };
    let (failed, doubted) = (named(Weight::Fail), named(Weight::Doubt));
    match (failed.is_empty(), doubted.is_empty()) {
        (true, true) => (Verdict::Pass, "nothing is held against it".to_owned()),
        (true, false) => (Verdict::Inconclusive, doubted),
        (false, true) => (Verdict::Fail, failed),
        (false, false) => (Verdict::Fail, format!("{failed}; in doubt: {doubted}")),
    }
}

/// What the figures rest on: `500 users per instance, from 2 to 40 instances allowed, instances seen for 99% of the run`.
pub(crate) fn basis(assessment: &Assessment) -> String {
    let capacity = match assessment.capacity {
        Some(Capacity::Users(users)) => format!("{} users per instance", number(users)),
        Some(Capacity::Requests(requests)) => format!("{} requests/s per instance", number(requests)),
        None => "nobody knows what one instance carries".to_owned(),
    };
    let bounds = match (assessment.bounds.at_least, assessment.bounds.at_most) {
        (Some(least), Some(most)) => Some(format!("from {least} to {most} instances allowed")),
        (Some(least), None) => Some(format!("at least {least} instances")),
        (None, Some(most)) => Some(format!("at most {most} instances")),
        (None, None) => None,
    };
    let seen = match figure(assessment, "observed_share") {
        Some(share) => format!("instances seen for {} of the run", percents(share)),
        None => "instances never seen".to_owned(),
    };
    [Some(capacity), bounds, Some(seen)].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// By how much supply was short of demand, and beyond it.
pub(crate) fn supply(assessment: &Assessment) -> [[String; 3]; 3] {
    let row = |what: &str, under: &str, over: &str, text: fn(f64) -> String| {
        let cell = |name: &str| shown(figure(assessment, name).map(text));
        [what.to_owned(), cell(under), cell(over)]
    };
    [
        row("instances, on average", "under_accuracy", "over_accuracy", rounded),
        row("share of demand", "under_accuracy_relative", "over_accuracy_relative", percents),
        row("share of the time", "under_share", "over_share", percents),
    ]
}

/// How steadily it went: each figure by itself, with its unit.
pub(crate) fn steadiness(assessment: &Assessment) -> [String; 4] {
    let text = |name: &str, text: fn(f64) -> String| shown(figure(assessment, name).map(text));
    let tick = figure(assessment, "tick_s").map_or_else(String::new, |tick_s| format!(" at ticks of {}", secs(tick_s)));
    [
        format!("jitter {} instances per minute", text("jitter", rounded)),
        format!("instability {}{tick}", text("instability", percents)),
        format!("{} reversals without reason", text("reversals", rounded)),
        match figure(assessment, "errors_while_draining") {
            Some(errors) => format!("{} while instances left", counted(errors as u64, "error")),
            None => "errors while instances left – (none was seen to leave)".to_owned(),
        },
    ]
}

/// What it did about each step of the load, in seconds since its slowest rise.
pub(crate) fn steps(assessment: &Assessment) -> impl Iterator<Item = [String; 9]> {
    assessment.steps.iter().map(|step: &Step| {
        let way = match step.direction {
            Direction::Up => "up",
            Direction::Down => "down",
        };
        let time = |value: Option<f64>| shown(value.map(secs));
        // A step of several rises is at its first, and its times count from the one that waited longest.
        let since = match step.rise_at_s > step.at_s {
            true => format!(" ({})", secs(step.rise_at_s)),
            false => String::new(),
        };
        [
            format!("{way} at {}{since}", secs(step.at_s)),
            number(step.from),
            number(step.to),
            time(step.detection_s),
            time(step.decision_s),
            time(step.actuation_s),
            time(step.readiness_s),
            time(step.settling_s),
            shown(step.overshoot.map(rounded)),
        ]
    })
}

/// How well its metrics were kept in their bands.
pub(crate) fn bands(assessment: &Assessment) -> impl Iterator<Item = [String; 3]> {
    assessment.bands.iter().map(|KeptBand { metric, lo, hi, share }| {
        [metric.clone(), format!("{}–{}", number(*lo), number(*hi)), shown(share.map(|share| percents(100.0 * share)))]
    })
}

fn figure(assessment: &Assessment, name: &str) -> Option<f64> {
    assessment.figures.get(name).copied()
}

/// A length of time or an instant of run time, to a tenth of a second as observations are.
fn secs(seconds: f64) -> String {
    format!("{} s", number((seconds * 10.0).round() / 10.0))
}

fn rounded(value: f64) -> String {
    number((value * 100.0).round() / 100.0)
}

/// A figure that is in percent already, to a tenth, unless that would make it nothing or all.
fn percents(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    percent(if rounded == 0.0 || rounded == 100.0 { value } else { rounded } / 100.0)
}

fn shown(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".to_owned())
}

#[cfg(test)]
mod tests {
    use rehearsal_verdict::elasticity::imaginary::Character;

    use super::*;
    use crate::example;

    #[test]
    fn the_scaler_is_called_what_it_is() {
        let check = |character: Character, expected: (Verdict, &str)| {
            let (verdict, words) = outcome(&example::assessment(character));
            assert_eq!((verdict, words.as_str()), expected, "{character:?}");
        };
        check(Character::Healthy, (Verdict::Pass, "nothing is held against it"));
        check(Character::Flapping, (Verdict::Fail, "flapping"));
        check(Character::Harsh, (Verdict::Fail, "harsh"));
    }

    #[test]
    fn what_nobody_saw_is_a_dash() {
        let nothing = Assessment::default();
        assert_eq!(basis(&nothing), "nobody knows what one instance carries, instances never seen");
        assert!(supply(&nothing).iter().all(|[_, short, beyond]| short == "–" && beyond == "–"));
        assert!(steadiness(&nothing).iter().all(|text| text.contains('–')), "{:?}", steadiness(&nothing));
    }
}
