//! Which arrivals are this thread's, and which is next. Pure: instants come from the versions, "now" from the caller.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use rehearsal_plan::{AgentNumber, Arrival, Change, Load, Returning, RunTime, Version, Versions};

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

/// An arrival, or the return of a user that was lost elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its scenario.
    pub scenario: usize,
    /// Instant, index, number and leave.
    pub arrival: Arrival,
    /// Whether the user comes once more.
    pub restored: bool,
}

/// The arrivals and returns of one thread that have not been played. Those of a scenario are played by rising index, returns
/// by their instants.
#[derive(Debug)]
pub(crate) struct Arrivals {
    agent: AgentNumber,
    share: Share,
    versions: Option<Arc<Versions>>,
    /// Histories that a longer one replaced, each with how far the cursors had come by then. Only those are kept by which
    /// somebody was played whom a later version may mean, too.
    former: Vec<(Arc<Versions>, Vec<u64>)>,
    /// By scenario.
    next: Vec<Next>,
    /// Those to come, by instant.
    returns: VecDeque<Returning>,
    /// Those that were played, by version, scenario and index.
    returned: BTreeSet<(u64, usize, u64)>,
}

/// Where a scenario stands.
#[derive(Clone, Copy, Debug, Default)]
struct Next {
    /// The first index that is not behind: of this thread's arrivals all before it were played.
    cursor: u64,
    /// The first arrival of this thread from there on.
    found: Option<Arrival>,
}

impl Arrivals {
    /// Knows no arrivals until it is told versions.
    pub(crate) fn new(agent: AgentNumber, share: Share) -> Self {
        Self {
            agent,
            share,
            versions: None,
            former: Vec::new(),
            next: Vec::new(),
            returns: VecDeque::new(),
            returned: BTreeSet::new(),
        }
    }

    /// The newest history.
    pub(crate) fn versions(&self) -> Option<&Arc<Versions>> {
        self.versions.as_ref()
    }

    /// Takes a longer history of versions. What was played stays played; the rest is looked up anew. Gives those whom a
    /// version that came late would have wanted among those that were played already: nobody will play them.
    pub(crate) fn set_versions(&mut self, versions: Arc<Versions>, now: RunTime) -> Vec<Due> {
        let first_new = self.versions.as_ref().and_then(|known| versions.history().nth(known.history().count()));
        let behind = match first_new {
            Some(Version { base, .. }) => {
                self.former.extend(self.versions.take().map(|known| (known, self.cursors())));
                self.former.retain(|(_, cursors)| cursors.iter().zip(base).any(|(cursor, base)| cursor > base));
                self.behind(base, &resumed(&versions, now))
            }
            None => Vec::new(),
        };
        self.look_up(versions);
        behind
    }

    /// Takes all that are left, also those that a pause holds up. Afterwards there are none, until a version gives more.
    pub(crate) fn take_rest(&mut self, now: RunTime) -> Vec<Due> {
        let Some(versions) = self.versions.clone() else { return Vec::new() };
        self.look_up(Arc::new(resumed(&versions, now)));
        let rest = std::iter::from_fn(|| self.take_due(RunTime(i64::MAX))).collect();
        self.look_up(versions);
        rest
    }

    /// The instant of the next.
    pub(crate) fn next_at(&self) -> Option<RunTime> {
        let arrival = self.next.iter().filter_map(|next| next.found).map(|arrival| arrival.at).min();
        let returning = self.returns.front().map(|returning| returning.arrival.at);
        arrival.into_iter().chain(returning).min()
    }

    /// Takes the next if it is due.
    pub(crate) fn take_due(&mut self, now: RunTime) -> Option<Due> {
        let at = self.next_at().filter(|at| *at <= now)?;
        if let Some(scenario) = self.next.iter().position(|next| next.found.is_some_and(|arrival| arrival.at == at)) {
            let arrival = self.next[scenario].found?;
            self.next[scenario].cursor = arrival.index + 1;
            self.look(scenario);
            return Some(Due { scenario, arrival, restored: false });
        }
        let Returning { version, scenario, arrival } = self.returns.pop_front()?;
        self.returned.insert((version, scenario, arrival.index));
        Some(Due { scenario, arrival, restored: true })
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

    fn cursors(&self) -> Vec<u64> {
        self.next.iter().map(|next| next.cursor).collect()
    }

    /// Arrivals before the cursor, from the bases of what is new in a history on, that were somebody else's by every
    /// history until now.
    fn behind(&self, bases: &[u64], versions: &Versions) -> Vec<Due> {
        let was_mine = |scenario: usize, index: u64| {
            let mut known = self.former.iter().filter(|(_, cursors)| index < cursors[scenario]);
            known.any(|(former, _)| former.owner(scenario, index) == Some(self.agent))
        };
        let of = |(scenario, base): (usize, &u64)| {
            let passed = versions.arrivals_of(self.agent, scenario, *base);
            let passed = passed.take_while(move |arrival| arrival.index < self.next[scenario].cursor);
            let gained = passed.filter(|arrival| self.share.has(arrival.number) && !was_mine(scenario, arrival.index));
            gained.map(|arrival| Due { scenario, arrival, restored: false }).collect::<Vec<_>>()
        };
        bases.iter().enumerate().flat_map(of).collect()
    }

    fn look_up(&mut self, versions: Arc<Versions>) {
        self.next.resize(versions.scenarios(), Next::default());
        let returns = versions.returns_of(self.agent).into_iter();
        let is_to_come = |returning: &Returning| {
            let key = (returning.version, returning.scenario, returning.arrival.index);
            self.share.has(returning.arrival.number) && !self.returned.contains(&key)
        };
        self.returns = returns.filter(is_to_come).collect();
        self.versions = Some(versions);
        (0..self.next.len()).for_each(|scenario| self.look(scenario));
    }

    fn look(&mut self, scenario: usize) {
        let Some(versions) = &self.versions else { return };
        let mut from_cursor = versions.arrivals_of(self.agent, scenario, self.next[scenario].cursor);
        let found = from_cursor.find(|arrival| self.share.has(arrival.number));
        drop(from_cursor);
        self.next[scenario].found = found;
    }
}

/// The history as if plan time went on now: arrivals have no instants while it stands still.
fn resumed(versions: &Versions, now: RunTime) -> Versions {
    let mut going = versions.clone();
    let resumed = going.with(Change::Resume, now);
    // Refused only after versions whose counts are not true; then the history stands as it is.
    let _ = going.push(resumed);
    going
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
                    arrivals.set_versions(Arc::clone(&versions), RunTime::ZERO);
                    let mut last = RunTime::ZERO;
                    while let Some(Due { arrival, .. }) = arrivals.take_due(RunTime(i64::MAX)) {
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
            arrivals.set_versions(Arc::clone(&versions), RunTime::ZERO);
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
