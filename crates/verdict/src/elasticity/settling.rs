//! Finds when supply settled after a step of the load, and judges whether that was in time.
//!
//! Supply is settled when it covers demand for as long as the plan says; after a step down, it must also have no
//! more than the allowed overshoot. Only steps that were left alone for long enough can be judged.

use super::reaction::{Direction, ENOUGH, LoadStep};
use super::view::{View, instances, seconds};
use super::{Kind, ScalerFinding, Weight};
use crate::amounts;
use crate::case::Extent;

/// Judges the steps that were left alone for long enough to settle; that of a load beyond the upper bound cannot.
pub(super) fn judge(view: &View<'_>) -> Option<ScalerFinding> {
    let within_s = view.plan.settle_within?.as_secs_f64();
    if !view.demand.is_seen() {
        return None; // told with the reaction
    }
    let needed_s = within_s + view.plan.settled_for.as_secs_f64();
    let had_time = |step: &&LoadStep| step.reached_s() + needed_s <= step.next_s && step.to() <= view.at_most();
    // One that settled in time needed no more of it.
    let has_settled =
        |step: &LoadStep| settled_from(view, step).is_some_and(|settled_s| settled_s <= step.reached_s() + within_s);
    let mut judged = view.steps.iter().filter(|step| had_time(step) || has_settled(step)).peekable();
    if judged.peek().is_none() {
        let text = format!("no step of the load was left alone for long enough to settle within {}", seconds(within_s));
        return Some(ScalerFinding::new(Weight::Doubt, Kind::Unseen, view.run, text));
    }
    let found: Vec<ScalerFinding> = judged.filter_map(|step| judge_step(view, step, within_s)).collect();
    found.into_iter().min_by_key(|finding| finding.weight)
}

fn judge_step(view: &View<'_>, step: &LoadStep, within_s: f64) -> Option<ScalerFinding> {
    let settled_s = settled_from(view, step);
    let deadline_s = step.reached_s() + within_s;
    if settled_s.is_some_and(|settled_s| settled_s <= deadline_s) {
        return None;
    }
    let extent = Extent { from_s: step.at_s, to_s: step.next_s };
    let is_seen = view.supply().known_s(step.at_s, step.next_s) >= ENOUGH * (step.next_s - step.at_s);
    // It settled at some time since the last look without.
    let last_look = |settled_s: f64| view.supply().pieces(step.at_s, settled_s).last().map(|piece| piece.from_s);
    let is_certain = settled_s.and_then(last_look).is_none_or(|unsettled_s| unsettled_s > deadline_s);
    if !is_seen || !is_certain {
        let text = format!(
            "too little was seen of the instances to tell whether they settled within {} after {}",
            seconds(within_s),
            seconds(step.at_s),
        );
        return Some(ScalerFinding::new(Weight::Doubt, Kind::Unseen, extent, text));
    }
    let what_happened = match settled_s {
        Some(settled_s) => format!("settled after {}", seconds(settled_s - step.reached_s())),
        None => "never settled".to_owned(),
    };
    let text = format!(
        "after the load went from {} to {} at {}, supply {what_happened}: it was to cover demand for {} from {} on at the latest",
        amounts::number(step.from),
        instances(step.to()),
        seconds(step.at_s),
        seconds(view.plan.settled_for.as_secs_f64()),
        seconds(within_s),
    );
    Some(ScalerFinding::new(Weight::Fail, Kind::Unsettled, extent, text))
}

/// Finds from when on supply covered demand for as long as the plan calls settled.
pub(super) fn settled_from(view: &View<'_>, step: &LoadStep) -> Option<f64> {
    let stays_s = view.plan.settled_for.as_secs_f64();
    let is_settled = |demand: f64, supply: f64| {
        let is_near = supply - demand <= view.plan.overshoot.allowed(demand) || supply <= view.at_least();
        supply >= demand && (is_near || step.direction == Direction::Up)
    };
    let common = view.demand.common(view.supply(), step.at_s, step.next_s);
    let mut since_s: Option<f64> = None;
    for part in &common {
        let from_s = *since_s.get_or_insert(part.from_s);
        if !is_settled(part.one, part.other) {
            since_s = None;
        } else if part.to_s - from_s >= stays_s {
            let known_s = view.supply().known_s(from_s, from_s + stays_s);
            if known_s >= ENOUGH * stays_s {
                return Some(from_s);
            }
            since_s = None;
        }
    }
    None
}
