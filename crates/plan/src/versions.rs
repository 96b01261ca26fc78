//! All versions of a run's plan, and from them every arrival: its instant, its owner, its user's number.
//!
//! ```text
//!   index     0 ………………………… base₂ ……………… base₃ ……………… planned
//!   version   │      1        │      2       │      3        │
//!   instant   at₁ + plan      at₂ + (plan − plan₂)           …
//! ```
//!
//! Coordinator and agents hold the same history and compute the same answers from it.

mod arrivals;
mod entry;
mod returning;
mod seconds;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::load::Load;
use crate::scale::Progress;
use crate::slots::{AgentNumber, SlotTable};
use crate::units::RunTime;
use crate::version::{Begun, Change, PlanRate, Version, VersionError};
use entry::Entry;

pub use returning::Returning;
pub use seconds::PlannedSecond;

/// The history of a plan, oldest version first; never empty.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Recorded", into = "Recorded")]
pub struct Versions {
    seed: u64,
    entries: Vec<Entry>,
}

/// What is kept and sent of a history: the schedules follow from it.
#[derive(Clone, Serialize, Deserialize)]
struct Recorded {
    seed: u64,
    versions: Vec<Version>,
}

impl From<Versions> for Recorded {
    fn from(versions: Versions) -> Recorded {
        let seed = versions.seed;
        Recorded { seed, versions: versions.entries.into_iter().map(|entry| entry.version).collect() }
    }
}

impl TryFrom<Recorded> for Versions {
    type Error = VersionError;

    fn try_from(recorded: Recorded) -> Result<Versions, VersionError> {
        let mut rest = recorded.versions.into_iter();
        let first = rest.next().ok_or(VersionError::Empty)?;
        first.check_shape()?;
        let mut versions = Versions { seed: recorded.seed, entries: vec![Entry::new(first, None, recorded.seed)] };
        rest.try_for_each(|version| versions.push(version))?;
        Ok(versions)
    }
}

impl Versions {
    /// Begins a history: version 1, whose plan time 0 is the run time `at`.
    #[must_use]
    pub fn first(at: RunTime, loads: Vec<Load>, slots: SlotTable, seed: u64) -> Versions {
        let scenarios = loads.len();
        let version = Version {
            number: 1,
            at,
            plan_time: Duration::ZERO,
            running: PlanRate::Running,
            loads,
            begun: vec![Begun::default(); scenarios],
            base: vec![0; scenarios],
            slots,
            returns: None,
        };
        Versions { seed, entries: vec![Entry::new(version, None, seed)] }
    }

    /// Computes the version that a change makes from `at` on, or from just after the latest version if that is
    /// later. It is not yet part of the history: store it, send it, then [`Versions::push`] it.
    #[must_use]
    pub fn with(&self, change: Change, at: RunTime) -> Version {
        let latest = self.newest();
        let at = self.no_sooner(at);
        let plan_time = latest.version.plan_time_at(at);
        let base = (0..self.scenarios()).map(|scenario| latest.arrivals_before(scenario, plan_time)).collect();
        let number = latest.version.number.saturating_add(1);
        let mut next = Version { number, at, plan_time, base, returns: None, ..latest.version.clone() };
        match change {
            Change::Slots(slots) => next.slots = slots,
            Change::Return(returns) => next.returns = Some(returns),
            Change::Pause => next.running = PlanRate::Paused,
            Change::Resume => next.running = PlanRate::Running,
            Change::Loads(loads) => {
                for (scenario, load) in loads.into_iter().enumerate().take(self.scenarios()) {
                    if let Some(load) = load {
                        next.loads[scenario] = load;
                        next.begun[scenario] = Begun { index: next.base[scenario], plan_time };
                    }
                }
            }
        }
        next
    }

    /// Adds a version to the history.
    ///
    /// # Errors
    /// When its number or instant does not rise, or it does not fit the scenarios of the run.
    pub fn push(&mut self, version: Version) -> Result<(), VersionError> {
        let latest = self.newest();
        version.check_follows(&latest.version)?;
        let entry = Entry::new(version, Some(latest), self.seed);
        self.entries.push(entry);
        Ok(())
    }

    /// Gives the history as it stood when the version of this number was the latest; as it began for a lower number.
    #[must_use]
    pub fn as_of(&self, number: u64) -> Versions {
        let known = self.entries.iter().take_while(|entry| entry.version.number <= number).count().max(1);
        Versions { seed: self.seed, entries: self.entries[..known].to_vec() }
    }

