//! Judges whether queues became short again in time, and whether the workers stayed until they were.

use rehearsal_plan::{Backlog, duration};

use super::steps::{Change, StepFunction};
use super::view::{View, seconds};
use super::{Kind, ScalerFinding, Weight};
use crate::amounts;
use crate::case::Extent;

pub(super) fn judge(view: &View<'_>) -> Vec<ScalerFinding> {
    let both = |backlog| judge_one(view, backlog).into_iter().chain(taken_away(view, backlog));
    view.plan.backlogs.iter().flat_map(both).collect()
}

/// Finds decisions for fewer workers while the queue was long: at the last look before, and still at the decision.
fn taken_away(view: &View<'_>, backlog: &Backlog) -> Option<ScalerFinding> {
    let Backlog { metric, below, .. } = backlog;
    let function = view.metrics.get(metric.as_str())?;
    let is_long = |at_s: f64| function.at(at_s).is_some_and(|length| length >= *below);
    let is_early = |change: &Change| change.to < change.from && is_long(change.after_s) && is_long(change.at_s);
    let early: Vec<Change> = view.decisions().into_iter().filter(is_early).collect();
    let (first, last) = (early.first()?, early.last()?);
    let text = format!(
        "{} of workers while {metric} was long, first from {} to {} at {} with {}; they were to stay until it was below {}",
        amounts::counted(early.len() as u64, "cut"),
        amounts::number(first.from),
        amounts::number(first.to),
        seconds(first.at_s),
        amounts::number(function.at(first.at_s)?),
        amounts::number(*below),
    );
    let extent = Extent { from_s: first.at_s, to_s: last.at_s };
    Some(ScalerFinding::new(Weight::Fail, Kind::Backlog, extent, text))
}

fn judge_one(view: &View<'_>, backlog: &Backlog) -> Option<ScalerFinding> {
    let Backlog { metric, below, within } = backlog;
    let unseen = |text: String, extent: Extent| Some(ScalerFinding::new(Weight::Doubt, Kind::Unseen, extent, text));
    let Some(function) = view.metrics.get(metric.as_str()).filter(|function| function.is_seen()) else {
        return unseen(format!("whether {metric} was worked off in time is not known: it was never seen"), view.run);
    };
    let may_be_long = function.stretches(|length| length.is_none_or(|length| length >= *below));
    let within_s = within.as_secs_f64();
    let late: Vec<Extent> = may_be_long.into_iter().filter(|part| part.to_s - part.from_s > within_s).collect();
    let long_s = |part: &Extent| known_long_s(function, part, *below);
    if let Some(worst) =
        late.iter().filter(|part| long_s(part) > within_s).max_by(|one, other| long_s(one).total_cmp(&long_s(other)))
    {
        let text = format!(
            "{metric} was not below {} for {} from {} on, at most {}; it was to be within {}",
            amounts::number(*below),
            seconds(worst.to_s - worst.from_s),
            seconds(worst.from_s),
            amounts::number(function.highest(worst.from_s, worst.to_s)?),
            duration::print(*within),
        );
        return Some(ScalerFinding::new(Weight::Fail, Kind::Backlog, *worst, text));
    }
    let first = late.first()?;
    let text = format!(
        "too little was seen of {metric} from {} on to tell whether it was below {} again within {}",
        seconds(first.from_s),
        amounts::number(*below),
        duration::print(*within),
    );
    unseen(text, *first)
}

/// For how long the queue was seen to be long in a stretch.
fn known_long_s(function: &StepFunction, part: &Extent, below: f64) -> f64 {
    function.integrate(part.from_s, part.to_s, |length| if length >= below { 1.0 } else { 0.0 })
}
