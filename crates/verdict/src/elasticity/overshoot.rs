//! Judges whether the scaler raised the number of instances far above what the load needs.
//!
//! Every rise of the wanted number is compared with the largest demand around it, from one reaction time before
//! until one after: neither answering late nor acting ahead of the load is greed. Instances that are merely
//! kept after the load has gone were not raised, and show in `over_accuracy`.

use rehearsal_plan::DuringOutage;

use super::steps::Change;
use super::view::{View, instances, seconds};
use super::{Kind, ScalerFinding, Weight};
use crate::amounts;
use crate::case::Extent;

/// A rise that went too far.
struct Excess {
    change: Change,
    needed: f64,
    allowed: f64,
}

pub(super) fn judge(view: &View<'_>) -> Option<ScalerFinding> {
    let rises = view.decisions().into_iter().filter(|change| change.to > change.from);
    let excesses: Vec<Excess> = rises.filter_map(|change| excess(view, change)).collect();
    let too_many = |excess: &Excess| excess.change.to - excess.needed;
    let worst = excesses.iter().max_by(|one, other| too_many(one).total_cmp(&too_many(other)))?;
    let first_s = excesses.first()?.change.at_s;
    let last = excesses.last()?;
    let is_back = |wanted: f64| wanted <= last.needed + last.allowed;
    let back = view.decided().first(last.change.at_s, view.run.to_s, is_back);
    let to_s = back.map_or(view.run.to_s, |back| back.at_s);
    let text = format!(
        "far more than the load needs: {} {} at {}, where it needed {}; up to {} more are allowed",
        instances(worst.change.to),
        if view.desired.is_seen() { "wanted" } else { "there" },
        seconds(worst.change.at_s),
        amounts::number(worst.needed),
        amounts::number(worst.allowed),
    );
    Some(ScalerFinding::new(Weight::Fail, Kind::Greedy, Extent { from_s: first_s, to_s }, text))
}

fn excess(view: &View<'_>, change: Change) -> Option<Excess> {
    let may_raise = matches!(view.plan.outage.then, DuringOutage::HoldOrScaleOut | DuringOutage::ScaleOut);
    let is_blind = view.outages.iter().any(|(_, outage)| (outage.from_s..outage.to_s).contains(&change.at_s));
    if is_blind && may_raise {
        return None;
    }
    let around_s = view.reaction_s();
    let demand = view.demand.highest(change.after_s - around_s, change.at_s + around_s)?;
    let needed = demand.max(view.at_least());
    let allowed = view.plan.overshoot.allowed(needed);
    (change.to > needed + allowed).then_some(Excess { change, needed, allowed })
}
