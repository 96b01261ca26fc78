//! Measures and judges for which share of the time the scaler's metrics were in their bands.
//!
//! Only time counts in which the scaler could have done something: not the reaction time after each step of the
//! load, not below the band at the lower bound of instances, not above it at the upper one.
//!
//! A run that is too short for that can still show that a band is kept: when after the last step supply covered
//! demand, the metric came into the band and stayed for the rest of the run. It cannot show the contrary.

use rehearsal_plan::{Band, Keep};
use serde::{Deserialize, Serialize};

use super::reaction::{ENOUGH, HOLD_S};
use super::steps::{Common, StepFunction};
use super::view::{View, seconds};
use super::{Kind, ScalerFinding, Weight};
use crate::amounts;
use crate::case::Extent;

/// How well a metric was kept in its band.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptBand {
    /// The metric's name.
    pub metric: String,
    /// The lower edge.
    pub lo: f64,
    /// The upper edge.
    pub hi: f64,
    /// The share of the time that counts in which it was between them, as a fraction of 1; `None` if no time
    /// counts, or the metric was seen for too little of it.
    pub share: Option<f64>,
}

pub(super) fn measure(view: &View<'_>) -> Vec<KeptBand> {
    let measured = |keep: &Keep| {
        let Band { metric, lo, hi } = keep.band.clone();
        let function = view.metrics.get(metric.as_str());
        let kept = function.and_then(|function| {
            let counted = counted(view, &keep.band, function).and_then(|counted| share(&counted, &keep.band));
            counted.or_else(|| settled_share(view, keep, function))
        });
        KeptBand { metric, lo, hi, share: kept }
    };
    view.plan.keep.iter().map(measured).collect()
}

pub(super) fn judge(view: &View<'_>, bands: &[KeptBand]) -> Vec<ScalerFinding> {
    view.plan.keep.iter().zip(bands).filter_map(|(keep, kept)| judge_one(view, keep, kept)).collect()
}

fn judge_one(view: &View<'_>, Keep { band, share: wanted }: &Keep, kept: &KeptBand) -> Option<ScalerFinding> {
    let edges = format!("{} in {}–{}", band.metric, amounts::number(band.lo), amounts::number(band.hi));
    let Some(share) = kept.share else {
        let is_seen = view.metrics.get(band.metric.as_str()).is_some_and(|metric| metric.is_seen());
        let why = match is_seen {
            true => "too little of it was seen when the scaler had its chance to react",
            false => "it was never seen",
        };
        let text = format!("whether the scaler kept {edges} is not known: {why}");
        return Some(ScalerFinding::new(Weight::Doubt, Kind::Unseen, view.run, text));
    };
    if share >= *wanted {
        return None;
    }
    let counted = counted(view, band, view.metrics.get(band.metric.as_str())?)?;
    let distance = |part: &&Common| (band.lo - part.one).max(part.one - band.hi);
    let outside: Vec<&Common> = counted.iter().filter(|part| distance(part) > 0.0).collect();
    let worst = outside.iter().rev().copied().max_by(|one, other| distance(one).total_cmp(&distance(other)))?;
    let extent = Extent { from_s: outside.first()?.from_s, to_s: outside.last()?.to_s };
    let text = format!(
        "{edges} for {} of the time that counts, {} wanted; furthest off was {} at {}",
        amounts::percent(share),
        amounts::percent(*wanted),
        amounts::number(worst.one),
        seconds(worst.from_s),
    );
    Some(ScalerFinding::new(Weight::Fail, Kind::OutOfBand, extent, text))
}

/// The share of the time in the band since the metric came into it for supply that covered demand, if the run ended
/// within the reaction time of its last step and that share meets the plan; `None` if it does not, or is of less time than a step has to last.
fn settled_share(view: &View<'_>, keep: &Keep, metric: &StepFunction) -> Option<f64> {
    let reached_s = view.steps.last()?.reached_s();
    if reached_s + view.reaction_s() < view.run.to_s {
        return None; // there is time that counts
    }
    let is_inside = |value: f64| (keep.band.lo..=keep.band.hi).contains(&value);
    let covers = |part: &&Common| part.other >= part.one;
    let common = view.demand.common(view.supply(), reached_s, view.run.to_s);
    let covered_s = common.iter().find(covers)?.from_s;
    let from_s = metric.first(covered_s, view.run.to_s, is_inside)?.at_s;
    let length_s = view.run.to_s - from_s;
    if length_s < HOLD_S || metric.known_s(from_s, view.run.to_s) < ENOUGH * length_s {
        return None;
    }
    let inside_s = metric.integrate(from_s, view.run.to_s, |value| if is_inside(value) { 1.0 } else { 0.0 });
    let share = inside_s / metric.known_s(from_s, view.run.to_s);
    (share >= keep.share).then_some(share)
}

/// Returns the known parts of the time that counts; `None` if they are too small a part of it.
fn counted(view: &View<'_>, band: &Band, metric: &StepFunction) -> Option<Vec<Common>> {
    let open = open_time(view);
    let known: f64 = open.iter().map(|part| metric.known_s(part.from_s, part.to_s)).sum();
    let all: f64 = open.iter().map(|part| part.to_s - part.from_s).sum();
    if known <= 0.0 || known < ENOUGH * all {
        return None;
    }
    let pieces = open.iter().flat_map(|part| metric.pieces(part.from_s, part.to_s));
    let parts = pieces.filter_map(|piece| {
        let wanted = view.decided().values(piece.from_s, piece.to_s).next().unwrap_or(f64::NAN);
        Some(Common { from_s: piece.from_s, to_s: piece.to_s, one: piece.value?, other: wanted })
    });
    // Where nobody knows what was wanted, the comparisons are false and the time counts.
    let is_held = |part: &Common| {
        let at_floor = part.one < band.lo && part.other <= view.at_least();
        let at_ceiling = part.one > band.hi && part.other >= view.at_most();
        at_floor || at_ceiling
    };
    Some(parts.filter(|part| !is_held(part)).collect())
}

/// The share of the parts in the band; `None` if the scaler could never have done anything.
fn share(parts: &[Common], band: &Band) -> Option<f64> {
    let length = |parts: &mut dyn Iterator<Item = &Common>| {
        parts.map(Common::length_s).fold(0.0, |sum, length_s| sum + length_s)
    };
    let inside = length(&mut parts.iter().filter(|part| (band.lo..=band.hi).contains(&part.one)));
    let all = length(&mut parts.iter());
    (all > 0.0).then_some(inside / all)
}

/// Returns the stretches of the run outside the reaction time after steps of the load.
fn open_time(view: &View<'_>) -> Vec<Extent> {
    let mut open = Vec::new();
    let mut from_s = view.run.from_s;
    for step in &view.steps {
        if step.at_s > from_s {
            open.push(Extent { from_s, to_s: step.at_s });
        }
        from_s = from_s.max(step.reached_s() + view.reaction_s());
    }
    if view.run.to_s > from_s {
        open.push(Extent { from_s, to_s: view.run.to_s });
    }
    open
}
