//! Judges whether the scaler stayed within its bounds, and finds where the upper one stopped it.
//!
//! At its upper bound and short is a **ceiling**: the scaler did what it could. It leaves the verdict open all
//! the same, since beyond it nobody saw whether the scaler would have followed.

use super::reaction::HOLD_S;
use super::view::{View, instances, seconds};
use super::{Kind, ScalerFinding, Weight};
use crate::amounts;
use crate::case::Extent;

/// Less than that out of bounds is the instant between two sources, or the first one of a run.
const SHORTEST_S: f64 = 1.0;

pub(super) fn judge(view: &View<'_>) -> Vec<ScalerFinding> {
    let mut findings = Vec::new();
    let has_bounds = view.plan.at_least.is_some() || view.plan.at_most.is_some();
    if has_bounds && !view.decided().is_seen() {
        let text = "whether the scaler kept its bounds is not known: neither what it wanted nor what ran was seen";
        findings.push(ScalerFinding::new(Weight::Doubt, Kind::Unseen, view.run, text));
    }
    findings.extend(view.plan.at_least.and_then(|least| {
        outside(view, |wanted| wanted < f64::from(least), &format!("never fewer than {}", instances(f64::from(least))))
    }));
    findings.extend(view.plan.at_most.and_then(|most| {
        outside(view, |wanted| wanted > f64::from(most), &format!("never more than {}", instances(f64::from(most))))
    }));
    findings.extend(ceiling(view));
    findings
}

fn outside(view: &View<'_>, is_outside: impl Fn(f64) -> bool, expected: &str) -> Option<ScalerFinding> {
    let stretches = view.decided().stretches(|wanted| wanted.is_some_and(&is_outside));
    let (first, last) = (stretches.first()?, stretches.last()?);
    let wanted = view.decided().at(first.from_s)?;
    let lasted_s: f64 = stretches.iter().map(|stretch| stretch.to_s - stretch.from_s).sum();
    if lasted_s < SHORTEST_S {
        return None;
    }
    let what = if view.desired.is_seen() { "wanted" } else { "there" };
    let text = format!(
        "{} {what} at {}, and out of bounds for {} in all; expected was {expected}",
        instances(wanted),
        seconds(first.from_s),
        seconds(lasted_s),
    );
    Some(ScalerFinding::new(Weight::Fail, Kind::OutOfBounds, Extent { from_s: first.from_s, to_s: last.to_s }, text))
}

fn ceiling(view: &View<'_>) -> Option<ScalerFinding> {
    let most = f64::from(view.plan.at_most?);
    let common = view.demand.common(view.decided(), view.run.from_s, view.run.to_s);
    let short: Vec<_> = common.iter().filter(|part| part.one > most && part.other >= most).collect();
    let lasted_s: f64 = short.iter().map(|part| part.length_s()).sum();
    if lasted_s < HOLD_S {
        return None;
    }
    let needed = short.iter().map(|part| part.one).fold(0.0, f64::max);
    let extent = Extent { from_s: short.first()?.from_s, to_s: short.last()?.to_s };
    let text = format!(
        "ceiling: the load needed up to {} and the scaler may want no more than {}, so capacity was short for {}; \
         that is not the scaler's fault, and what it would do beyond is not known",
        instances(needed),
        amounts::number(most),
        seconds(lasted_s),
    );
    Some(ScalerFinding::new(Weight::Doubt, Kind::Ceiling, extent, text))
}
