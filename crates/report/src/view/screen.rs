//! From the timeline to the seconds that a screen draws. Only what changed is computed, and only what changed is handed out.
//!
//! Levels, such as users by state, are sums over all seconds before. Each row keeps its running total, so a change is carried
//! on from its own second and never summed up from the beginning.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rehearsal_metrics::{Bins, CueFiring, Ledger, MetricSet, Planned, Timeline, Transitions};
use rehearsal_plan::{RunTime, Versions};

use super::measured::{Flow, Measured};
use super::now::users_now;
use super::planned::PlannedSeconds;
use super::second::Second;
use super::totals::Totals;

/// Everything that screens need of a run that goes on.
#[derive(Debug)]
pub struct Screen {
    cores: u32,
    revision: u64,
    settled: Option<i64>,
    users: Planned,
    plan: PlannedSeconds,
    rows: BTreeMap<i64, Row>,
    totals: Totals,
}

/// One second with what it adds to the levels, and the levels' running totals.
#[derive(Debug, Default)]
struct Row {
    second: Second,
    /// The revision in which it last changed.
    revision: u64,
    moved: Transitions,
    sockets: BTreeMap<String, Flow>,
    running: Running,
}

/// Sums from the first second to this one.
#[derive(Clone, Debug, Default, PartialEq)]
struct Running {
    moved: Transitions,
    sockets: BTreeMap<String, Flow>,
}

/// Gives all seconds of a run that is over, as [`Screen`] does of one that goes on; see there.
pub fn whole(timeline: &Timeline, versions: Option<&Versions>, started: RunTime, cores: u32) -> Vec<Second> {
    let mut screen = Screen::new(cores);
    screen.update(timeline, timeline.known_seconds(), versions, started);
    screen.since(0)
}

impl Screen {
    /// Begins with an empty screen. The agent with the fewest cores has `cores`.
    pub fn new(cores: u32) -> Screen {
        Screen {
            cores,
            revision: 0,
            settled: None,
            users: Planned::default(),
            plan: PlannedSeconds::default(),
            rows: BTreeMap::new(),
            totals: Totals::new(),
        }
    }

    /// Follows the timeline, of which only `changed` seconds differ from what they were at the last update, and the plan,
    /// whose instants are `started` ahead of the timeline's. Gives the revision that this makes.
    ///
    /// Costs in proportion to the changed seconds, and a little for each second after the first of them. What moves all
    /// seconds, as another number of planned users does, costs a little for each of the run.
    pub fn update(
        &mut self,
        timeline: &Timeline,
        changed: impl Iterator<Item = i64>,
        versions: Option<&Versions>,
        started: RunTime,
    ) -> u64 {
        self.revision += 1;
        let changed: BTreeSet<i64> = changed.collect();
        self.totals.update(timeline, &changed);
        for second in &changed {
            self.measure(timeline, *second);
        }
        let has_new_plan = versions.is_some_and(|versions| self.plan.follow(versions, started));
        let has_new_users = self.users != timeline.planned();
        let settled = timeline.settled();
        let newly_settled = (settled != self.settled).then(|| settled.min(self.settled).map_or(i64::MIN, |s| s + 1));
        (self.users, self.settled) = (timeline.planned(), settled);
        let moves_all = (has_new_plan || has_new_users).then_some(i64::MIN);
        let first = [changed.first().copied(), newly_settled, moves_all].into_iter().flatten().min();
        if let Some(first) = first {
            self.carry_on(first);
        }
        self.revision
    }

    /// Makes a revision in which no second changes: something else that screens show did.
    pub fn touch(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    /// Lists the seconds that changed after a revision, ascending. Seconds before the start are not shown.
    pub fn since(&self, revision: u64) -> Vec<Second> {
        let shown = self.rows.range(0..).map(|(_, row)| row);
        shown.filter(|row| row.revision > revision).map(|row| row.second.clone()).collect()
    }

    /// Lists the last `count` seconds, ascending.
    pub fn last(&self, count: usize) -> Vec<Second> {
        let mut last: Vec<Second> = self.rows.range(0..).rev().take(count).map(|(_, row)| row.second.clone()).collect();
        last.reverse();
        last
    }

    /// The revision that the last update made; 0 before the first.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Gives the samples of the whole run so far, which has lasted `length`: what [`MetricSet::whole`] would compute from the
    /// timeline of the last update, without going through all of its seconds.
    pub fn metrics(&self, timeline: &Timeline, firings: &[CueFiring], length: Duration) -> MetricSet {
        self.totals.metrics(timeline, firings, length)
    }

    /// Gives the response times of the whole run so far by the name of the call.
    pub fn responses(&self) -> BTreeMap<String, Bins> {
        self.totals.responses()
    }

    /// Reads a second anew; its levels stay what they were.
    fn measure(&mut self, timeline: &Timeline, s: i64) {
        let Measured { second, moved, sockets } = Measured::of(timeline, s, self.cores);
        let row = self.rows.entry(s).or_default();
        let old = std::mem::take(&mut row.second);
        let is_new = row.revision == 0;
        let second = Second {
            settled: old.settled,
            target: old.target,
            arrivals_planned: old.arrivals_planned,
            users: old.users.clone(),
            sockets: old.sockets.clone(),
            ..second
        };
        if is_new || second != old {
            row.revision = self.revision;
        }
        (row.second, row.moved, row.sockets) = (second, moved, sockets);
    }

    /// Computes levels, plan and whether it is settled of each second from `first` on.
    fn carry_on(&mut self, first: i64) {
        let before = self.rows.range(..first).next_back();
        let mut running = before.map(|(_, row)| row.running.clone()).unwrap_or_default();
        for (s, row) in self.rows.range_mut(first..) {
            running.add(row);
            let mut differs = false;
            put(&mut row.second.settled, self.settled.is_some_and(|settled| *s <= settled), &mut differs);
            put(&mut row.second.target, self.plan.live(*s), &mut differs);
            put(&mut row.second.arrivals_planned, self.plan.arrivals(*s), &mut differs);
            put(&mut row.second.users, running.users(self.users), &mut differs);
            put(&mut row.second.sockets, running.open_sockets(), &mut differs);
            if differs {
                row.revision = self.revision;
            }
            row.running.clone_from(&running);
        }
    }
}

impl Running {
    fn add(&mut self, row: &Row) {
        self.moved.merge(&row.moved);
        for (transport, flow) in &row.sockets {
            match self.sockets.get_mut(transport) {
                Some(known) => known.add(*flow),
                None => {
                    self.sockets.insert(transport.clone(), *flow);
                }
            }
        }
    }

    /// Users by state, as the timeline's own ledger has them; none when agents contradict each other up to here.
    fn users(&self, planned: Planned) -> BTreeMap<String, u64> {
        let mut ledger = Ledger::new(planned.greatest);
        if ledger.apply(&self.moved).is_err() {
            return BTreeMap::new();
        }
        ledger.withdraw(planned.greatest - planned.now);
        users_now(&ledger).by_state().map(|(state, users)| (state.to_owned(), users)).into()
    }

    fn open_sockets(&self) -> BTreeMap<String, u64> {
        self.sockets.iter().map(|(transport, flow)| (transport.clone(), flow.open())).collect()
    }
}

/// Replaces a value, and notes whether that made a difference.
fn put<T: PartialEq>(slot: &mut T, value: T, differs: &mut bool) {
    *differs |= *slot != value;
    *slot = value;
}

#[cfg(test)]
mod tests;
