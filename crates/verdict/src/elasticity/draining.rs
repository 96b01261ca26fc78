//! Judges what it cost users that instances left.
//!
//! **Leaving** are the stretches in which instances drain, or in which their number fell because the scaler wanted
//! fewer, with the plan's grace after them. A number that falls below what is wanted is a crash, and no scaling.
//! While instances also come, nobody can tell whose doing an error is: that time is left out. Errors while leaving
//! are compared with those at all other times: more than chance explains are the scaler's doing, and fewer are
//! told. With n errors in a time T otherwise, λ = (n + 1) / T · t are to be expected in a time t of leaving, and
//! λ + 4 √λ may be chance: less than one run in ten thousand has more.

use rehearsal_plan::InFlight;

use super::steps::{Change, StepFunction};
use super::view::{View, seconds};
use super::{Kind, ScalerFinding, Weight};
use crate::amounts;
use crate::case::Extent;

/// How many standard deviations still are chance.
const CHANCE: f64 = 4.0;

/// Counts the errors while instances left; `None` if none left or nobody saw any errors or their absence.
pub(super) fn errors(view: &View<'_>) -> Option<f64> {
    let leaving = leaving(view);
    let known_s: f64 = leaving.iter().map(|part| view.errors.known_s(part.from_s, part.to_s)).sum();
    (known_s > 0.0).then(|| count(&view.errors, &leaving))
}

pub(super) fn judge(view: &View<'_>) -> Vec<ScalerFinding> {
    harsh(view).into_iter().chain(ungraceful(view)).collect()
}

fn harsh(view: &View<'_>) -> Option<ScalerFinding> {
    let leaving = leaving(view);
    let extent = Extent { from_s: leaving.first()?.from_s, to_s: leaving.last()?.to_s };
    let Some(errors) = errors(view) else {
        let text = "instances left, and nobody saw whether users met errors then";
        return Some(ScalerFinding::new(Weight::Doubt, Kind::Unseen, extent, text));
    };
    let known_s = |parts: &[Extent]| parts.iter().map(|part| view.errors.known_s(part.from_s, part.to_s)).sum::<f64>();
    let (leaving_s, whole_s) = (known_s(&leaving), known_s(&[view.run]));
    let otherwise = count(&view.errors, &[view.run]) - errors;
    let rate = (otherwise + 1.0) / (whole_s - leaving_s).max(1.0);
    let expected = rate * leaving_s;
    let allowed = view.plan.draining.errors;
    let counted = amounts::counted(errors.round() as u64, "error");
    if errors <= allowed as f64 + expected + CHANCE * expected.sqrt() {
        let text = format!("{counted} while instances left, which may be chance or is allowed");
        let told = ScalerFinding::new(Weight::Tell, Kind::Harsh, extent, text);
        return (errors.round() > 0.0).then_some(told);
    }
    let most = |part: &&Extent| count(&view.errors, &[**part]);
    let worst = leaving.iter().max_by(|one, other| most(one).total_cmp(&most(other)))?;
    let text = format!(
        "{counted} while instances left, most from {} to {}; {} were to be expected in that time anyway, and {allowed} more are allowed",
        seconds(worst.from_s),
        seconds(worst.to_s),
        amounts::number(expected.round()),
    );
    Some(ScalerFinding::new(Weight::Fail, Kind::Harsh, extent, text))
}

fn ungraceful(view: &View<'_>) -> Option<ScalerFinding> {
    let wanted = view.plan.draining.in_flight;
    let busy: Vec<_> =
        view.seen.departures.iter().filter(|gone| gone.in_flight.is_some_and(|count| count > 0)).collect();
    if wanted == InFlight::Any {
        return None;
    }
    if let (Some(first), Some(last)) = (busy.first(), busy.last()) {
        let text = format!(
            "{} left with something in flight, first `{}` at {} with {}; each was to finish before it goes",
            amounts::counted(busy.len() as u64, "instance"),
            first.instance,
            seconds(first.at_s),
            amounts::count(first.in_flight.unwrap_or_default()),
        );
        let extent = Extent { from_s: first.at_s, to_s: last.at_s };
        return Some(ScalerFinding::new(Weight::Fail, Kind::Ungraceful, extent, text));
    }
    let leaving = leaving(view);
    let extent = Extent { from_s: leaving.first()?.from_s, to_s: leaving.last()?.to_s };
    let is_seen = view.seen.departures.iter().any(|gone| gone.in_flight.is_some());
    let text = "instances left, and nobody saw whether they still had something in flight";
    let doubt = ScalerFinding::new(Weight::Doubt, Kind::Unseen, extent, text);
    (wanted == InFlight::None && !is_seen).then_some(doubt)
}

fn count(errors: &StepFunction, parts: &[Extent]) -> f64 {
    parts.iter().map(|part| errors.integrate(part.from_s, part.to_s, |rate| rate)).fold(0.0, |sum, part| sum + part)
}

/// Returns the stretches in which instances were leaving and none came, without overlap.
fn leaving(view: &View<'_>) -> Vec<Extent> {
    let draining = view.draining.stretches(|leaving| leaving.is_some_and(|leaving| leaving > 0.0));
    let scaled_in = [&view.ready, &view.running].into_iter().flat_map(|function| {
        function.changes().filter(|change| {
            let wanted = view.desired.at(change.at_s);
            change.to < change.from && wanted.is_none_or(|wanted| wanted < change.from)
        })
    });
    let going = draining.into_iter().chain(scaled_in.map(|change| extent_of(&change)));
    // An instance comes when it begins to exist, and users may meet it before it is ready.
    let coming = [&view.ready, &view.running].into_iter().flat_map(StepFunction::changes);
    let coming = coming.filter(|change| change.to > change.from).map(|change| extent_of(&change));
    without(with_grace(view, going.collect()), &with_grace(view, coming.collect()))
}

fn extent_of(change: &Change) -> Extent {
    Extent { from_s: change.after_s, to_s: change.at_s }
}

/// Adds the plan's grace to stretches, and makes one of those that overlap.
fn with_grace(view: &View<'_>, mut stretches: Vec<Extent>) -> Vec<Extent> {
    let grace_s = view.plan.draining.grace.as_secs_f64();
    stretches.sort_by(|one, other| one.from_s.total_cmp(&other.from_s));
    let mut merged: Vec<Extent> = Vec::new();
    for stretch in stretches {
        let to_s = (stretch.to_s + grace_s).min(view.run.to_s);
        match merged.last_mut() {
            Some(last) if stretch.from_s <= last.to_s => last.to_s = last.to_s.max(to_s),
            _ => merged.push(Extent { to_s, ..stretch }),
        }
    }
    merged
}

/// Takes stretches out of others; both are in order and without overlap.
fn without(stretches: Vec<Extent>, out: &[Extent]) -> Vec<Extent> {
    let mut left = Vec::new();
    for Extent { mut from_s, to_s } in stretches {
        let start_s = from_s;
        for gap in out.iter().filter(|gap| gap.to_s > start_s && gap.from_s < to_s) {
            if gap.from_s > from_s {
                left.push(Extent { from_s, to_s: gap.from_s });
            }
            from_s = gap.to_s;
        }
        if from_s < to_s {
            left.push(Extent { from_s, to_s });
        }
    }
    left
}
