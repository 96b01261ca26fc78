//! The steps of the load, and what the scaler did about each of them.
//!
//! A **step** is a change of demand by at least one instance that lasts for [`HOLD_S`]: a flicker between two
//! numbers of instances is none. Changes in the same direction within [`HOLD_S`] of the first are one step with
//! several **rises**, each of which has to be answered in time. A run that begins with more demand than supply
//! begins with a step.
//!
//! ```text
//!             detection   decision   actuation   readiness      settling
//! load ──┐        │           │          │           │              │
//!        └────────┴───────────┴──────────┴───────────┴──────────────┴───▶ all in seconds since the step
//!    more users   metric      desired    one more    ready ≥ demand, and stays so
//!                 above band  rises      runs        for the first time
//! ```
//!
//! What was not seen is `None`. As observations are polls, every time is that at which something was *seen*.

use serde::{Deserialize, Serialize};

use super::settling::settled_from;
use super::steps::StepFunction;
use super::view::View;
use crate::case::Extent;

/// How long a change of demand has to last, and within what time changes are one, in seconds: longer than the
/// noise of a load around a whole number of instances, and short against any scaler's reaction.
pub(super) const HOLD_S: f64 = 10.0;

/// The share of a stretch that has to be known for a statement about all of it.
pub(super) const ENOUGH: f64 = 0.8;

/// Whether the load called for more instances or for fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// For more.
    Up,
    /// For fewer.
    Down,
}

/// A step of the load and the scaler's answer. The times are those of one rise of the step, the one that was answered
/// last, in seconds since that rise. `None` is where there is no evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// When it began, in seconds of run time.
    pub at_s: f64,
    /// Where it went.
    pub direction: Direction,
    /// How many instances were needed before.
    pub from: f64,
    /// How many instances were needed after.
    pub to: f64,
    /// When the rise came from which the times count, in seconds of run time; of a step down, the step.
    #[serde(default)]
    pub rise_at_s: f64,
    /// Until a metric left its band on the side of the step; `None` if the scaler did not wait for that.
    pub detection_s: Option<f64>,
    /// Until the scaler wanted more, or fewer.
    pub decision_s: Option<f64>,
    /// Until more ran, or fewer.
    pub actuation_s: Option<f64>,
    /// Until as many were ready as the load needed. Only upwards.
    pub readiness_s: Option<f64>,
    /// Until supply covered demand, after a step down also without more than the allowed overshoot, and
    /// stayed so. Only if it did before the next step.
    pub settling_s: Option<f64>,
    /// By how many instances supply went past demand in the direction of the step, before the next step:
    /// too many after a step up, too few after a step down.
    pub overshoot: Option<f64>,
}

/// A step of the load.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LoadStep {
    pub at_s: f64,
    pub direction: Direction,
    pub from: f64,
    /// When how many instances were needed.
    pub rises: Vec<(f64, f64)>,
    /// When the next step begins, or the run ends.
    pub next_s: f64,
    /// When the next step in the other direction begins, or the run ends.
    pub opposed_s: f64,
}

impl LoadStep {
    /// How many instances are needed after it.
    pub(super) fn to(&self) -> f64 {
        self.rises.last().map_or(self.from, |(_, level)| *level)
    }

    /// When demand had changed for the last time.
    pub(super) fn reached_s(&self) -> f64 {
        self.rises.last().map_or(self.at_s, |(at_s, _)| *at_s)
    }
}

/// Finds the steps of the load. A stretch in which demand is not known belongs to no step; what changed meanwhile
/// counts from when it is known again.
pub(super) fn load_steps(demand: &StepFunction, supply: &StepFunction, run: Extent) -> Vec<LoadStep> {
    let mut steps: Vec<LoadStep> = Vec::new();
    let mut level: Option<f64> = None;
    for piece in demand.pieces(run.from_s, run.to_s) {
        let (Some(value), at_s) = (piece.value, piece.from_s) else { continue };
        let until_s = at_s + HOLD_S;
        let first_supply = || supply.values(at_s, until_s).next();
        let before = *level.get_or_insert_with(|| first_supply().map_or(value, |supply| supply.min(value)));
        let held = (demand.lowest(at_s, until_s), demand.highest(at_s, until_s));
        let (direction, to) = match held {
            _ if until_s > run.to_s => break, // nobody knows whether it would have lasted
            (Some(lowest), _) if lowest >= before + 1.0 => (Direction::Up, lowest),
            (_, Some(highest)) if highest <= before - 1.0 => (Direction::Down, highest),
            _ => continue,
        };
        level = Some(to);
        match steps.last_mut() {
            Some(last) if last.direction == direction && at_s - last.at_s < HOLD_S => last.rises.push((at_s, to)),
            _ => steps.push(LoadStep {
                at_s,
                direction,
                from: before,
                rises: vec![(at_s, to)],
                next_s: run.to_s,
                opposed_s: run.to_s,
            }),
        }
    }
    for index in 1..steps.len() {
        let (at_s, direction) = (steps[index].at_s, steps[index].direction);
        steps[index - 1].next_s = at_s;
        let is_open = |step: &&mut LoadStep| step.direction != direction && step.opposed_s == run.to_s;
        steps[..index].iter_mut().filter(is_open).for_each(|step| step.opposed_s = at_s);
    }
    steps
}

