//! Users that come once more: when, and at which agent.
//!
//! A version lists them by their arrivals. Each keeps its number and the time at which it leaves; a pause holds it up
//! like everybody else.

use super::Versions;
use crate::slots::AgentNumber;
use crate::units::RunTime;
use crate::version::{Arrival, PlanRate, Returns, Version};

/// The return of one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returning {
    /// The number of the version that brings it back.
    pub version: u64,
    /// Its scenario.
    pub scenario: usize,
    /// Index, number and leave of its arrival, and the instant of its return in place of that of its arrival.
    pub arrival: Arrival,
}

impl Versions {
    /// Lists the returns at an agent by their instants. Those that a pause holds up are not listed, nor those who would have
    /// to leave before they are there.
    #[must_use]
    pub fn returns_of(&self, agent: AgentNumber) -> Vec<Returning> {
        let mut all: Vec<Returning> =
            self.all_returns().filter(|(_, owner)| *owner == Some(agent)).map(|r| r.0).collect();
        all.sort_by_key(|returning| (returning.arrival.at, returning.arrival.number));
        all
    }

    /// Lists the arrivals that an agent was to start before an instant, first arrivals and returns, as (scenario, index).
    pub fn started_by(&self, agent: AgentNumber, before: RunTime) -> impl Iterator<Item = (usize, u64)> {
        let arrived = (0..self.scenarios()).flat_map(move |scenario| {
            let due = self.arrivals_of(agent, scenario, 0).take_while(move |arrival| arrival.at < before);
            due.map(move |arrival| (scenario, arrival.index))
        });
        let returned = self.returns_of(agent).into_iter().take_while(move |returning| returning.arrival.at < before);
        arrived.chain(returned.map(|returning| (returning.scenario, returning.arrival.index)))
    }

    /// Gives the instant of the last start, of first arrivals and returns; `None` when nobody comes or while a pause holds
    /// anybody up.
    #[must_use]
    pub fn last_start(&self) -> Option<RunTime> {
        let is_held_up = self.latest().running == PlanRate::Paused;
        let returned = self.all_returns().map(|(returning, _)| returning.arrival.at).max();
        if is_held_up { None } else { self.last_arrival().max(returned) }
    }

    /// All returns that have an instant, each with the owner of its slot then.
    fn all_returns(&self) -> impl Iterator<Item = (Returning, Option<AgentNumber>)> {
        let returns = self.history().filter_map(|version| Some((version, version.returns.as_ref()?)));
        returns.flat_map(move |(version, returns)| {
            (0..self.scenarios()).flat_map(move |scenario| self.returns_to(scenario, version, returns))
        })
    }

