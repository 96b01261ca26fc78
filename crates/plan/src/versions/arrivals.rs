//! Every single arrival, computed from the history: its instant, its owner, its user's number.

use std::sync::Arc;
use std::time::Duration;

use super::Versions;
use crate::schedule::{PlannedArrival, Tenure};
use crate::slots::{AgentNumber, SlotTable};
use crate::units::RunTime;
use crate::version::{Arrival, Begun};

impl Versions {
    /// Gives arrival `index` of a scenario; `None` beyond the plan, or while a pause holds it up.
    #[must_use]
    pub fn arrival(&self, scenario: usize, index: u64) -> Option<Arrival> {
        self.arrival_in(self.governing(scenario, index)?, scenario, index)
    }

    /// Names the agent that runs arrival `index` of a scenario, by the version that governs it.
    #[must_use]
    pub fn owner(&self, scenario: usize, index: u64) -> Option<AgentNumber> {
        self.entries[self.governing(scenario, index)?].version.slots.owner(index)
    }

    /// Lists the arrivals of an agent in a scenario from an index on, in order. Indices of others are stepped
    /// over slot by slot, not one by one. Arrivals that a pause holds up are not listed.
    pub fn arrivals_of(&self, agent: AgentNumber, scenario: usize, from_index: u64) -> impl Iterator<Item = Arrival> {
        self.stretches(scenario, from_index).flat_map(move |(number, from, to)| {
            let slots = &self.entries[number].version.slots;
            owned(slots, agent, from, to).map_while(move |index| self.arrival_in(number, scenario, index))
        })
    }

    /// Finds the version that governs an index: the last one whose base is not beyond it.
    fn governing(&self, scenario: usize, index: u64) -> Option<usize> {
        if index >= self.planned_of(scenario) {
            return None;
        }
        self.entries.partition_point(|entry| entry.version.base[scenario] <= index).checked_sub(1)
    }

    /// Cuts the indices from `from_index` on into stretches `(version, from, to)` of one governing version each.
    pub(super) fn stretches(&self, scenario: usize, from_index: u64) -> impl Iterator<Item = (usize, u64, u64)> {
        let entries = if scenario < self.scenarios() { &self.entries[..] } else { &[] };
        entries.iter().enumerate().filter_map(move |(number, entry)| {
            let next = self.entries.get(number + 1);
            let to = next.map_or_else(|| self.planned_of(scenario), |next| next.version.base[scenario]);
            let from = entry.version.base[scenario].max(from_index);
            (from < to).then_some((number, from, to))
        })
    }

    fn arrival_in(&self, number: usize, scenario: usize, index: u64) -> Option<Arrival> {
        let (at, leave) = self.timing_in(number, scenario, index)?;
        let leave = leave.and_then(|leave| self.run_time_of(leave));
        Some(Arrival { index, number: self.number(scenario, index), at, leave })
    }

    /// Gives the run time of an arrival that a version governs, and the plan time at which the user leaves; `None` in
    /// its place when the user's own flow decides, and `None` for both while a pause holds the arrival up.
    pub(super) fn timing_in(&self, number: usize, scenario: usize, index: u64) -> Option<(RunTime, Option<Duration>)> {
        let entry = &self.entries[number];
        let planned = entry.planned(scenario, index)?;
        let begun = entry.version.begun[scenario].plan_time;
        let at = entry.version.run_time_of(begun.saturating_add(planned.at))?;
        Some((at, self.leave(number, scenario, index, planned)))
    }

