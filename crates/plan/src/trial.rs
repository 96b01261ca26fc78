//! Trials: the same plan at one constant load, to find out how much load a number of instances carries.
//!
//! What a calibration tries again and again is no show, but a plateau: the load comes up during the *ramp*, stays
//! during the *hold*, and the trial is over. Users do what they do in the show; cues that follow the arrivals
//! fire within the hold. What is left out, because it says nothing about capacity, is what the plan expects of
//! the autoscaler.
//!
#![doc = include_str!("trial/meaning.md")]
//!
//! Where a plan has several scenarios, each has its share of the load as in the plan at its peak. Loads that
//! count users decide about the unit, if there are any; the others are then multiplied by the same factor.

mod loads;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::catalogue::AUTOSCALER;
use crate::duration;
use crate::forecast::Forecast;
use crate::plan::{Cue, CueTime, Plan};
use crate::problem::Problem;
use loads::Part;

/// What a trial makes of each kind of load as a table, for those who print help.
pub const TRIAL_HELP: &str = include_str!("trial/meaning.md");

/// What the load of a trial counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadUnit {
    /// Users who are there at a time.
    Users,
    /// Users who come in a second.
    StartsPerSecond,
}

/// How long a trial takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialTimes {
    /// From the start until the whole load is there, above 0.
    pub ramp: Duration,
    /// How long it then stays, above 0.
    pub hold: Duration,
}

/// The trials of a plan, one for every load.
#[derive(Clone, Debug, PartialEq)]
pub struct Trials {
    /// The plan without its loads.
    frame: Plan,
    parts: Vec<Part>,
    unit: LoadUnit,
    times: TrialTimes,
}

impl Trials {
    /// Works out the trials of a plan that passed [`Plan::check`]. What is told beside them is what trials do
    /// without, for the author to know.
    ///
    /// # Errors
    /// When a trial would show nothing: without a threshold that it can meet or fail, or when a cue comes too late.
    pub fn new(plan: &Plan, times: TrialTimes) -> Result<(Trials, Vec<Problem>), Vec<Problem>> {
        let mut problems = Vec::new();
        if times.ramp.is_zero() || times.hold.is_zero() {
            problems.push(Problem::new("a trial needs a ramp and a hold above 0"));
        }
        let parts: Vec<Part> = plan.scenarios.iter().map(|scenario| Part::of(&scenario.load, times.hold)).collect();
        let counts_users = |part: &&Part| part.unit == LoadUnit::Users;
        let unit =
            if parts.iter().any(|part| counts_users(&part)) { LoadUnit::Users } else { LoadUnit::StartsPerSecond };
        let ramp = parts.iter().filter_map(Part::least_ramp).max().map_or(times.ramp, |least| least.max(times.ramp));
        let times = TrialTimes { ramp, ..times };
        let mut notes = Vec::new();
        let cues = cues_within(plan, times, &mut problems, &mut notes);
        let thresholds = plan.thresholds.iter().filter(|threshold| {
            let is_missing = |cue: &String| !cues.iter().any(|known| known.name == *cue);
            let by_hand = threshold.tags.get("cue").is_some_and(is_missing)
                || threshold.metric.starts_with("cue.") && cues.is_empty();
            if by_hand {
                notes.push(Problem::new(format!(
                    "trials do without the threshold `{threshold}`: its cue is fired by hand"
                )));
            }
            !by_hand && !threshold.metric.starts_with(AUTOSCALER)
        });
        let thresholds: Vec<_> = thresholds.cloned().collect();
        if thresholds.is_empty() {
            let problem = Problem::new("the plan has no threshold that says when an instance has too much load");
            problems
                .push(problem.hint("add one, such as \"http.response p(99) < 500ms\" or \"http.failed rate < 0.1%\""));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let ends_after = Some(times.ramp + times.hold);
        let frame = Plan { cues, thresholds, ends_after, autoscaler: None, ..plan.clone() };
        Ok((Trials { frame, parts, unit, times }, notes))
    }

    /// What loads count.
    #[must_use]
    pub fn unit(&self) -> LoadUnit {
        self.unit
    }

    /// How long a trial takes: the ramp may be longer than it was asked to be.
    #[must_use]
    pub fn times(&self) -> TrialTimes {
        self.times
    }

    /// The load that the plan itself has at its peak.
    #[must_use]
    pub fn peak(&self) -> f64 {
        self.counted().map(|part| part.peak).sum()
    }

    /// The smallest load of which every scenario has something: a user each, or a start in the whole trial.
    #[must_use]
    pub fn least(&self) -> f64 {
        match self.unit {
            LoadUnit::Users => self.counted().count() as f64,
            LoadUnit::StartsPerSecond => {
                let rarest = self.parts.iter().map(|part| part.peak).fold(f64::INFINITY, f64::min);
                self.peak() / rarest / self.times.hold.as_secs_f64()
            }
        }
    }

    /// The plan of one trial. Users are whole: `load` is rounded if it counts them.
    #[must_use]
    pub fn plan(&self, load: f64) -> Plan {
        let factor = load / self.peak();
        let mut users = Apportioned::of(load.round() as u64, self.counted().count() as u64, self.peak());
        let mut plan = self.frame.clone();
        for (scenario, part) in plan.scenarios.iter_mut().zip(&self.parts) {
            let load = match part.unit {
                LoadUnit::Users => users.next(part.peak) as f64,
                LoadUnit::StartsPerSecond => part.peak * factor,
            };
            scenario.load = part.load(load, self.times);
        }
        plan
    }

    /// The parts whose loads are in the unit.
    fn counted(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.unit == self.unit)
    }
}