    /// Tells how far the latest load of a scenario will have come at the instant from which [`Versions::with`] would
    /// make a change hold. Nowhere for a scenario that does not exist.
    #[must_use]
    pub fn progress(&self, scenario: usize, at: RunTime) -> Progress {
        let latest = self.newest();
        let (Some(begun), Some(schedule)) = (latest.version.begun.get(scenario), latest.schedules.get(scenario)) else {
            return Progress::default();
        };
        let elapsed = latest.load_time(scenario, latest.version.plan_time_at(self.no_sooner(at)));
        let arrived = schedule.arrivals_before(elapsed);
        Progress { elapsed, arrived, earlier: begun.index, inherited: schedule.inherited() }
    }

    /// Gives the latest version.
    #[must_use]
    pub fn latest(&self) -> &Version {
        &self.newest().version
    }

    /// Lists all versions, oldest first.
    pub fn history(&self) -> impl Iterator<Item = &Version> {
        self.entries.iter().map(|entry| &entry.version)
    }

    /// Counts the scenarios of the run.
    #[must_use]
    pub fn scenarios(&self) -> usize {
        self.newest().schedules.len()
    }

    /// Counts the arrivals of all scenarios, past and to come.
    #[must_use]
    pub fn planned(&self) -> u64 {
        (0..self.scenarios()).map(|scenario| self.planned_of(scenario)).fold(0, u64::saturating_add)
    }

    /// Counts the arrivals of a scenario, past and to come; zero for one that does not exist.
    #[must_use]
    pub fn planned_of(&self, scenario: usize) -> u64 {
        if scenario < self.scenarios() { self.newest().planned_in_all(scenario) } else { 0 }
    }

    /// Gives the instant of the last arrival of all; `None` when nobody comes, or while a pause holds it up.
    #[must_use]
    pub fn last_arrival(&self) -> Option<RunTime> {
        let mut last = None;
        for scenario in 0..self.scenarios() {
            if let Some(index) = self.planned_of(scenario).checked_sub(1) {
                last = last.max(Some(self.arrival(scenario, index)?.at));
            }
        }
        last
    }

    /// Gives the instant at which everybody has left; `None` when users stay until they are done, or while a
    /// pause holds it up.
    #[must_use]
    pub fn end(&self) -> Option<RunTime> {
        let mut end = Duration::ZERO;
        for scenario in 0..self.scenarios() {
            for (number, entry) in self.entries.iter().enumerate() {
                let schedule = &entry.schedules[scenario];
                let next = self.entries.get(number + 1);
                let ends_here = next.is_none_or(|next| {
                    !Arc::ptr_eq(schedule, &next.schedules[scenario])
                        && !schedule.is_superseded_by(&next.schedules[scenario])
                });
                if ends_here {
                    let Begun { index, plan_time } = entry.version.begun[scenario];
                    let planned = next.map_or(entry.planned_in_all(scenario), |next| next.version.base[scenario]);
                    end = end.max(plan_time.saturating_add(schedule.end_of_first(planned - index)?));
                }
            }
        }
        self.run_time_of(end)
    }

    /// Gives the run time at which the plan reaches a plan time; `None` while a pause holds it up.
    #[must_use]
    pub fn run_time_of(&self, plan_time: Duration) -> Option<RunTime> {
        let begun = self.entries.partition_point(|entry| entry.version.plan_time <= plan_time);
        self.entries[..begun].last()?.version.run_time_of(plan_time)
    }

    /// Moves an instant to just after the latest version, unless it is later.
    /// Tells when others took, or will take, the last slots that an agent ever owned; `None` if it owns some or never did.
    #[must_use]
    pub fn relieved_at(&self, agent: AgentNumber) -> Option<RunTime> {
        let mut relieved = None;
        let mut owned_before = false;
        for version in self.history() {
            let owns = version.slots.slots_of(agent).next().is_some();
            if owned_before && !owns {
                relieved = Some(version.at);
            }
            owned_before = owns;
        }
        relieved.filter(|_| !owned_before)
    }

    fn no_sooner(&self, at: RunTime) -> RunTime {
        at.max(RunTime(self.latest().at.0.saturating_add(1)))
    }

    fn newest(&self) -> &Entry {
        self.entries.last().expect("a history begins with its first version and never shrinks")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Spacing, Stage, Stay};

