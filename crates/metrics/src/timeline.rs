//! Everything that a run's agents reported, merged by time. Live view, thresholds, report and
//! replay read this and nothing else.
//!
//! Late intervals join their own seconds, so the timeline does not depend on the order of arrival.
//! A second is **settled** when every agent that is not lost has reported it; only settled seconds
//! may abort a run.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::attendance::AgentRecord;
use crate::calls::CallCounts;
use crate::catalogue::{Catalogue, Refused, add_points, check_span};
use crate::changes::Touched;
use crate::errors::Errors;
use crate::health::Health;
use crate::hearings::CuePoints;
use crate::intern::{Limits, OTHER};
use crate::interval::{Arrivals, Interval, merge_maps};
use crate::ledger::{NotAllowed, Transitions, UserState};
use crate::points::Points;
use crate::series::{Definition, SeriesId};
use crate::spans::Span;

/// One firing of a cue as all agents saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CueRecord {
    /// What all agents know together.
    pub points: CuePoints,
    /// Agents that took a snapshot; all others are unknown.
    pub looked: BTreeSet<u32>,
}

/// How many users the plan has. Users that it had once are accounted for as long as the run lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// As the plan stands.
    pub now: u64,
    /// The most that it ever had: what the states of users sum to.
    pub greatest: u64,
}

/// The merged intervals of all agents. Memory grows with seconds × series × bins in use, not with
/// agents.
#[derive(Debug)]
pub struct Timeline {
    pub(crate) limits: Limits,
    pub(crate) catalogue: Catalogue,
    pub(crate) planned: Planned,
    pub(crate) seconds: BTreeMap<i64, BTreeMap<SeriesId, Points>>,
    pub(crate) users: BTreeMap<i64, Transitions>,
    pub(crate) health: BTreeMap<i64, Health>,
    pub(crate) calls: BTreeMap<String, CallCounts>,
    pub(crate) errors: Errors,
    pub(crate) cues: BTreeMap<u32, CueRecord>,
    pub(crate) agents: BTreeMap<u32, AgentRecord>,
    pub(crate) coarse: BTreeSet<Span>,
    pub(crate) ended: Arrivals,
    pub(crate) touched: Touched,
}

impl Timeline {
    /// Starts without agents and without planned users.
    pub fn new(limits: Limits) -> Timeline {
        Timeline {
            limits,
            catalogue: Catalogue::new(limits),
            planned: Planned::default(),
            seconds: BTreeMap::new(),
            users: BTreeMap::new(),
            health: BTreeMap::new(),
            calls: BTreeMap::new(),
            errors: Errors::default(),
            cues: BTreeMap::new(),
            agents: BTreeMap::new(),
            coarse: BTreeSet::new(),
            ended: Arrivals::new(),
            touched: Touched::default(),
        }
    }

    /// Sets how many users the plan has, as it now stands. Users that it had and no longer has are cancelled if they had not
    /// come yet, and wait again if it grows again. Agents say nothing of them: they never arrive.
    pub fn plan_users(&mut self, now: u64) {
        let planned = Planned { now, greatest: self.planned.greatest.max(now) };
        self.touched.planned |= planned != self.planned;
        self.planned = planned;
    }

    /// Says that an agent owes every second from `from_s` on. Every incarnation of an agent has a
    /// number of its own.
    pub fn expects(&mut self, agent: u32, from_s: i64) {
        self.touched.agents.insert(agent);
        self.agents.entry(agent).or_insert_with(|| AgentRecord::new(from_s)).from_s = from_s;
    }

    /// Says that an agent has left in order and owes nothing from `at_s` on.
    pub fn left(&mut self, agent: u32, at_s: i64) {
        if let Some(record) = self.agents.get_mut(&agent) {
            self.touched.agents.insert(agent);
            record.left_at = Some(at_s);
        }
    }

    /// Counts users that the coordinator itself moved.
    ///
    /// # Errors
    /// When users never move that way.
    pub fn move_users(&mut self, second: i64, from: UserState, to: UserState, users: u64) -> Result<(), NotAllowed> {
        self.users.entry(second).or_default().record(from, to, users)?;
        self.touched.users.insert(second);
        Ok(())
    }