    /// Works out the plan time at which a user leaves: as its own load says, unless later loads that took its
    /// place or the common end over say otherwise.
    fn leave(&self, number: usize, scenario: usize, index: u64, planned: PlannedArrival) -> Option<Duration> {
        let entry = &self.entries[number];
        let Begun { index: first, plan_time } = entry.version.begun[scenario];
        let mut schedule = &entry.schedules[scenario];
        let mut leave = plan_time.saturating_add(planned.leave?);
        let tenure = schedule.tenure(index - first);
        if tenure == Tenure::Own {
            return Some(leave);
        }
        for later in &self.entries[number + 1..] {
            let next = &later.schedules[scenario];
            if Arc::ptr_eq(schedule, next) {
                continue;
            }
            let taken_over = later.version.begun[scenario].plan_time;
            let Some(inherited) = next.leave_of_inherited(tenure).filter(|_| leave > taken_over) else {
                break;
            };
            leave = taken_over.saturating_add(inherited);
            schedule = next;
        }
        Some(leave)
    }

    /// Numbers a user: its place in the order of arrival over all scenarios as version 1 had planned it, ties in
    /// the order of scenarios. Arrivals that only later loads added are numbered on from there, scenarios taking turns.
    fn number(&self, scenario: usize, index: u64) -> u64 {
        let schedules = &self.entries[0].schedules;
        if schedules.len() == 1 {
            return index;
        }
        let Some(PlannedArrival { at, .. }) = schedules[scenario].arrival(index) else {
            let planned: u64 = schedules.iter().map(|schedule| schedule.planned()).sum();
            let added = index - schedules[scenario].planned();
            return planned + added * schedules.len() as u64 + scenario as u64;
        };
        let just_after = at.saturating_add(Duration::from_nanos(1));
        let others = schedules.iter().enumerate().filter(|(other, _)| *other != scenario);
        others.fold(index, |number, (other, schedule)| {
            number + schedule.arrivals_before(if other < scenario { just_after } else { at })
        })
    }
}

