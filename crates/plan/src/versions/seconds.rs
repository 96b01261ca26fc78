//! The plan by seconds of run time: who comes in each, and who should be there at its end.
//!
//! Pauses and scalings are in it, as they change when people come. Counting from an instant `started`, second s lasts from
//! s to s + 1 seconds after it; whoever comes before `started` counts in second 0.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Versions;
use crate::load::LONGEST;
use crate::units::RunTime;

/// Seconds beyond a month after the start are left out, as no plan of checked loads has any without a pause.
const MOST_SECONDS: u64 = LONGEST.as_secs();

/// What the plan has in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedSecond {
    /// Users who arrive in it.
    pub arrivals: u64,
    /// Users who are there at its end; `None` when it is the users themselves who decide when they leave.
    pub live: Option<u64>,
}

impl Versions {
    /// Counts the arrivals of a scenario strictly before an instant, as far as the versions so far tell; zero for a
    /// scenario that does not exist.
    #[must_use]
    pub fn arrived_before(&self, scenario: usize, at: RunTime) -> u64 {
        if scenario >= self.scenarios() {
            return 0;
        }
        let begun = self.entries.partition_point(|entry| entry.version.at <= at);
        let entry = self.entries[..begun].last();
        entry.map_or(0, |entry| entry.arrivals_before(scenario, entry.version.plan_time_at(at)))
    }

    /// Counts the arrivals of a scenario in each second that has any: a curve that plays the same arrivals again.
    /// Arrivals from `until` on are left out, as when the run ended there; so are those that a pause holds up.
    #[must_use]
    pub fn arrivals_by_second(&self, scenario: usize, started: RunTime, until: Option<RunTime>) -> Vec<(u64, u64)> {
        let planned = self.last_arrival_of(scenario).map_or(started, |last| RunTime(last.0.saturating_add(1)));
        let end = until.map_or(planned, |until| until.min(planned));
        let all = self.arrived_before(scenario, end);
        let mut counted = 0;
        let mut seconds = Vec::new();
        for second in 0..MOST_SECONDS {
            if counted == all {
                break;
            }
            let before = self.arrived_before(scenario, end.min(started + Duration::from_secs(second + 1)));
            if before > counted {
                seconds.push((second, before - counted));
            }
            counted = before;
        }
        seconds
    }

    /// Counts the users of a scenario who are there at the end of each second: arrivals less planned leaves. The last
    /// value holds on: 0 once all have left, or as many as a pause keeps. `None` from the first user on who decides
    /// when to leave.
    ///
    /// It looks at every user once, so keep the result as long as [`Version::number`](crate::Version) stays the same.
    #[must_use]
    pub fn live_by_second(&self, scenario: usize, started: RunTime) -> Vec<Option<u64>> {
        let second_of = |at: RunTime| at.since(started).as_secs().min(MOST_SECONDS) as usize;
        let mut changes: Vec<i64> = Vec::new();
        let mut change = |second: usize, by: i64| {
            changes.resize(changes.len().max(second + 1), 0);
            changes[second] += by;
        };
        let mut first_unplanned = usize::MAX;
        for (number, from, to) in self.stretches(scenario, 0) {
            for index in from..to {
                let Some((at, leave)) = self.timing_in(number, scenario, index) else { break };
                change(second_of(at), 1);
                match leave {
                    Some(leave) => self.run_time_of(leave).into_iter().for_each(|leave| change(second_of(leave), -1)),
                    None => first_unplanned = first_unplanned.min(second_of(at)),
                }
            }
        }
        let mut live: i64 = 0;
        let levels = changes.into_iter().enumerate().map(|(second, change)| {
            live += change;
            u64::try_from(live).ok().filter(|_| second < first_unplanned)
        });
        levels.collect()
    }

    /// Gives the whole plan, all scenarios together, second by second, until all arrivals have come and everybody has
    /// left as far as the versions so far tell. As expensive as [`Versions::live_by_second`].
    #[must_use]
    pub fn planned_seconds(&self, started: RunTime) -> Vec<PlannedSecond> {
        let live: Vec<_> = (0..self.scenarios()).map(|scenario| self.live_by_second(scenario, started)).collect();
        let length = live.iter().map(Vec::len).max().unwrap_or(0);
        let nobody_yet = PlannedSecond { arrivals: 0, live: Some(0) };
        let mut seconds = vec![nobody_yet; length];
        for (scenario, live) in live.iter().enumerate() {
            for (second, planned) in seconds.iter_mut().enumerate() {
                let own = live.get(second).or(live.last()).copied().unwrap_or(Some(0));
                planned.live = planned.live.zip(own).map(|(all, own)| all + own);
            }
            for (second, arrivals) in self.arrivals_by_second(scenario, started, None) {
                if let Some(planned) = usize::try_from(second).ok().and_then(|second| seconds.get_mut(second)) {
                    planned.arrivals += arrivals;
                }
            }
        }
        seconds
    }

    /// Gives the instant of a scenario's last arrival that no pause holds up.
    fn last_arrival_of(&self, scenario: usize) -> Option<RunTime> {
        let last = self.stretches(scenario, 0).filter_map(|(number, from, to)| {
            (from..to).next_back().and_then(|index| self.timing_in(number, scenario, index))
        });
        last.map(|(at, _)| at).last()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, changed, even, seconds, two_agents};
    use super::*;
    use crate::curve::{curve_csv, read_curve};
    use crate::load::{Load, Spacing, Stay};
    use crate::schedule::any_load::any_load;
    use crate::version::Change;
    use proptest::prelude::*;