    /// Merges an agent's interval into its seconds. The samples of several seconds that the agent
    /// had to merge are filed under the first, and the stretch is listed in [`Timeline::coarse`].
    ///
    /// # Errors
    /// When the interval contradicts itself or what the agent said before; then nothing was
    /// counted.
    pub fn add(&mut self, agent: u32, interval: &Interval) -> Result<(), Refused> {
        let Interval { from, to, .. } = *interval;
        check_span(from, to)?;
        let rows = interval.users.keys().chain(interval.health.keys());
        if let Some(outside) = rows.copied().find(|second| !(from..to).contains(second)) {
            return Err(Refused::Row(outside));
        }
        self.touched.sources.extend(interval.defines.iter().map(|defined| (agent, defined.id)));
        self.catalogue.learn(agent, &interval.defines)?;
        let points = self.catalogue.translate(agent, &interval.points)?;
        self.touched.points.entry(from).or_default().extend(points.iter().map(|(id, _)| *id));
        add_points(self.seconds.entry(from).or_default(), points);
        self.add_agent_rows(agent, interval);
        self.add_totals(agent, interval);
        Ok(())
    }

    /// The last second that every agent that is not lost has reported; `None` before the first.
    pub fn settled(&self) -> Option<i64> {
        let first = self.agents.values().map(|agent| agent.from_s).min()?;
        let awaited = self.agents.values().filter(|agent| agent.is_awaited());
        let reported = self.agents.values().map(AgentRecord::reported_until);
        let until = awaited.map(AgentRecord::reported_until).min().or_else(|| reported.max())?;
        (until > first).then_some(until - 1)
    }

    /// The seconds that hold anything, as one stretch.
    pub fn span(&self) -> Option<Span> {
        let first = *self.seconds.first_key_value()?.0;
        let last = *self.seconds.last_key_value()?.0;
        let to_s = self.coarse.iter().map(|span| span.to_s).max();
        Some(Span { from_s: first, to_s: to_s.unwrap_or(first).max(last + 1) })
    }

    /// Stretches of several seconds that some agent could only report in one piece: between them
    /// time resolution was lost.
    pub fn coarse(&self) -> impl Iterator<Item = Span> {
        self.coarse.iter().copied()
    }

    /// All series, in order of their first use.
    pub fn series(&self) -> &[Definition] {
        self.catalogue.interner.definitions()
    }

    /// Whether a user has ended or never began, so that it will not be restored. Agents tell only when the plan restores users.
    pub fn has_ended(&self, scenario: u32, index: u64) -> bool {
        self.ended.get(&scenario).is_some_and(|ended| ended.contains(&index))
    }

    /// All incarnations of agents.
    pub fn agents(&self) -> &BTreeMap<u32, AgentRecord> {
        &self.agents
    }

    /// The worst condition of any agent, by second.
    pub fn health(&self) -> &BTreeMap<i64, Health> {
        &self.health
    }

    /// Calls since the start, by name.
    pub fn calls(&self) -> &BTreeMap<String, CallCounts> {
        &self.calls
    }

    /// Errors since the start, by kind.
    pub fn errors(&self) -> &Errors {
        &self.errors
    }

    /// Firings of cues, by number.
    pub fn cues(&self) -> &BTreeMap<u32, CueRecord> {
        &self.cues
    }

    fn add_agent_rows(&mut self, agent: u32, interval: &Interval) {
        let span = Span { from_s: interval.from, to_s: interval.to };
        self.agents.entry(agent).or_insert_with(|| AgentRecord::new(span.from_s)).add(interval);
        self.touched.agents.insert(agent);
        if interval.to - interval.from > 1 && self.coarse.insert(span) {
            self.touched.coarse.insert(span);
        }
        self.touched.health.extend(interval.health.keys());
        self.account(agent, &interval.users);
        merge_maps(&mut self.health, interval.health.clone(), |mine, theirs| mine.merge(&theirs));
    }

