//! An agent's load in the small: starts the arrivals that it owns, records each second, keeps to the lease.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use rehearsal_link::Coarsen;
use rehearsal_plan::{AgentNumber, RunTime, Version, Versions};

/// What one agent recorded in a stretch of seconds: the indices of arrivals that it started.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    pub seconds: Range<i64>,
    pub started: Vec<u64>,
}

impl Coarsen for Recorded {
    fn absorb(&mut self, next: Self) {
        self.seconds.end = next.seconds.end;
        self.started.extend(next.started);
    }

    fn weight(&self) -> usize {
        64 + 8 * self.started.len()
    }

    fn seconds(&self) -> Range<i64> {
        self.seconds.clone()
    }
}

/// The load of one agent process.
pub struct Engine {
    agent: AgentNumber,
    versions: Option<Versions>,
    seed: u64,
    /// First index that is not decided for all that this agent owned so far.
    cursor: u64,
    decided: BTreeSet<u64>,
    /// Arrivals that were due while it could not start them.
    pub dropped: BTreeSet<u64>,
    /// Arrivals due before this are too late to start.
    live_since: RunTime,
    second: Option<i64>,
    open: Vec<u64>,
    pub recorded: Vec<Recorded>,
}

impl Engine {
    pub fn new(agent: AgentNumber, seed: u64) -> Self {
        Engine {
            agent,
            versions: None,
            seed,
            cursor: 0,
            decided: BTreeSet::new(),
            dropped: BTreeSet::new(),
            live_since: RunTime(i64::MIN),
            second: None,
            open: Vec::new(),
            recorded: Vec::new(),
        }
    }

    /// Puts a version in force; gives how many arrivals came too late.
    pub fn apply(&mut self, version: &Arc<Version>, now: RunTime) -> u64 {
        let before = self.dropped.len();
        match &mut self.versions {
            Some(versions) => versions.push((**version).clone()).expect("the coordinator sends versions in order"),
            None => {
                let Version { at, loads, slots, .. } = (**version).clone();
                self.versions = Some(Versions::first(at, loads, slots, self.seed));
            }
        }
        self.cursor = self.cursor.min(version.base[0]);
        self.drop_due(now);
        (self.dropped.len() - before) as u64
    }

    /// The lease is back: what was due in between is dropped, not caught up.
    pub fn resume(&mut self, now: RunTime) {
        self.drop_due(now);
        self.live_since = now;
    }

    /// No more arrivals; what is due and was not started is dropped.
    pub fn drop_due(&mut self, now: RunTime) {
        for index in self.due(now) {
            self.dropped.insert(index.0);
        }
    }

    /// Starts what is due and allowed; gives the indices.
    pub fn run(&mut self, now: RunTime, allowed: impl Fn(RunTime) -> bool) -> Vec<u64> {
        let due = self.due(now);
        let (start, late): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|(_, at)| *at >= self.live_since && allowed(*at));
        self.dropped.extend(late.into_iter().map(|(index, _)| index));
        let started: Vec<u64> = start.into_iter().map(|(index, _)| index).collect();
        self.open.extend(&started);
        started
    }

    /// Closes the seconds that are over.
    pub fn close_until(&mut self, now: RunTime) -> Option<Recorded> {
        let second = self.second.get_or_insert(now.second());
        if now.second() <= *second {
            return None;
        }
        let closed = Recorded { seconds: *second..now.second(), started: std::mem::take(&mut self.open) };
        self.second = Some(now.second());
        self.recorded.push(closed.clone());
        Some(closed)
    }

    /// Takes the arrivals that are due, owned and undecided; afterwards they are decided.
    fn due(&mut self, now: RunTime) -> Vec<(u64, RunTime)> {
        let Some(versions) = &self.versions else {
            return Vec::new();
        };
        let arrivals = versions.arrivals_of(self.agent, 0, self.cursor);
        let due: Vec<_> =
            arrivals.take_while(|arrival| arrival.at <= now).map(|arrival| (arrival.index, arrival.at)).collect();
        self.cursor = due.last().map_or(self.cursor, |(index, _)| index + 1);
        due.into_iter().filter(|(index, _)| self.decided.insert(*index)).collect()
    }
}

/// How often each arrival was started, in all the world.
#[derive(Default)]
pub struct Starts(pub BTreeMap<u64, Vec<AgentNumber>>);

impl Starts {
    pub fn note(&mut self, agent: AgentNumber, indices: &[u64]) {
        for index in indices {
            self.0.entry(*index).or_default().push(agent);
        }
    }
}