    fn returns_to<'a>(
        &'a self,
        scenario: usize,
        version: &'a Version,
        Returns { over, users }: &'a Returns,
    ) -> impl Iterator<Item = (Returning, Option<AgentNumber>)> + 'a {
        let all = users[scenario].len() as u128;
        users[scenario].iter().enumerate().filter_map(move |(place, index)| {
            let after = std::time::Duration::from_nanos((over.as_nanos() * place as u128 / all) as u64);
            let plan_time = version.plan_time.saturating_add(after);
            let begun = self.entries.partition_point(|entry| entry.version.plan_time <= plan_time);
            let in_force = &self.entries[..begun].last()?.version;
            let at = in_force.run_time_of(plan_time)?;
            let arrival = Arrival { at, ..self.arrival(scenario, *index)? };
            let stays = arrival.leave.is_none_or(|leave| leave > at);
            let returning = Returning { version: version.number, scenario, arrival };
            stays.then(|| (returning, in_force.slots.owner(*index)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, changed, even, seconds, two_agents};
    use super::*;
    use crate::load::Stay;
    use crate::version::{Change, VersionError};

    /// Eight users, one a second, each for ten seconds; agent 1 has the even ones and is lost at 4 s.
    fn one_is_lost() -> Versions {
        let versions = Versions::first(at(0.0), vec![even(8, 8, Stay::Each(seconds(10)))], two_agents(), 0);
        let heirs = [(AgentNumber(2), 1), (AgentNumber(3), 1)];
        let moved = versions.latest().slots.moved(AgentNumber(1), &heirs);
        changed(versions, Change::Slots(moved), 4.0)
    }

    fn of(versions: &Versions, agent: u32) -> Vec<(u64, f64)> {
        let all = versions.returns_of(AgentNumber(agent)).into_iter();
        all.map(|returning| (returning.arrival.number, returning.arrival.at.as_secs_f64())).collect()
    }

    fn returns(over: u64, users: &[u64]) -> Change {
        Change::Return(Returns { over: seconds(over), users: vec![users.to_vec()] })
    }

    #[test]
    fn nobody_starts_after_the_last_start() {
        assert_eq!(one_is_lost().last_start(), Some(at(7.0)), "the last of eight");
        let versions = changed(one_is_lost(), returns(6, &[0, 2]), 5.0);
        assert_eq!(versions.last_start(), Some(at(8.0)), "the second who returns");
        let versions = changed(versions, Change::Pause, 6.0);
        assert_eq!(versions.last_start(), None, "nobody knows when it goes on");
        let versions = changed(versions, Change::Resume, 30.0);
        assert_eq!(versions.last_start(), Some(at(32.0)));
    }

    #[test]
    fn the_lost_come_again_at_the_heirs_of_their_slots() {
        let versions = changed(one_is_lost(), returns(2, &[0, 2]), 5.0);
        assert_eq!((of(&versions, 1), of(&versions, 2), of(&versions, 3)), (vec![], vec![(0, 5.0)], vec![(2, 6.0)]));
        let back = versions.returns_of(AgentNumber(2))[0];
        assert_eq!((back.version, back.arrival.leave), (3, Some(at(10.0))), "it leaves when it would have left");
        let started: Vec<_> = versions.started_by(AgentNumber(2), at(5.5)).collect();
        assert_eq!(
            started,
            [(0, 1), (0, 3), (0, 4), (0, 5), (0, 0)][..]
                .iter()
                .copied()
                .filter(|(_, i)| versions.owner(0, *i) == Some(AgentNumber(2)) || *i == 0)
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_pause_holds_returns_up_and_a_lost_heir_passes_them_on() {
        let versions = changed(one_is_lost(), returns(2, &[0, 2]), 5.0);
        let paused = changed(versions.clone(), Change::Pause, 5.5);
        assert_eq!((of(&paused, 2), of(&paused, 3)), (vec![(0, 5.0)], vec![]));
        let resumed = changed(paused, Change::Resume, 7.5);
        assert_eq!(of(&resumed, 3), [(2, 8.0)]);
        let moved = versions.latest().slots.moved(AgentNumber(3), &[(AgentNumber(2), 1)]);
        let passed_on = changed(versions, Change::Slots(moved), 5.5);
        assert_eq!((of(&passed_on, 2), of(&passed_on, 3)), (vec![(0, 5.0), (2, 6.0)], vec![]));
    }

    #[test]
    fn who_would_leave_before_the_return_stays_away() {
        let versions = changed(one_is_lost(), returns(20, &[0, 2]), 9.0);
        assert_eq!(of(&versions, 2), [(0, 9.0)]);
        assert_eq!(of(&versions, 3), [], "user 2 leaves at 12 s and would return at 19 s");
    }

    #[test]
    fn nobody_returns_who_has_not_been_there() {
        let mut versions = one_is_lost();
        for users in [vec![vec![7]], vec![vec![2, 0]], vec![]] {
            let next = versions.with(Change::Return(Returns { over: seconds(1), users }), at(5.0));
            assert_eq!(versions.push(next), Err(VersionError::Shape { number: 3 }));
        }
    }
}
