//! Finds capacity that was missing for longer than the scaler may take, without a rise of the load.
//!
//! Too few ready for the load *fails*: the scaler went too low, or did not replace what it lost. Too few for what the
//! scaler itself wants, and enough for the load, is *told*: the next rise will miss them.
//!
//! Polls see a recovery late. Therefore how long a shortage lasted is told at looks that saw it: what was so between the
//! last of them and the next look nobody knows.

use super::reaction::{ENOUGH, HOLD_S};
use super::steps::StepFunction;
use super::view::{View, instances_were, seconds};
use super::{Kind, ScalerFinding, Weight};
use crate::amounts;
use crate::case::Extent;

/// Findings that say by themselves that instances were missing.
const TELLING: [Kind; 5] = [Kind::Slow, Kind::Frozen, Kind::Short, Kind::Unsettled, Kind::Ceiling];

/// A look that saw too few, as all looks of one reaction time before it had.
struct Lack {
    /// When the first look in a row saw too few.
    since_s: f64,
    at_s: f64,
    /// When the next look was.
    to_s: f64,
    ready: f64,
    wanted: f64,
}

/// Finds what the load missed. After a rise of the load that is lateness, and already told.
pub(super) fn of_load(view: &View<'_>, late: Option<&ScalerFinding>) -> Option<ScalerFinding> {
    // A rise is a rise when demand has stayed: supply may have been short a little before.
    let is_told = |lack: &Lack| late.is_some_and(|late| (late.from_s - HOLD_S..=late.to_s).contains(&lack.since_s));
    let mut lacks = overdue(view, &view.demand, view.at_most());
    lacks.retain(|lack| !is_told(lack));
    let (first, worst, extent) = summed_up(&lacks)?;
    let text = format!(
        "{} ready where the load needed {}: supply had been too low for more than {} by {}, without a rise of the load",
        instances_were(worst.ready),
        amounts::number(worst.wanted),
        seconds(view.reaction_s()),
        seconds(first.at_s),
    );
    Some(ScalerFinding::new(Weight::Fail, Kind::Short, extent, text))
}

/// Finds what the scaler missed by its own account, where nothing else was found that says so.
pub(super) fn of_scaler(view: &View<'_>, found: &[ScalerFinding]) -> Option<ScalerFinding> {
    let (wanted, what) = match view.desired.is_seen() {
        true => (&view.desired, "the scaler wanted"),
        // What exists and drains is not missing.
        false if view.draining.highest(view.run.from_s, view.run.to_s) > Some(0.0) => return None,
        false => (&view.running, "there were"),
    };
    let mut lacks = overdue(view, wanted, f64::INFINITY);
    let says_so = |lack: &Lack, finding: &ScalerFinding| {
        TELLING.contains(&finding.kind) && finding.from_s <= lack.to_s && lack.since_s <= finding.to_s
    };
    lacks.retain(|lack| !found.iter().any(|finding| says_so(lack, finding)));
    let (first, worst, extent) = summed_up(&lacks)?;
    let text = format!(
        "{} ready where {what} {}, and for more than {} by {}: what was missing was not replaced, and the load did not need it",
        instances_were(worst.ready),
        amounts::number(worst.wanted),
        seconds(view.reaction_s()),
        seconds(first.at_s),
    );
    Some(ScalerFinding::new(Weight::Tell, Kind::Short, extent, text))
}

/// Compares supply with the least that was wanted within one reaction time up to each look.
fn overdue(view: &View<'_>, wanted: &StepFunction, at_most: f64) -> Vec<Lack> {
    let (supply, reaction_s) = (view.supply(), view.reaction_s());
    let mut streak_s: Option<f64> = None;
    let mut lacks = Vec::new();
    for look in supply.pieces(view.run.from_s, view.run.to_s) {
        let (at_s, from_s) = (look.from_s, look.from_s - reaction_s);
        let Some((ready, now)) = look.value.zip(wanted.at(at_s)) else { continue };
        let now = now.min(at_most);
        streak_s = (ready < now).then(|| streak_s.unwrap_or(at_s));
        let Some(since_s) = streak_s.filter(|_| from_s >= view.run.from_s) else { continue };
        let most = supply.highest(from_s, at_s).map(|most| most.max(ready));
        let least = wanted.lowest(from_s, at_s).map(|least| least.min(now));
        let is_known = supply.known_s(from_s, at_s).min(wanted.known_s(from_s, at_s)) >= ENOUGH * reaction_s;
        if is_known && most.zip(least).is_some_and(|(most, least)| most < least) {
            lacks.push(Lack { since_s, at_s, to_s: look.to_s, ready, wanted: now });
        }
    }
    lacks
}

/// The first lack, the one that missed most, and from when to when it was too little.
fn summed_up(lacks: &[Lack]) -> Option<(&Lack, &Lack, Extent)> {
    let missing = |lack: &&Lack| lack.wanted - lack.ready;
    let worst = lacks.iter().max_by(|one, other| missing(one).total_cmp(&missing(other)))?;
    let (first, last) = (lacks.first()?, lacks.last()?);
    Some((first, worst, Extent { from_s: first.since_s, to_s: last.to_s }))
}