/// Shares users out in proportion, at least one for each, so that they add up.
struct Apportioned {
    /// Users beyond the one for each.
    spare: u64,
    peak: f64,
    /// Of the peaks so far.
    sum: f64,
    given: u64,
}

impl Apportioned {
    fn of(users: u64, parts: u64, peak: f64) -> Apportioned {
        Apportioned { spare: users.saturating_sub(parts), peak, sum: 0.0, given: 0 }
    }

    fn next(&mut self, peak: f64) -> u64 {
        self.sum += peak;
        let until = (self.spare as f64 * self.sum / self.peak).round() as u64;
        let own = until - self.given;
        self.given = until;
        own + 1
    }
}

/// The cues with times of the trial: after the ramp as long as after the arrivals of the plan, or as far into the
/// ramp as into the arrivals.
fn cues_within(plan: &Plan, times: TrialTimes, problems: &mut Vec<Problem>, notes: &mut Vec<Problem>) -> Vec<Cue> {
    let last = Forecast::of(plan).last_arrival.unwrap_or_default();
    let fires = |cue: &Cue| match cue.when {
        CueTime::AfterArrivals(after) => Some(times.ramp + after),
        CueTime::At(at) if at >= last => Some(times.ramp + (at - last)),
        CueTime::At(at) => Some(times.ramp.mul_f64(at.as_secs_f64() / last.as_secs_f64())),
        CueTime::ByHand => None,
    };
    let mut cues = Vec::new();
    for cue in &plan.cues {
        match fires(cue) {
            Some(at) if at >= times.ramp + times.hold => {
                let (after, hold) = (duration::print(at - times.ramp), duration::print(times.hold));
                let text =
                    format!("cue `{}` fires {after} after the arrivals, and the load is held for {hold}", cue.name);
                problems.push(
                    Problem::new(text)
                        .hint("hold the load for longer than that, and for as long as its audience needs"),
                );
            }
            Some(at) => cues.push(Cue { when: CueTime::At(at), ..cue.clone() }),
            None => {
                notes.push(Problem::new(format!("trials do without the cue `{}`, which is fired by hand", cue.name)))
            }
        }
    }
    cues
}

#[cfg(test)]
mod tests;