    pub(super) const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    pub(super) fn at(seconds: f64) -> RunTime {
        RunTime::from_secs_f64(seconds)
    }

    pub(super) fn even(users: u64, over: u64, stay: Stay) -> Load {
        Load::Arrive { users, over: seconds(over), spacing: Spacing::Even, stay }
    }

    pub(super) fn two_agents() -> SlotTable {
        SlotTable::weighted(8, &[(AgentNumber(1), 1), (AgentNumber(2), 1)])
    }

    /// Applies a change and keeps it.
    pub(super) fn changed(mut versions: Versions, change: Change, instant: f64) -> Versions {
        let next = versions.with(change, at(instant));
        versions.push(next).unwrap();
        versions
    }

    fn instants(versions: &Versions) -> Vec<f64> {
        let all = (0..versions.planned_of(0)).filter_map(|index| versions.arrival(0, index));
        all.map(|arrival| arrival.at.as_secs_f64()).collect()
    }

    #[test]
    fn a_pause_shifts_what_is_left_and_bursts_nothing() {
        let versions = Versions::first(at(1.0), vec![even(4, 4, Stay::Each(seconds(2)))], two_agents(), 0);
        let versions = changed(versions, Change::Pause, 2.5);
        assert_eq!(instants(&versions), [1.0, 2.0]);
        assert_eq!(versions.arrival(0, 1).unwrap().leave, None, "a paused plan keeps its users");
        assert_eq!((versions.last_arrival(), versions.end()), (None, None));
        let versions = changed(versions, Change::Resume, 12.5);
        assert_eq!(instants(&versions), [1.0, 2.0, 13.0, 14.0]);
        assert_eq!(versions.arrival(0, 0).unwrap().leave, Some(at(13.0)));
        assert_eq!((versions.last_arrival(), versions.end()), (Some(at(14.0)), Some(at(16.0))));
    }

    #[test]
    fn a_new_load_numbers_on_and_moves_the_common_end() {
        let stay = Stay::AfterLastArrival(seconds(1));
        let versions = Versions::first(at(0.0), vec![even(4, 4, stay)], two_agents(), 0);
        assert_eq!(versions.end(), Some(at(4.0)));
        let versions = changed(versions, Change::Loads(vec![Some(even(3, 3, stay))]), 1.5);
        assert_eq!(versions.latest().base, [2]);
        assert_eq!(instants(&versions), [0.0, 1.0, 1.5, 2.5, 3.5]);
        assert_eq!(versions.planned(), 5);
        assert_eq!(versions.arrival(0, 0).unwrap().leave, Some(at(4.5)));
        assert_eq!(versions.end(), Some(at(4.5)));
    }

    #[test]
    fn a_population_scales_from_where_it_is() {
        let population = |users, over| Load::Population {
            stages: vec![Stage::RampTo { users, over: seconds(over) }, Stage::Hold { over: seconds(10) }],
            keep_session: false,
        };
        let versions = Versions::first(at(0.0), vec![population(4, 4)], two_agents(), 0);
        let versions = changed(versions, Change::Loads(vec![Some(population(2, 2))]), 8.0);
        assert_eq!(versions.planned(), 4);
        let leaves: Vec<_> = (0..4).map(|index| versions.arrival(0, index).unwrap().leave.unwrap()).collect();
        assert_eq!(leaves, [at(20.0), at(20.0), at(10.0), at(9.0)]);
        assert_eq!(versions.end(), Some(at(20.0)));
    }

    #[test]
    fn versions_that_do_not_follow_are_refused() {
        let mut versions = Versions::first(at(0.0), vec![even(4, 4, Stay::UntilDone)], two_agents(), 0);
        let next = versions.with(Change::Pause, at(1.0));
        versions.push(next.clone()).unwrap();
        assert_eq!(versions.push(next.clone()), Err(VersionError::Number { number: 2, latest: 2 }));
        let early = Version { number: 3, at: at(0.5), ..next.clone() };
        assert_eq!(versions.push(early), Err(VersionError::ReachesBack { number: 3 }));
        let other = Version { number: 3, at: at(2.0), loads: vec![], ..next };
        assert_eq!(versions.push(other), Err(VersionError::Shape { number: 3 }));
        assert!(serde_json::from_str::<Versions>(r#"{"seed": 1, "versions": []}"#).is_err());
    }
}
