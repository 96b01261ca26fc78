//! Says what was not seen. Between two good observations that lie further apart than the scaler's reaction time
//! anything may have happened.

use super::reaction::ENOUGH;
use super::steps::StepFunction;
use super::view::{View, seconds};
use super::{Kind, ScalerFinding, Weight};
use crate::amounts;
use crate::case::Extent;

pub(super) fn judge(view: &View<'_>) -> Vec<ScalerFinding> {
    let doubt = |extent: Extent, text: String| ScalerFinding::new(Weight::Doubt, Kind::Unseen, extent, text);
    let mut findings = Vec::new();
    match view.run_share(view.supply()) {
        None => {
            findings.push(doubt(view.run, format!("nobody saw how many instances there were{}", why(view, view.run))))
        }
        Some(share) => {
            let gap = longest_gap(view, view.supply()).map(|gap| {
                let length = seconds(gap.to_s - gap.from_s);
                let text =
                    format!("nobody saw how many instances there were for {length}, from {} on", seconds(gap.from_s));
                doubt(gap, text + &why(view, gap))
            });
            let thin = (share < ENOUGH).then(|| {
                let text =
                    format!("how many instances there were was seen for only {} of the run", amounts::percent(share));
                doubt(view.run, text + &why(view, view.run))
            });
            findings.extend(gap.or(thin));
        }
    }
    if view.supply().is_seen() && !view.ready.is_seen() {
        let text = "nobody saw which instances were ready: those that ran count as supply";
        findings.push(ScalerFinding::new(Weight::Tell, Kind::Unseen, view.run, text));
    }
    if let Some(gap) = longest_gap(view, &view.demand).filter(|_| view.demand.is_seen()) {
        findings.push(doubt(gap, format!("the load is not known for {}", seconds(gap.to_s - gap.from_s))));
    }
    findings
}

/// Finds the longest stretch in which a function is missing, if that is longer than the reaction time.
fn longest_gap(view: &View<'_>, function: &StepFunction) -> Option<Extent> {
    let gaps = function.stretches(|value| value.is_none()).into_iter();
    let length = |gap: &Extent| gap.to_s - gap.from_s;
    gaps.filter(|gap| length(gap) > view.reaction_s()).max_by(|one, other| length(one).total_cmp(&length(other)))
}

/// Says why the first observation of instances in a stretch failed, if one did.
fn why(view: &View<'_>, extent: Extent) -> String {
    let is_inside = |at_s: f64| (extent.from_s..extent.to_s).contains(&at_s);
    let failure = view.seen.failures.iter().find(|failure| failure.of == "supply" && is_inside(failure.at_s));
    failure.map(|failure| format!(" ({})", failure.why)).unwrap_or_default()
}
