//! Judges whether capacity came in time.
//!
//! Each rise of the load has to find as many ready instances as it needs, or as many as the plan allows, within
//! the plan's reaction time. Polls see things late: what may have been in time between two polls is in doubt,
//! and so is what the end of the run or missing observations cut off. A rise that the load took back before
//! its time was up needed no answer.

use std::time::Duration;

use super::reaction::{Direction, ENOUGH, LoadStep};
use super::steps::Sighting;
use super::view::{View, instances, seconds};
use super::{Kind, ScalerFinding, Weight, shortage};
use crate::amounts;
use crate::case::Extent;

/// What became of one rise of the load.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    /// As many instances as needed were there already.
    Ahead,
    /// They came in time.
    InTime,
    /// They came, or had not come, too late: at this instant.
    Late { at_s: f64, came: bool },
    /// The load went back before the time was up.
    TakenBack,
    /// The run ended before the time was up.
    CutOff,
    /// Too little was seen.
    Unseen,
}

/// A rise of the load with its answer.
#[derive(Clone, Copy)]
struct Answered {
    at_s: f64,
    level: f64,
    answer: Answer,
}

/// Judges all rises of the load, and the time between them.
pub(super) fn judge(view: &View<'_>) -> Vec<ScalerFinding> {
    if !view.demand.is_seen() {
        return unknown_demand(view).into_iter().collect();
    }
    let upward = view.steps.iter().filter(|step| step.direction == Direction::Up);
    let answers: Vec<Answered> = upward.flat_map(|step| answers(view, step)).collect();
    let late = late(view, &answers);
    let mut findings: Vec<ScalerFinding> = Vec::new();
    let is_frozen = late.as_ref().is_some_and(|late| late.kind == Kind::Frozen);
    findings.extend(shortage::of_load(view, late.as_ref()).filter(|_| !is_frozen));
    let is_late = late.is_some();
    findings.extend(late);
    findings.extend(unproven(view, &answers));
    findings.extend(unseen(view, &answers).filter(|_| !is_late)); // what is late for sure needs no doubts
    findings
}

fn answers(view: &View<'_>, step: &LoadStep) -> Vec<Answered> {
    let answered = |(at_s, level): &(f64, f64)| {
        let level = level.min(view.at_most());
        Answered { at_s: *at_s, level, answer: answer(view, *at_s, level, step.opposed_s) }
    };
    step.rises.iter().map(answered).collect()
}

fn answer(view: &View<'_>, at_s: f64, level: f64, opposed_s: f64) -> Answer {
    let (supply, deadline_s) = (view.supply(), at_s + view.reaction_s());
    match supply.first(at_s, opposed_s, |ready| ready >= level) {
        Some(Sighting { at_s: seen_s, .. }) if seen_s == at_s => Answer::Ahead,
        Some(Sighting { at_s: seen_s, .. }) if seen_s <= deadline_s => Answer::InTime,
        Some(Sighting { after_s, at_s: seen_s }) if after_s > deadline_s => Answer::Late { at_s: seen_s, came: true },
        Some(_) => Answer::Unseen,
        None if deadline_s >= view.run.to_s && opposed_s >= view.run.to_s => Answer::CutOff,
        None if deadline_s >= opposed_s => Answer::TakenBack,
        None if supply.values(deadline_s, opposed_s).next().is_none() => Answer::Unseen,
        None => Answer::Late { at_s: opposed_s, came: false },
    }
}

/// Says what came too late, all of it in one finding: a ramp has many steps.
fn late(view: &View<'_>, answers: &[Answered]) -> Option<ScalerFinding> {
    let lag = |rise: &Answered| match rise.answer {
        Answer::Late { at_s, .. } => Some(at_s - rise.at_s),
        _ => None,
    };
    let late: Vec<&Answered> = answers.iter().filter(|rise| lag(rise).is_some()).collect();
    let worst =
        late.iter().max_by(|one, other| lag(one).partial_cmp(&lag(other)).unwrap_or(std::cmp::Ordering::Equal))?;
    let Answer::Late { at_s: until_s, came } = worst.answer else { return None };
    let from_s = late.iter().map(|rise| rise.at_s).fold(f64::INFINITY, f64::min);
    let ends = late.iter().filter_map(|rise| Some(rise.at_s + lag(rise)?));
    let extent = Extent { from_s, to_s: ends.fold(from_s, f64::max) };
    let (needed, allowed) = (instances(worst.level), seconds(view.reaction_s()));
    if view.decided().changes().next().is_none() {
        let always = view.decided().highest(view.run.from_s, view.run.to_s).map_or("few".to_owned(), amounts::number);
        let most = late.iter().map(|rise| rise.level).fold(0.0, f64::max);
        let text = format!(
            "the scaler never changed anything: it stayed at {always} while the load needed up to {} from {} on; \
             more were to be ready within {allowed}",
            instances(most),
            seconds(from_s),
        );
        return Some(ScalerFinding::new(Weight::Fail, Kind::Frozen, extent, text));
    }
    let ready = view.supply().highest(worst.at_s, until_s).unwrap_or_default();
    let what_happened = match came {
        true => format!("and they were ready {} later", seconds(until_s - worst.at_s)),
        false => {
            let ready = amounts::number(ready);
            let meanwhile = meanwhile(view, worst.at_s, until_s, worst.level);
            format!("and {} later no more than {ready} were ready{meanwhile}", seconds(until_s - worst.at_s))
        }
    };
    let text = format!(
        "capacity came too late after {} of {} of the load: at worst it needed {needed} at {}, {what_happened}; \
         {allowed} were allowed",
        late.len(),
        amounts::counted(answers.len() as u64, "rise"),
        seconds(worst.at_s),
    );
    Some(ScalerFinding::new(Weight::Fail, Kind::Slow, extent, text))
}

