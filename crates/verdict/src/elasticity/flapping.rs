//! Judges whether the scaler changed its mind where the load gave no reason to.
//!
//! A **reversal** is a change of the wanted number in one direction after one in the other, within the plan's
//! window. It is the load's doing, and not counted, if demand had a step in the new direction between one
//! reaction time before the first change and the second; and an outage's doing, judged elsewhere, if the scaler
//! could not see its metric.

use super::reaction::Direction;
use super::steps::Change;
use super::view::{View, seconds};
use super::{Kind, ScalerFinding, Weight};
use crate::amounts;
use crate::case::Extent;

/// Counts the reversals of the run; `None` if nobody saw what the scaler did, or what it should have done.
pub(super) fn count(view: &View<'_>) -> Option<f64> {
    let is_known = view.decided().is_seen() && view.demand.is_seen();
    is_known.then(|| reversals(view).len() as f64)
}

pub(super) fn judge(view: &View<'_>) -> Option<ScalerFinding> {
    let reversals = reversals(view);
    let within_s = view.plan.flapping.within.as_secs_f64();
    let allowed = view.plan.flapping.reversals as usize;
    let clusters = reversals.iter().enumerate().map(|(first, (_, from_s))| {
        let after = &reversals[first..];
        &after[..after.partition_point(|(_, at_s)| at_s - from_s <= within_s)]
    });
    // Of windows with equally many, the first: the one in which it began.
    let worst = clusters.rev().max_by_key(|cluster| cluster.len())?;
    if worst.len() <= allowed {
        return None;
    }
    let extent = Extent { from_s: reversals.first()?.0, to_s: reversals.last()?.1 };
    let turned = format!(
        "the scaler turned round {} within {}, from {} on",
        amounts::counted(worst.len() as u64, "time"),
        seconds(worst.last()?.1 - worst.first()?.0),
        seconds(worst.first()?.0),
    );
    let (weight, text) = match view.demand.is_seen() {
        true => (
            Weight::Fail,
            format!("{turned}, where the load gave no reason to; {allowed} in {} allowed", seconds(within_s)),
        ),
        false => (Weight::Doubt, format!("{turned}; whether the load did so too is not known")),
    };
    Some(ScalerFinding::new(weight, Kind::Flapping, extent, text))
}

/// Finds all reversals, each from its first change to its second, in seconds of run time.
fn reversals(view: &View<'_>) -> Vec<(f64, f64)> {
    let changes = view.decisions();
    let pairs = changes.windows(2).map(|pair| (pair[0], pair[1]));
    let within_s = view.plan.flapping.within.as_secs_f64();
    let is_turn =
        |(one, other): &(Change, Change)| direction(one) != direction(other) && other.at_s - one.at_s <= within_s;
    let own =
        pairs.filter(is_turn).filter(|(one, other)| !is_of_load(view, one, other) && !is_of_outage(view, one, other));
    own.map(|(one, other)| (one.at_s, other.at_s)).collect()
}

fn is_of_load(view: &View<'_>, one: &Change, other: &Change) -> bool {
    let window = one.after_s - view.reaction_s()..=other.at_s;
    let mut same_way = view.steps.iter().filter(|step| step.direction == direction(other));
    same_way.any(|step| step.rises.iter().any(|(at_s, _)| window.contains(at_s)))
}

fn is_of_outage(view: &View<'_>, one: &Change, other: &Change) -> bool {
    view.outages.iter().any(|(_, outage)| outage.from_s <= other.at_s && one.at_s <= outage.to_s + view.reaction_s())
}

fn direction(change: &Change) -> Direction {
    if change.to > change.from { Direction::Up } else { Direction::Down }
}
