//! Finds sources that contradict each other. Whoever is wrong, what rests on them is in doubt and fails nobody.
//!
//! - The scaler's log tells of decisions, and the number that it wants never changes around them: a page that stands
//!   still, or another scaler's log.
//! - More instances are ready than exist at all.

use super::reaction::{ENOUGH, HOLD_S};
use super::steps::Common;
use super::view::{View, seconds};
use super::{Activity, Kind, ScalerFinding, Weight};
use crate::amounts;
use crate::case::Extent;

/// How many decisions have to find no echo: the number that is wanted may not see one that is taken back at once.
const SEVERAL: usize = 2;

/// What rests on what numbers of instances say.
const BY_NUMBERS: [Kind; 5] = [Kind::Slow, Kind::Frozen, Kind::Short, Kind::Unsettled, Kind::OutOfBounds];

pub(super) fn judge(view: &View<'_>) -> Vec<ScalerFinding> {
    let doubt = |(extent, text): (Extent, String)| ScalerFinding::new(Weight::Doubt, Kind::Unseen, extent, text);
    [unheard(view), impossible(view)].into_iter().flatten().map(doubt).collect()
}

/// Takes their weight from findings that rest on numbers of instances, from where these are contradicted on.
pub(super) fn demote(findings: &mut [ScalerFinding], contradictions: &[ScalerFinding]) {
    let Some(from_s) = contradictions.iter().map(|found| found.from_s).reduce(f64::min) else { return };
    let rests = |found: &&mut ScalerFinding| {
        found.weight == Weight::Fail && BY_NUMBERS.contains(&found.kind) && found.to_s > from_s
    };
    for finding in findings.iter_mut().filter(rests) {
        finding.weight = Weight::Doubt;
        finding.text += ", but what was seen of the instances contradicts itself";
    }
}

/// Decisions of the scaler's own log after which the number that it wants stayed as it was.
fn unheard(view: &View<'_>) -> Option<(Extent, String)> {
    let is_unheard = |activity: &&Activity| {
        let (from_s, to_s) = (activity.at_s - HOLD_S, activity.at_s + view.reaction_s().max(HOLD_S));
        let is_inside = from_s >= view.run.from_s && to_s <= view.run.to_s;
        let is_known = || view.desired.known_s(from_s, to_s) >= ENOUGH * (to_s - from_s);
        is_inside && is_known() && view.desired.lowest(from_s, to_s) == view.desired.highest(from_s, to_s)
    };
    let unheard: Vec<&Activity> = view.seen.activities.iter().filter(is_unheard).collect();
    let (first, last) = (unheard.first()?, unheard.last()?);
    if unheard.len() < SEVERAL {
        return None;
    }
    let text = format!(
        "the scaler's log tells of {}, the first at {}, of which the number of instances that it wants shows nothing: \
         one of the two sources stands still or is another's",
        amounts::counted(unheard.len() as u64, "decision"),
        seconds(first.at_s),
    );
    Some((Extent { from_s: first.at_s, to_s: last.at_s + view.reaction_s() }, text))
}

/// More ready instances than there are.
fn impossible(view: &View<'_>) -> Option<(Extent, String)> {
    let common = view.ready.common(&view.running, view.run.from_s, view.run.to_s);
    let more: Vec<&Common> = common.iter().filter(|part| part.one > part.other).collect();
    let lasted_s: f64 = more.iter().map(|part| part.length_s()).sum();
    // Two sources do not look at the same instant.
    let (first, last) = (more.first()?, more.last()?);
    if lasted_s < HOLD_S {
        return None;
    }
    let text = format!(
        "{} were ready where {} ran, and so for {} in all: one of the two numbers is not of these instances",
        amounts::number(first.one),
        amounts::number(first.other),
        seconds(lasted_s),
    );
    Some((Extent { from_s: first.from_s, to_s: last.to_s }, text))
}
