//! Judges what the scaler did while a metric that it goes by was missing.
//!
//! That a metric is missing for us may mean that it is missing for the scaler, or that only our own observation
//! failed. In the second case a wrong act is in doubt and not a failure.
//!
//! A decision shortly after the metric was lost may still rest on what was seen before. Therefore an act within
//! the plan's length of an outage counts only when it goes below what the load needs.

use rehearsal_plan::DuringOutage;

use super::reaction::HOLD_S;
use super::steps::Change;
use super::view::{View, instances, seconds};
use super::{Failure, Kind, ScalerFinding, Weight};
use crate::amounts;
use crate::case::Extent;

/// The share of an outage in which the scaler has to be seen. Less than elsewhere: what it wants does not come and
/// go between two looks.
const ENOUGH_TO_SEE_HOLDING: f64 = 0.5;

pub(super) fn judge(view: &View<'_>) -> Vec<ScalerFinding> {
    if view.plan.outage.then == DuringOutage::Anything {
        return Vec::new();
    }
    view.outages.iter().filter_map(|(metric, outage)| judge_one(view, metric, *outage)).collect()
}

fn judge_one(view: &View<'_>, metric: &str, outage: Extent) -> Option<ScalerFinding> {
    let is_of_it = |failure: &&Failure| failure.of == metric && (outage.from_s..outage.to_s).contains(&failure.at_s);
    let failures = || view.seen.failures.iter().filter(is_of_it);
    let failure = failures().find(|failure| failure.is_ours);
    let length = seconds(outage.to_s - outage.from_s);
    let why = failures().find(|failure| !failure.is_ours).map(|failure| format!(" ({})", failure.why));
    let when =
        format!("from {} on {metric} was missing for {length}{}", seconds(outage.from_s), why.unwrap_or_default());
    let known_s = view.decided().known_s(outage.from_s, outage.to_s);
    if known_s < ENOUGH_TO_SEE_HOLDING * (outage.to_s - outage.from_s) {
        let text = format!("{when}, and too little was seen of what the scaler did meanwhile");
        return Some(ScalerFinding::new(Weight::Doubt, Kind::Unseen, outage, text));
    }
    let expected = match view.plan.outage.then {
        DuringOutage::Hold => "it was to hold",
        DuringOutage::HoldOrScaleOut => "it was never to scale in",
        DuringOutage::ScaleOut => "it was to scale out",
        DuringOutage::Anything => return None,
    };
    let wrong: Vec<Change> = view.decisions().into_iter().filter(|change| is_wrong(view, outage, change)).collect();
    // Polls see a change late: it may have been decided before the metric was lost.
    let is_certain = |change: &&Change| change.after_s >= outage.from_s - HOLD_S;
    let fault = match wrong.iter().find(is_certain).or(wrong.first()) {
        Some(Change { at_s, from, to, .. }) => {
            format!("and at {} the scaler went from {} to {}", seconds(*at_s), amounts::number(*from), instances(*to))
        }
        None if never_scaled_out(view, outage) => "and the scaler did not scale out".to_owned(),
        None => return None,
    };
    let is_named = view.goes_by(metric);
    let (weight, but) = match failure {
        Some(failure) => (Weight::Doubt, format!("; but it may only be that we could not see it ({})", failure.why)),
        None if !wrong.is_empty() && !wrong.iter().any(|change| is_certain(&change)) => {
            (Weight::Doubt, "; but it may have decided that before".to_owned())
        }
        None if !is_named => (Weight::Doubt, format!("; but nothing in the plan says that it goes by {metric}")),
        None => (Weight::Fail, String::new()),
    };
    let text = format!("{when}, {fault}: {expected}{but}");
    Some(ScalerFinding::new(weight, Kind::Blind, outage, text))
}

fn is_wrong(view: &View<'_>, outage: Extent, change: &Change) -> bool {
    // That the metric is gone is seen late, too.
    let is_inside = (outage.from_s - HOLD_S..=outage.to_s).contains(&change.at_s);
    let is_deliberate = change.at_s > outage.from_s + view.plan.outage.longer_than.as_secs_f64();
    let needed = view.demand.lowest(change.at_s - HOLD_S, change.at_s);
    let is_below_need = needed.is_some_and(|needed| change.to < needed.min(view.at_most()));
    let is_forbidden = match change.to < change.from {
        true => is_deliberate || is_below_need,
        false => is_deliberate && view.plan.outage.then == DuringOutage::Hold,
    };
    is_inside && is_forbidden
}

/// Tells whether the scaler had time to scale out, could, should have, and did not.
fn never_scaled_out(view: &View<'_>, outage: Extent) -> bool {
    let time_s = view.plan.outage.longer_than.as_secs_f64() + view.reaction_s();
    let rose = |change: Change| change.to > change.from && (outage.from_s..=outage.to_s).contains(&change.at_s);
    let could = view.decided().highest(outage.from_s, outage.to_s).is_some_and(|wanted| wanted < view.at_most());
    let had_to = view.plan.outage.then == DuringOutage::ScaleOut && outage.to_s - outage.from_s > time_s;
    had_to && could && !view.decisions().into_iter().any(rose)
}