    fn add_totals(&mut self, agent: u32, interval: &Interval) {
        for (name, counts) in &interval.calls {
            let is_kept = self.calls.contains_key(name) || self.calls.len() < self.limits.calls;
            let name = if is_kept { name } else { OTHER };
            self.touched.calls.insert(name.to_owned());
            self.calls.entry(name.to_owned()).or_default().merge(counts);
        }
        for (scenario, indices) in &interval.ended {
            self.touched.ended.entry(*scenario).or_default().extend(indices);
            self.ended.entry(*scenario).or_default().extend(indices);
        }
        self.touched.errors |= !interval.errors.is_empty();
        self.errors.merge(&interval.errors, self.limits.errors);
        for (number, points) in &interval.cues {
            self.touched.cues.insert(*number);
            let record = self.cues.entry(*number).or_default();
            record.looked.extend(points.snapshot.is_some().then_some(agent));
            record.points.merge(points.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{Kind, SeriesKey};

    /// An interval that counts one in the series `m`.
    fn interval(from: i64, to: i64) -> Interval {
        Interval {
            from,
            to,
            defines: vec![Definition { id: SeriesId(4), kind: Kind::Count, key: SeriesKey::new("m") }],
            points: [(SeriesId(4), Points::Count(1))].into(),
            ..Interval::default()
        }
    }

    #[test]
    fn a_second_settles_when_all_that_are_not_lost_have_reported_it() {
        let mut timeline = Timeline::new(Limits::default());
        assert_eq!(timeline.settled(), None);
        timeline.expects(1, 0);
        timeline.expects(2, 0);
        timeline.add(1, &interval(0, 3)).unwrap();
        assert_eq!(timeline.settled(), None);
        timeline.add(2, &interval(0, 1)).unwrap();
        assert_eq!(timeline.settled(), Some(0));
        timeline.expects(3, 2);
        timeline.add(2, &interval(1, 3)).unwrap();
        assert_eq!(timeline.settled(), Some(1), "the third owes second 2");
        timeline.lost(3, 2, 0);
        assert_eq!(timeline.settled(), Some(2));
        timeline.left(1, 3);
        timeline.add(2, &interval(3, 4)).unwrap();
        assert_eq!(timeline.settled(), Some(3), "who left owes nothing");
        timeline.left(2, 4);
        assert_eq!(timeline.settled(), Some(3));
        assert_eq!(timeline.agents()[&3].unobserved(4), [Span { from_s: 2, to_s: 4 }]);
        assert_eq!(timeline.agents()[&1].unobserved(9), []);
        assert_eq!(timeline.coarse().count(), 2);
    }

    #[test]
    fn late_intervals_join_their_own_second() {
        let mut timeline = Timeline::new(Limits::default());
        for (agent, from) in [(1, 5), (2, 5), (1, 4), (3, 4)] {
            timeline.add(agent, &interval(from, from + 1)).unwrap();
        }
        let counts: Vec<_> =
            timeline.seconds.iter().map(|(second, points)| (*second, points[&SeriesId(0)].count())).collect();
        assert_eq!(counts, [(4, 2), (5, 2)]);
    }

    #[test]
    fn what_contradicts_is_refused() {
        let check = |broken: Interval, expected: Refused| {
            let mut timeline = Timeline::new(Limits::default());
            timeline.add(1, &interval(0, 1)).unwrap();
            assert_eq!(timeline.add(1, &broken), Err(expected));
            assert_eq!(timeline.seconds.len(), 1, "nothing was counted");
        };
        check(interval(2, 2), Refused::Span(2, 2));
        check(interval(i64::MIN, i64::MAX), Refused::Span(i64::MIN, i64::MAX));
        let row = Interval { users: [(9, Transitions::default())].into(), ..interval(1, 2) };
        check(row, Refused::Row(9));
        let unknown = Interval { points: [(SeriesId(9), Points::Count(1))].into(), ..interval(1, 2) };
        check(unknown, Refused::Undefined(SeriesId(9)));
        let mut redefined = interval(1, 2);
        redefined.defines[0].key = SeriesKey::new("n");
        check(redefined, Refused::Redefined(SeriesId(4)));
        let kind = Interval { points: [(SeriesId(4), Points::Ratio { yes: 1, total: 1 })].into(), ..interval(1, 2) };
        let share = Interval {
            defines: vec![Definition { id: SeriesId(5), kind: Kind::Ratio, key: SeriesKey::new("r") }],
            points: [(SeriesId(5), Points::Ratio { yes: 2, total: 1 })].into(),
            ..interval(1, 2)
        };
        check(share, Refused::Share(SeriesId(5)));
        assert!(matches!(Timeline::new(Limits::default()).add(1, &kind), Err(Refused::Kind(SeriesId(4), _))));
    }
}
