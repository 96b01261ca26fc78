//! Which arrivals are this thread's, and which is next. Pure: instants come from the versions, "now" from the caller.

use std::sync::Arc;

use rehearsal_plan::{AgentNumber, Arrival, Change, Load, RunTime, Versions};

/// Which part of the agent's arrivals one thread plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// This thread, from 0.
    pub thread: u32,
    /// All threads of the agent.
    pub of: u32,
}

impl Share {
    /// Spreads users over threads. Mixed, because an agent's arrivals may all be even numbers.
    fn has(self, number: u64) -> bool {
        let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
        mixed % u64::from(self.of) == u64::from(self.thread)
    }

    /// This thread's part of a whole that all threads share; the parts sum to it.
    pub fn part(self, whole: u64) -> u64 {
        let upto = |thread: u32| (u128::from(whole) * u128::from(thread) / u128::from(self.of)) as u64;
        upto(self.thread + 1) - upto(self.thread)
    }
}

/// The arrivals of one thread that have not been played.
pub(crate) struct Arrivals {
    agent: AgentNumber,
    share: Share,
    versions: Option<Arc<Versions>>,
    /// By scenario: the first index that was not looked at, and the arrival found there.
    next: Vec<(u64, Option<Arrival>)>,
}

impl Arrivals {
    pub(crate) fn new(agent: AgentNumber, share: Share) -> Self {
        Self { agent, share, versions: None, next: Vec::new() }
    }

    pub(crate) fn versions(&self) -> Option<&Arc<Versions>> {
        self.versions.as_ref()
    }

    /// Takes a new history of versions. What was played stays played; the rest is looked up anew.
    pub(crate) fn set_versions(&mut self, versions: Arc<Versions>) {
        self.next.resize(versions.scenarios(), (0, None));
        self.versions = Some(versions);
        for scenario in 0..self.next.len() {
            let from = match &self.next[scenario] {
                (_, Some(found)) => found.index,
                (from, None) => *from,
            };
            self.look(scenario, from);
        }
    }

    /// Takes all that are left, also those that a pause holds up. Afterwards there are none.
    pub(crate) fn take_rest(&mut self, now: RunTime) -> u64 {
        if let Some(versions) = &self.versions {
            // Arrivals have no instants while plan time stands still: let it go on.
            let mut going = versions.as_ref().clone();
            let resumed = going.with(Change::Resume, now);
            if going.push(resumed).is_ok() {
                self.set_versions(Arc::new(going));
            }
        }
        std::iter::from_fn(|| self.take_due(RunTime(i64::MAX))).count() as u64
    }

    fn look(&mut self, scenario: usize, from: u64) {
        let Some(versions) = &self.versions else { return };
        let found = versions.arrivals_of(self.agent, scenario, from).find(|arrival| self.share.has(arrival.number));
        let next = found.as_ref().map_or(from, |arrival| arrival.index);
        self.next[scenario] = (next, found);
    }

    /// The instant of the next arrival of any scenario.
    pub(crate) fn next_at(&self) -> Option<RunTime> {
        self.next.iter().filter_map(|(_, found)| found.as_ref()).map(|arrival| arrival.at).min()
    }

    /// Takes the next arrival if it is due.
    pub(crate) fn take_due(&mut self, now: RunTime) -> Option<(usize, Arrival)> {
        let due = |(scenario, (_, found)): (usize, &(u64, Option<Arrival>))| {
            found.as_ref().filter(|arrival| arrival.at <= now).map(|arrival| (arrival.at, scenario))
        };
        let (_, scenario) = self.next.iter().enumerate().filter_map(due).min()?;
        let arrival = self.next[scenario].1.take()?;
        self.look(scenario, arrival.index + 1);
        Some((scenario, arrival))
    }

    /// The load of a scenario as it stands.
    pub(crate) fn load(&self, scenario: usize) -> Option<&Load> {
        self.versions.as_ref()?.latest().loads.get(scenario)
    }

    /// How many users of a rate may be live on this thread at a time.
    pub(crate) fn cap(&self, scenario: usize) -> Option<u64> {
        let version = self.versions.as_ref()?.latest();
        match version.loads.get(scenario)? {
            Load::Rate { at_most: u64::MAX, .. } => None,
            Load::Rate { at_most, .. } => Some(self.share.part(version.slots.cap_share(self.agent, *at_most))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use rehearsal_plan::{SlotTable, Spacing, Stay};

    use super::*;

    fn versions(users: u64, weights: &[u32]) -> Arc<Versions> {
        let load = Load::Arrive { users, over: Duration::from_secs(10), spacing: Spacing::Even, stay: Stay::UntilDone };
        let agents: Vec<_> =
            weights.iter().enumerate().map(|(agent, weight)| (AgentNumber(agent as u32), *weight)).collect();
        Arc::new(Versions::first(RunTime::ZERO, vec![load], SlotTable::weighted(64, &agents), 7))
    }

    #[test]
    fn every_arrival_is_played_by_exactly_one_thread() {
        for (weights, threads) in [(&[1, 1][..], 2), (&[3, 1, 1], 3), (&[1], 4)] {
            let versions = versions(1_000, weights);
            let mut played = BTreeSet::new();
            for agent in 0..weights.len() as u32 {
                for thread in 0..threads {
                    let mut arrivals = Arrivals::new(AgentNumber(agent), Share { thread, of: threads });
                    arrivals.set_versions(Arc::clone(&versions));
                    let mut last = RunTime::ZERO;
                    while let Some((_, arrival)) = arrivals.take_due(RunTime(i64::MAX)) {
                        assert!(arrival.at >= last);
                        last = arrival.at;
                        assert!(played.insert(arrival.number), "{} twice", arrival.number);
                    }
                }
            }
            assert_eq!(played.len(), 1_000);
        }
    }

    #[test]
    fn threads_share_the_load_evenly() {
        let versions = versions(10_000, &[1, 1]);
        for thread in 0..2 {
            let mut arrivals = Arrivals::new(AgentNumber(0), Share { thread, of: 2 });
            arrivals.set_versions(Arc::clone(&versions));
            let count = std::iter::from_fn(|| arrivals.take_due(RunTime(i64::MAX))).count();
            assert!((2_300..2_700).contains(&count), "thread {thread} plays {count} of 5000");
        }
    }

    #[test]
    fn parts_sum_to_the_whole() {
        for whole in [0, 1, 7, 1_000_003] {
            let parts: u64 = (0..3).map(|thread| Share { thread, of: 3 }.part(whole)).sum();
            assert_eq!(parts, whole);
        }
    }
}