/// Lists the indices in `from..to` that an agent owns, block of M by block of M.
fn owned(slots: &SlotTable, agent: AgentNumber, from: u64, to: u64) -> impl Iterator<Item = u64> + use<> {
    let block = slots.len().max(1) as u64;
    let own: Arc<[u64]> = slots.slots_of(agent).map(|slot| slot as u64).collect();
    (from / block..to.div_ceil(block))
        .flat_map(move |number| {
            let own = Arc::clone(&own);
            (0..own.len()).map(move |position| number * block + own[position])
        })
        .skip_while(move |index| *index < from)
        .take_while(move |index| *index < to)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, changed, even, seconds, two_agents};
    use super::*;
    use crate::load::{Load, Spacing, Stay};
    use crate::schedule::any_load::any_load;
    use crate::version::Change;
    use proptest::prelude::*;

    #[test]
    fn what_is_past_keeps_its_owner() {
        let versions = Versions::first(at(0.0), vec![even(16, 16, Stay::UntilDone)], two_agents(), 0);
        let moved = versions.latest().slots.moved(AgentNumber(1), &[(AgentNumber(2), 1)]);
        let versions = changed(versions, Change::Slots(moved), 4.0);
        assert_eq!(versions.owner(0, 2), Some(AgentNumber(1)));
        assert_eq!(versions.owner(0, 4), Some(AgentNumber(2)));
        let indices = |agent| versions.arrivals_of(AgentNumber(agent), 0, 1).map(|a| a.index).collect::<Vec<_>>();
        assert_eq!(indices(1), [2]);
        assert_eq!(indices(2), [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    }

    #[test]
    fn three_hundred_thousand_arrivals_are_listed_at_once() {
        let agents: Vec<_> = (0..16).map(|number| (AgentNumber(number), 1)).collect();
        let load =
            Load::Arrive { users: 300_000, over: seconds(1800), spacing: Spacing::Random, stay: Stay::UntilDone };
        let versions = Versions::first(at(0.0), vec![load], SlotTable::weighted(1024, &agents), 3);
        let counted: usize = agents.iter().map(|(agent, _)| versions.arrivals_of(*agent, 0, 0).count()).sum();
        assert_eq!(counted, 300_000);
    }

    fn change() -> impl Strategy<Value = Change> {
        let weights = prop::collection::vec(0_u32..4, 0..5);
        prop_oneof![
            (weights, 1_usize..20).prop_map(|(weights, slots)| {
                let agents: Vec<_> = (0..).map(AgentNumber).zip(weights).collect();
                Change::Slots(SlotTable::weighted(slots, &agents))
            }),
            Just(Change::Pause),
            Just(Change::Resume),
            prop::collection::vec(prop::option::of(any_load()), 0..3).prop_map(Change::Loads),
        ]
    }

    proptest! {
        #[test]
        fn every_arrival_has_one_owner_and_every_base_is_the_count(
            loads in prop::collection::vec(any_load(), 1..3),
            changes in prop::collection::vec((change(), 0_u64..3000), 0..7),
            seed: u64,
        ) {
            let mut versions = Versions::first(at(-1.0), loads, two_agents(), seed);
            for (change, millis) in changes {
                let before = versions.clone();
                let next = versions.with(change, before.latest().at + Duration::from_millis(millis));
                versions.push(next.clone()).unwrap();
                for scenario in 0..versions.scenarios() {
                    let arrived = |index: &u64| before.arrival(scenario, *index).is_some_and(|a| a.at < next.at);
                    let counted = (0..before.planned_of(scenario)).filter(arrived).count() as u64;
                    prop_assert_eq!(next.base[scenario], counted);
                    for index in 0..counted {
                        let (old, new) = (before.arrival(scenario, index), versions.arrival(scenario, index));
                        prop_assert_eq!(old.map(|a| (a.at, a.number)), new.map(|a| (a.at, a.number)));
                        prop_assert_eq!(before.owner(scenario, index), versions.owner(scenario, index));
                    }
                }
            }
            let mut numbers = std::collections::BTreeSet::new();
            for scenario in 0..versions.scenarios() {
                let all: Vec<Arrival> =
                    (0..versions.planned_of(scenario)).filter_map(|index| versions.arrival(scenario, index)).collect();
                prop_assert!(all.windows(2).all(|pair| pair[0].at <= pair[1].at));
                prop_assert!(all.iter().all(|arrival| numbers.insert(arrival.number)));
                let mut listed: Vec<Arrival> = (0..5)
                    .flat_map(|agent| versions.arrivals_of(AgentNumber(agent), scenario, 0))
                    .collect();
                listed.sort_by_key(|arrival| arrival.index);
                let owned: Vec<Arrival> =
                    all.into_iter().filter(|arrival| versions.owner(scenario, arrival.index).is_some()).collect();
                prop_assert_eq!(listed, owned);
            }
            if let Some(end) = versions.end() {
                let all = (0..versions.scenarios())
                    .flat_map(|s| (0..versions.planned_of(s)).map(move |i| (s, i)))
                    .filter_map(|(scenario, index)| versions.arrival(scenario, index));
                prop_assert!(all.into_iter().all(|arrival| arrival.leave.is_some_and(|leave| leave <= end)));
            }
            let text = serde_json::to_string(&versions).unwrap();
            let again: Versions = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(serde_json::to_string(&again).unwrap(), text);
        }

        #[test]
        fn numbers_follow_the_order_of_arrival(loads in prop::collection::vec(any_load(), 1..4), seed: u64) {
            let versions = Versions::first(RunTime::ZERO, loads, two_agents(), seed);
            let mut order: Vec<(Duration, usize, u64)> = Vec::new();
            for (scenario, schedule) in versions.entries[0].schedules.iter().enumerate() {
                let planned = (0..schedule.planned()).filter_map(|index| Some((schedule.arrival(index)?.at, scenario, index)));
                order.extend(planned);
            }
            order.sort_unstable();
            for (number, (_, scenario, index)) in order.into_iter().enumerate() {
                prop_assert_eq!(versions.arrival(scenario, index).unwrap().number, number as u64);
            }
        }
    }
}
