//! One version of the plan: how it stands from an instant on.
//!
//! A running plan changes: the operator pauses it or scales it, an agent is lost and its slots move. Each
//! change makes a version with an instant ahead of now, so that all agents switch together. What the plan
//! had said before that instant stays as it was, and what comes after is computed, never counted.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::duration;
use crate::load::Load;
use crate::slots::SlotTable;
use crate::units::RunTime;

/// Whether plan time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanRate {
    /// Plan time passes as run time does.
    Running,
    /// Plan time stands still: nobody arrives and no planned leave comes nearer.
    Paused,
}

/// Where the load of a scenario began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The index, in the scenario, of the load's arrival 0.
    pub index: u64,
    /// The plan time that is the load's zero.
    #[serde(with = "duration::text")]
    pub plan_time: Duration,
}

/// The plan as it stands from an instant on. The vectors have one entry for each scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// The version's number; the first is 1.
    pub number: u64,
    /// The run time from which it holds.
    pub at: RunTime,
    /// The plan time at that instant.
    #[serde(with = "duration::text")]
    pub plan_time: Duration,
    /// Whether plan time passes from then on.
    pub running: PlanRate,
    /// The load of each scenario.
    pub loads: Vec<Load>,
    /// Where each of these loads began.
    pub begun: Vec<Begun>,
    /// The first arrival index that this version governs; indices before it keep their older version. Computed.
    pub base: Vec<u64>,
    /// Who owns the arrivals that it governs.
    pub slots: SlotTable,
    /// Who comes once more, from its instant on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns: Option<Returns>,
}

/// Users that were lost with their agent and come once more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returns {
    /// The plan time over which those of a scenario come, evenly spread.
    #[serde(with = "duration::text")]
    pub over: Duration,
    /// Their arrivals, an entry for each scenario: rising indices that lie before the version's base.
    pub users: Vec<Vec<u64>>,
}

/// What may change from one version to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Others own the arrivals.
    Slots(SlotTable),
    /// Plan time stops.
    Pause,
    /// Plan time goes on where it stopped.
    Resume,
    /// Loads take over, an entry for each scenario; `None` and a missing entry let the load go on undisturbed. A load
    /// that takes over begins now, its arrivals numbered on from those that have come. A population takes the users
    /// of an earlier one over, so its first ramp begins at their number.
    Loads(Vec<Option<Load>>),
    /// Users that were lost come once more. Each belongs to whoever owns its slot at the instant of its return.
    Return(Returns),
}

/// One arrival of a scenario, in run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its index within the scenario.
    pub index: u64,
    /// The number of the user who arrives, unique in the run.
    pub number: u64,
    /// When the user arrives.
    pub at: RunTime,
    /// When the user leaves, as far as the versions so far tell: `None` when the user's own flow decides, or
    /// while a pause holds it up. Ask again after each new version.
    pub leave: Option<RunTime>,
}

/// Why a version cannot follow the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VersionError {
    /// Its number does not rise.
    #[error("adding plan version {number}: version {latest} is already known")]
    Number {
        /// The number of the version that was refused.
        number: u64,
        /// The latest known number.
        latest: u64,
    },
    /// Its instant, plan time or a base index lies before those of the latest version.
    #[error("adding plan version {number}: it reaches back before the version ahead of it")]
    ReachesBack {
        /// The number of the version that was refused.
        number: u64,
    },
    /// Its vectors do not have one entry for each scenario of the run, a load begins after its version, or somebody returns
    /// who has not been there.
    #[error("adding plan version {number}: it does not fit the scenarios of the run")]
    Shape {
        /// The number of the version that was refused.
        number: u64,
    },
    /// A history without any version.
    #[error("reading the plan versions: there is none")]
    Empty,
}

impl Version {
    /// Gives the plan time at a run time, as if no later version came; before its instant, the plan time at it.
    #[must_use]
    pub fn plan_time_at(&self, at: RunTime) -> Duration {
        match self.running {
            PlanRate::Running => self.plan_time.saturating_add(at.since(self.at)),
            PlanRate::Paused => self.plan_time,
        }
    }

    /// Gives the run time of a plan time that this version governs; `None` while it is paused.
    #[must_use]
    pub fn run_time_of(&self, plan_time: Duration) -> Option<RunTime> {
        let is_running = self.running == PlanRate::Running;
        is_running.then(|| self.at + plan_time.saturating_sub(self.plan_time))
    }

    /// Checks what every version must hold by itself.
    pub(crate) fn check_shape(&self) -> Result<(), VersionError> {
        let scenarios = self.loads.len();
        let fits = self.begun.len() == scenarios
            && self.base.len() == scenarios
            && self
                .begun
                .iter()
                .zip(&self.base)
                .all(|(begun, base)| begun.plan_time <= self.plan_time && begun.index <= *base);
        let returns = self.returns.as_ref().is_none_or(|returns| {
            let have_come = |(users, base): (&Vec<u64>, &u64)| {
                users.is_sorted_by(|a, b| a < b) && users.last().is_none_or(|last| last < base)
            };
            returns.users.len() == scenarios && returns.users.iter().zip(&self.base).all(have_come)
        });
        if fits && returns { Ok(()) } else { Err(VersionError::Shape { number: self.number }) }
    }

    /// Checks that this version may come after `latest`.
    pub(crate) fn check_follows(&self, latest: &Version) -> Result<(), VersionError> {
        let number = self.number;
        self.check_shape()?;
        if number <= latest.number {
            return Err(VersionError::Number { number, latest: latest.number });
        }
        if self.loads.len() != latest.loads.len() {
            return Err(VersionError::Shape { number });
        }
        let rises = self.at > latest.at
            && self.plan_time >= latest.plan_time
            && self.base.iter().zip(&latest.base).all(|(base, before)| base >= before);
        if rises { Ok(()) } else { Err(VersionError::ReachesBack { number }) }
    }
}
