//! One version of a history with the schedules that follow from its loads.

use std::sync::Arc;
use std::time::Duration;

use crate::schedule::{PlannedArrival, Schedule};
use crate::version::Version;

/// A version with the schedules of its loads; a load that goes on shares its schedule with the version before.
#[derive(Clone, Debug)]
pub struct Entry {
    pub version: Version,
    pub schedules: Vec<Arc<Schedule>>,
}

impl Entry {
    /// Works the loads of a version out, as they follow from the version before.
    pub fn new(version: Version, before: Option<&Entry>, seed: u64) -> Entry {
        let schedules = (0..version.loads.len()).map(|scenario| {
            if let Some(before) = before.filter(|before| before.continues(scenario, &version)) {
                return Arc::clone(&before.schedules[scenario]);
            }
            let population = before.map_or(0, |before| {
                before.schedules[scenario].population(before.load_time(scenario, version.plan_time))
            });
            let seed = mixed(seed, scenario as u64, version.number);
            Arc::new(Schedule::continuing(&version.loads[scenario], seed, population))
        });
        Entry { schedules: schedules.collect(), version }
    }

    /// Tells whether a scenario's load goes on in `next` as it was.
    fn continues(&self, scenario: usize, next: &Version) -> bool {
        self.version.begun[scenario] == next.begun[scenario] && self.version.loads[scenario] == next.loads[scenario]
    }

    /// Turns plan time into the time of a scenario's load, which counts from where that load began.
    pub fn load_time(&self, scenario: usize, plan_time: Duration) -> Duration {
        plan_time.saturating_sub(self.version.begun[scenario].plan_time)
    }

    /// Gives an arrival of the load in the load's own time.
    pub fn planned(&self, scenario: usize, index: u64) -> Option<PlannedArrival> {
        self.schedules[scenario].arrival(index.checked_sub(self.version.begun[scenario].index)?)
    }

    /// Counts the arrivals of a scenario whose instants lie before a plan time, those of earlier loads included.
    pub fn arrivals_before(&self, scenario: usize, plan_time: Duration) -> u64 {
        let own = self.schedules[scenario].arrivals_before(self.load_time(scenario, plan_time));
        self.version.begun[scenario].index.saturating_add(own)
    }

    /// Counts the arrivals of a scenario, those of earlier loads included.
    pub fn planned_in_all(&self, scenario: usize) -> u64 {
        self.version.begun[scenario].index.saturating_add(self.schedules[scenario].planned())
    }
}

/// Gives each load of a run a seed of its own, so that scenarios do not arrive in step.
fn mixed(seed: u64, scenario: u64, version: u64) -> u64 {
    // Odd constants of golden-ratio hashing: any two pairs land far apart.
    let scenario = (scenario + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    seed.wrapping_add(scenario).wrapping_add(version.wrapping_mul(0xBF58_476D_1CE4_E5B9))
}
