//! Says when instances were full for so long that nobody knows what the load needed.
//!
//! Users that are there need what they need, but requests per second are what was *answered*: full instances hold
//! them down, and with them the demand that is computed of them. Full for longer than the scaler may take to react
//! means that it may have fallen short without its being seen.

use rehearsal_plan::Capacity;

use super::steps::Common;
use super::view::{View, instances_were, seconds};
use super::{Kind, ScalerFinding, Weight};
use crate::case::Extent;

/// The share of what instances carry from which on they are full: what is measured of a full one wavers below it.
const FULL: f64 = 0.9;

pub(super) fn judge(view: &View<'_>) -> Option<ScalerFinding> {
    let Some(Capacity::Requests(per_instance)) = view.plan.capacity else { return None };
    let is_full = |part: &&Common| part.other > 0.0 && part.one >= FULL * part.other * per_instance;
    let common = view.load.common(view.supply(), view.run.from_s, view.run.to_s);
    let mut longest: Option<(Extent, f64)> = None;
    for full in common.chunk_by(|one, other| is_full(&one) == is_full(&other) && one.to_s == other.from_s) {
        let (Some(first), Some(last)) = (full.first().filter(is_full), full.last()) else { continue };
        let extent = Extent { from_s: first.from_s, to_s: last.to_s };
        let length_s = |extent: &Extent| extent.to_s - extent.from_s;
        if longest.as_ref().is_none_or(|(known, _)| length_s(&extent) > length_s(known)) {
            longest = Some((extent, full.iter().map(|part| part.other).fold(0.0, f64::max)));
        }
    }
    let (extent, ready) = longest.filter(|(extent, _)| extent.to_s - extent.from_s > view.reaction_s())?;
    let text = format!(
        "at most {} full for {} from {} on: more requests per second could not be answered, so the load may have needed more; \
         give the capacity in users, or let the load find room",
        instances_were(ready),
        seconds(extent.to_s - extent.from_s),
        seconds(extent.from_s),
    );
    Some(ScalerFinding::new(Weight::Doubt, Kind::Unseen, extent, text))
}