/// Measures what the scaler did about a step.
pub(super) fn measure(view: &View<'_>, step: &LoadStep) -> Step {
    let rise = &slowest(view.supply(), step);
    let since_rise = |at_s: f64| at_s - rise.at_s;
    let decided_s = decision(view, rise);
    let noticed_s = detection(view, rise).filter(|at_s| decided_s.is_none_or(|decided_s| *at_s <= decided_s));
    Step {
        at_s: step.at_s,
        direction: step.direction,
        from: step.from,
        to: step.to(),
        rise_at_s: rise.at_s,
        detection_s: noticed_s.map(since_rise),
        decision_s: decided_s.map(since_rise),
        actuation_s: moved(&view.running, rise).map(|(_, at_s)| since_rise(at_s)),
        readiness_s: readiness(view.supply(), rise).map(since_rise),
        settling_s: settled_from(view, step).map(|at_s| (at_s - rise.at_s).max(0.0)),
        overshoot: overshoot(view, step),
    }
}

fn detection(view: &View<'_>, step: &LoadStep) -> Option<f64> {
    let crossings = view.plan.keep.iter().filter_map(|keep| {
        let is_outside = |value: f64| match step.direction {
            Direction::Up => value > keep.band.hi,
            Direction::Down => value < keep.band.lo,
        };
        let metric = view.metrics.get(keep.band.metric.as_str())?;
        Some(metric.first(step.at_s, step.opposed_s, is_outside)?.at_s)
    });
    crossings.reduce(f64::min)
}

/// Finds when the scaler decided: when it was seen to want another number or, more exactly, by its own log.
fn decision(view: &View<'_>, step: &LoadStep) -> Option<f64> {
    let is_answer = |change: i64| if step.direction == Direction::Up { change > 0 } else { change < 0 };
    let mut answers = view.seen.activities.iter().filter(|activity| is_answer(activity.change));
    if !view.desired.is_seen() {
        let after = answers.filter(|activity| (step.at_s..step.opposed_s).contains(&activity.at_s));
        return after.map(|activity| activity.at_s).reduce(f64::min);
    }
    let (after_s, at_s) = moved(&view.desired, step)?;
    let logged = answers.find(|activity| (after_s..=at_s).contains(&activity.at_s));
    Some(logged.map_or(at_s, |activity| activity.at_s))
}

/// Finds when a number of instances first went beyond what it was before the step and beyond what was needed
/// before it: a scaler that is behind may still be answering an older step. Gives the last instant without,
/// and the first one with it.
fn moved(function: &StepFunction, step: &LoadStep) -> Option<(f64, f64)> {
    let before = function.at(step.at_s).unwrap_or(step.from);
    let sighting = match step.direction {
        Direction::Up if before >= step.to() => return Some((step.at_s, step.at_s)), // it was ahead of the load
        Direction::Up => function.first(step.at_s, step.opposed_s, |value| value > before.max(step.from))?,
        Direction::Down => function.first(step.at_s, step.opposed_s, |value| value < before)?,
    };
    Some((sighting.after_s, sighting.at_s))
}

/// Finds when as many were ready as a rise needs.
pub(super) fn readiness(supply: &StepFunction, rise: &LoadStep) -> Option<f64> {
    let is_up = rise.direction == Direction::Up;
    is_up.then(|| Some(supply.first(rise.at_s, rise.opposed_s, |ready| ready >= rise.to())?.at_s)).flatten()
}

/// Takes out of a step upwards the rise that was answered last, or the first one that never was; a step down is one.
pub(super) fn slowest(supply: &StepFunction, step: &LoadStep) -> LoadStep {
    if step.direction == Direction::Down {
        return step.clone();
    }
    let levels = std::iter::once(step.from).chain(step.rises.iter().map(|(_, level)| *level));
    let rises =
        levels.zip(&step.rises).map(|(from, rise)| LoadStep { at_s: rise.0, from, rises: vec![*rise], ..step.clone() });
    let waited_s = |rise: &LoadStep| readiness(supply, rise).map_or(f64::INFINITY, |at_s| at_s - rise.at_s);
    let later = |one: LoadStep, other: LoadStep| if waited_s(&other) > waited_s(&one) { other } else { one };
    rises.reduce(later).unwrap_or_else(|| step.clone())
}

/// Compares supply with what the step needed: a load that goes back at the very end of a run makes no overshoot.
fn overshoot(view: &View<'_>, step: &LoadStep) -> Option<f64> {
    let common = view.demand.common(view.supply(), step.reached_s(), step.next_s);
    let past = common.iter().map(|part| match step.direction {
        Direction::Up => part.other - part.one.max(step.to()),
        Direction::Down => part.one.min(step.to()) - part.other,
    });
    past.reduce(f64::max).map(|past| past.max(0.0))
}