    fn live(versions: &Versions) -> Vec<u64> {
        versions.live_by_second(0, at(1.0)).into_iter().flatten().collect()
    }

    #[test]
    fn a_pause_holds_arrivals_and_leaves() {
        let versions = Versions::first(at(1.0), vec![even(8, 4, Stay::Each(seconds(2)))], two_agents(), 0);
        assert_eq!(versions.arrivals_by_second(0, at(1.0), None), [(0, 2), (1, 2), (2, 2), (3, 2)]);
        assert_eq!(live(&versions), [2, 4, 4, 4, 2, 0]);
        let versions = changed(versions, Change::Pause, 2.0);
        assert_eq!(versions.arrivals_by_second(0, at(1.0), None), [(0, 2)]);
        assert_eq!(live(&versions), [2]);
        let versions = changed(versions, Change::Resume, 4.0);
        assert_eq!(versions.arrivals_by_second(0, at(1.0), None), [(0, 2), (3, 2), (4, 2), (5, 2)]);
        assert_eq!(live(&versions), [2, 2, 2, 4, 4, 4, 2, 0]);
        assert_eq!(versions.arrivals_by_second(0, at(1.0), Some(at(5.2))), [(0, 2), (3, 2), (4, 1)]);
    }

    #[test]
    fn who_decides_alone_makes_the_number_unknown() {
        let late = Load::Curve { seconds: vec![(2, 3)], stay: Stay::UntilDone };
        let loads = vec![even(2, 1, Stay::Each(seconds(2))), late];
        let versions = Versions::first(at(0.0), loads, two_agents(), 0);
        assert_eq!(versions.live_by_second(0, at(0.0)), [2, 2, 0].map(Some));
        assert_eq!(versions.live_by_second(1, at(0.0)), [Some(0), Some(0), None]);
        let planned = versions.planned_seconds(at(0.0));
        let planned: Vec<_> = planned.iter().map(|second| (second.arrivals, second.live)).collect();
        assert_eq!(planned, [(2, Some(2)), (0, Some(2)), (3, None)]);
    }

    #[test]
    fn three_hundred_thousand_users_are_looked_at_once() {
        let load = Load::Arrive {
            users: 300_000,
            over: seconds(1800),
            spacing: Spacing::Random,
            stay: Stay::AfterLastArrival(seconds(60)),
        };
        let versions = Versions::first(at(0.0), vec![load], two_agents(), 3);
        let planned = versions.planned_seconds(at(0.0));
        assert_eq!(planned.iter().map(|second| second.arrivals).sum::<u64>(), 300_000);
        assert_eq!(planned[1805].live, Some(300_000));
    }

    fn change() -> impl Strategy<Value = Change> {
        let loads = prop::collection::vec(prop::option::of(any_load()), 0..3).prop_map(Change::Loads);
        prop_oneof![Just(Change::Pause), Just(Change::Resume), loads]
    }

    proptest! {
        #[test]
        fn seconds_are_sums_of_single_users(
            loads in prop::collection::vec(any_load(), 1..3),
            changes in prop::collection::vec((change(), 0_u64..3000), 0..6),
            start in -2000_i64..2000,
        ) {
            let mut versions = Versions::first(RunTime(start * 1000), loads, two_agents(), 5);
            for (change, millis) in changes {
                let instant = versions.latest().at + Duration::from_millis(millis);
                versions = changed(versions, change, instant.as_secs_f64());
            }
            let started = RunTime::ZERO;
            for scenario in 0..versions.scenarios() {
                let users: Vec<_> =
                    (0..versions.planned_of(scenario)).filter_map(|index| versions.arrival(scenario, index)).collect();
                let seconds = versions.arrivals_by_second(scenario, started, None);
                prop_assert_eq!(seconds.iter().map(|(_, users)| users).sum::<u64>(), users.len() as u64);
                for (second, arrivals) in &seconds {
                    let counted = users.iter().filter(|user| user.at.second().max(0) as u64 == *second).count();
                    prop_assert_eq!(counted as u64, *arrivals);
                }
                for (second, live) in versions.live_by_second(scenario, started).into_iter().enumerate() {
                    let end = (second as i64 + 1) * 1_000_000;
                    let is_there =
                        |user: &&crate::Arrival| user.at.0 < end && user.leave.is_none_or(|leave| leave.0 >= end);
                    prop_assert!(live.is_none_or(|live| live == users.iter().filter(is_there).count() as u64));
                }
            }
        }

        /// An evening that was played is played again from its file.
        #[test]
        fn a_curve_of_what_was_played_plays_the_same(
            load in any_load(),
            changes in prop::collection::vec((change(), 0_u64..3000), 0..6),
        ) {
            let mut versions = Versions::first(RunTime::ZERO, vec![load], two_agents(), 5);
            for (change, millis) in changes {
                let instant = versions.latest().at + Duration::from_millis(millis);
                versions = changed(versions, change, instant.as_secs_f64());
            }
            let played = versions.arrivals_by_second(0, RunTime::ZERO, None);
            if !played.is_empty() {
                let seconds = read_curve(&curve_csv(&played)).unwrap();
                let load = Load::Curve { seconds, stay: Stay::UntilDone };
                let again = Versions::first(RunTime::ZERO, vec![load], two_agents(), 9);
                prop_assert_eq!(again.arrivals_by_second(0, RunTime::ZERO, None), played);
            }
        }
    }
}