/// Says what the scaler had done about capacity that never came, as far as that was seen.
fn meanwhile(view: &View<'_>, from_s: f64, to_s: f64, needed: f64) -> String {
    let decided = view.decided();
    if let Some(enough) = decided.first(from_s, to_s, |wanted| wanted >= needed) {
        let what = if view.desired.is_seen() { "wanted" } else { "there" };
        return format!(" although {} were {what} by {}", amounts::number(needed), seconds(enough.at_s));
    }
    // What it did in its time it may have done about an earlier rise.
    let overdue_s = from_s + view.reaction_s();
    let is_seen = decided.known_s(overdue_s, to_s) >= ENOUGH * (to_s - overdue_s);
    let most =
        decided.highest(view.run.from_s, view.run.to_s).filter(|most| decided.lowest(overdue_s, to_s) == Some(*most));
    match most.filter(|_| is_seen).map(amounts::number) {
        // A maximum that nobody told of looks the same as a scaler that gave up.
        Some(most) => {
            format!(", and the scaler did nothing beyond {most} (is that its maximum? then state it: at_most({most}))")
        }
        None => String::new(),
    }
}

/// Says when the run did not show that the scaler can follow at all.
fn unproven(view: &View<'_>, answers: &[Answered]) -> Option<ScalerFinding> {
    // Instances that were there before they were needed prove something if the scaler had wanted them itself.
    let grew = view.decided().changes().any(|change| change.to > change.from);
    let is_proof = |rise: &Answered| match rise.answer {
        Answer::InTime | Answer::Late { .. } => true,
        Answer::Ahead => grew,
        Answer::TakenBack | Answer::CutOff | Answer::Unseen => false,
    };
    if answers.iter().any(is_proof) {
        return None;
    }
    let happened = |answer: Answer| answers.iter().any(|rise| rise.answer == answer);
    let why = if happened(Answer::CutOff) {
        format!("the run ended before {} had passed since the load rose", seconds(view.reaction_s()))
    } else if happened(Answer::TakenBack) {
        format!("the load never stayed up for {}", seconds(view.reaction_s()))
    } else if happened(Answer::Ahead) {
        "whenever the load rose, enough instances were there already".to_owned()
    } else if answers.is_empty() {
        "no rise of the load beyond what was there was seen to last for 10 s".to_owned()
    } else {
        return None; // what was not seen is told by itself
    };
    let text = format!("nothing shows whether the scaler follows the load: {why}");
    Some(ScalerFinding::new(stated(view.plan.react_within), Kind::Unseen, view.run, text))
}

/// Says of which rises nobody can tell whether they were answered in time.
fn unseen(view: &View<'_>, answers: &[Answered]) -> Option<ScalerFinding> {
    let unseen: Vec<_> = answers.iter().filter(|rise| rise.answer == Answer::Unseen).collect();
    let (first, last) = (unseen.first()?, unseen.last()?);
    let extent = Extent { from_s: first.at_s, to_s: (last.at_s + view.reaction_s()).min(view.run.to_s) };
    let text = format!(
        "too little was seen of the instances to tell whether {} of the load, the first at {}, got capacity within {}",
        amounts::counted(unseen.len() as u64, "rise"),
        seconds(first.at_s),
        seconds(view.reaction_s()),
    );
    Some(ScalerFinding::new(Weight::Doubt, Kind::Unseen, extent, text))
}

fn unknown_demand(view: &View<'_>) -> Option<ScalerFinding> {
    let why = match view.plan.capacity {
        None => "nobody knows what one instance carries",
        Some(_) => "the load was not seen",
    };
    let text = format!("whether supply followed demand is not judged: {why}");
    let weight = stated(view.plan.react_within.or(view.plan.settle_within));
    let weight = if view.plan.capacity.is_some() { Weight::Doubt } else { weight };
    Some(ScalerFinding::new(weight, Kind::Unseen, view.run, text))
}

/// What it weighs that there is no evidence for an expectation: one that the author stated stays open, a
/// default one is told.
fn stated(expectation: Option<Duration>) -> Weight {
    if expectation.is_some() { Weight::Doubt } else { Weight::Tell }
}
