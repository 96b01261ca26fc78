//! One lease L governs who may start load, without synchronised clocks: the agent counts from *sending* the last
//! heartbeat that was answered, the coordinator from *answering* it. Sending comes first, so the agent stops first.
//!
//! ```text
//! agent        sent ───────────── L ──┤ arrivals stopped ── ¼ D ──┤ users leave ── ¾ D ──┤ users cut
//! coordinator       answered ───────── L′ ──┤ slots move ───────────────────── D′ ──┤ users may be restored
//! ```
//!
//! L′ and D′ are longer than L and D by what two drifting clocks can disagree in that time.

use std::collections::VecDeque;
use std::time::Duration;

use crate::identity::MonoTime;

/// Most that the clock of either end is assumed to be wrong in rate, in parts per million; NTP corrects by up to 500.
const RATE_ERROR_PPM: u32 = 1_000;

/// Heartbeats remembered while they wait for their answer; at one a second more than any lease in use.
const AWAITED: usize = 64;

/// The spans that both ends agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTerms {
    /// L: how long an agent may start load after it sent a heartbeat that was answered.
    pub lease: Duration,
    /// D: how long after that its users have left.
    pub drain: Duration,
}

impl Default for LeaseTerms {
    /// L = 20 s outlasts a redial and most network trouble; D = 12 s holds the 5 s of grace for calls in flight.
    fn default() -> Self {
        LeaseTerms { lease: Duration::from_secs(20), drain: Duration::from_secs(12) }
    }
}

impl LeaseTerms {
    /// L′: how long after an answer the coordinator waits before it moves slots.
    ///
    /// With rates wrong by at most p on either side it must be at least L(1+p)/(1−p), which is below L(1+3p).
    pub fn until_expired(&self) -> Duration {
        widened(self.lease)
    }

    /// L′ + D′: how long after an answer the coordinator waits before it restores users elsewhere.
    pub fn until_cleared(&self) -> Duration {
        widened(self.lease + self.drain)
    }

    /// How often the agent sends a heartbeat: every second, more often if the lease is short, so that a few may be
    /// late before the agent hangs up.
    pub fn heartbeat_every(&self) -> Duration {
        Duration::from_secs(1).min(self.lease / 10)
    }

    /// How long an agent hears nothing before it gives up the connection and dials again.
    pub fn hang_up_after(&self) -> Duration {
        self.lease / 4
    }
}

fn widened(span: Duration) -> Duration {
    span + span * 3 * RATE_ERROR_PPM / 1_000_000
}

/// How much of its right to make load an agent has.
///
/// | phase | from | arrivals | users |
/// |---|---|---|---|
/// | `Unheld` | the beginning | none | none |
/// | `Held` | an answered heartbeat | start | stay |
/// | `ArrivalsStopped` | L after its sending | none | stay |
/// | `UsersLeaving` | L + D/4; at once when fenced | none | leave, calls in flight have their grace |
/// | `UsersGone` | L + 3D/4 | none | whoever is left is cut |
///
/// An answer to a later heartbeat brings back `Held` from each phase, unless the agent is fenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeasePhase {
    /// No heartbeat was answered yet.
    Unheld,
    /// The agent may start load.
    Held,
    /// No arrival starts any more.
    ArrivalsStopped,
    /// Users are sent away.
    UsersLeaving,
    /// Users that have not left are cut.
    UsersGone,
}

/// The agent's side of the lease.
#[derive(Debug, Clone)]
pub struct AgentLease {
    terms: LeaseTerms,
    /// Heartbeats without an answer, oldest first.
    awaited: VecDeque<(u64, MonoTime)>,
    next_sequence: u64,
    /// When the last answered heartbeat was sent.
    held_from: Option<MonoTime>,
    /// When the coordinator said that the slots are gone.
    fenced_at: Option<MonoTime>,
}

impl AgentLease {
    /// A lease that is not held yet.
    pub fn new(terms: LeaseTerms) -> Self {
        AgentLease { terms, awaited: VecDeque::new(), next_sequence: 1, held_from: None, fenced_at: None }
    }

    /// Takes the terms that the coordinator states.
    pub fn set_terms(&mut self, terms: LeaseTerms) {
        self.terms = terms;
    }

    /// The terms in force.
    pub fn terms(&self) -> LeaseTerms {
        self.terms
    }

    /// Numbers a heartbeat that is sent now.
    pub fn send_heartbeat(&mut self, now: MonoTime) -> u64 {
        if self.awaited.len() == AWAITED {
            self.awaited.pop_front();
        }
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.awaited.push_back((sequence, now));
        sequence
    }

    /// Extends the lease by an answer; gives the round trip, or `None` if that heartbeat was not awaited.
    pub fn answered(&mut self, sequence: u64, now: MonoTime) -> Option<Duration> {
        let sent = self.awaited.iter().find(|(awaited, _)| *awaited == sequence)?.1;
        self.awaited.retain(|(awaited, _)| *awaited > sequence);
        self.held_from = self.held_from.max(Some(sent));
        Some(now.since(sent))
    }

    /// Ends the right to make load for good.
    pub fn fence(&mut self, now: MonoTime) {
        self.fenced_at.get_or_insert(now);
    }

    /// Whether it has ended for good.
    pub fn is_fenced(&self) -> bool {
        self.fenced_at.is_some()
    }

    /// The instant from which no arrival may start; `None` if none may start at all.
    pub fn arrivals_until(&self) -> Option<MonoTime> {
        self.held_from.filter(|_| self.fenced_at.is_none()).map(|from| from + self.terms.lease)
    }

    /// The instant from which no user may do anything any more; `None` if none may at all.
    pub fn users_until(&self) -> Option<MonoTime> {
        self.arrivals_until().map(|until| until + self.terms.drain / 4)
    }

    /// The phase now.
    pub fn phase(&self, now: MonoTime) -> LeasePhase {
        let by_lease = self.held_from.map_or(LeasePhase::Unheld, |from| self.phase_after(now.since(from)));
        let by_fence =
            self.fenced_at.map(|at| self.phase_after(self.terms.lease + self.terms.drain / 4 + now.since(at)));
        by_fence.map_or(by_lease, |phase| phase.max(by_lease))
    }

    fn phase_after(&self, held_for: Duration) -> LeasePhase {
        let LeaseTerms { lease, drain } = self.terms;
        if held_for < lease {
            LeasePhase::Held
        } else if held_for < lease + drain / 4 {
            LeasePhase::ArrivalsStopped
        } else if held_for < lease + drain / 4 * 3 {
            LeasePhase::UsersLeaving
        } else {
            LeasePhase::UsersGone
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rehearsal_plan::RunTime;

    use super::*;
    use crate::presence::{AgentPresence, PresenceState};

    const SECOND: u64 = 1_000_000;

    #[test]
    fn the_phases_follow_the_last_answered_sending() {
        let mut lease = AgentLease::new(LeaseTerms::default());
        let first = lease.send_heartbeat(MonoTime(0));
        assert_eq!(lease.phase(MonoTime(SECOND)), LeasePhase::Unheld);
        assert_eq!(lease.answered(first, MonoTime(19 * SECOND)), Some(Duration::from_secs(19)));
        let unanswered = lease.send_heartbeat(MonoTime(15 * SECOND));
        let rows = [
            (19_999_999, LeasePhase::Held),
            (20_000_000, LeasePhase::ArrivalsStopped),
            (23_000_000, LeasePhase::UsersLeaving),
            (29_000_000, LeasePhase::UsersGone),
        ];
        for (at, phase) in rows {
            assert_eq!(lease.phase(MonoTime(at)), phase, "at {at} µs");
        }
        lease.answered(unanswered, MonoTime(30 * SECOND));
        assert_eq!(lease.phase(MonoTime(30 * SECOND)), LeasePhase::Held);
        assert_eq!(lease.answered(first, MonoTime(31 * SECOND)), None, "an answer counts once");
    }

    #[test]
    fn a_fenced_agent_leaves_at_once_and_for_good() {
        let mut lease = AgentLease::new(LeaseTerms::default());
        let sequence = lease.send_heartbeat(MonoTime(0));
        lease.fence(MonoTime(SECOND));
        lease.answered(sequence, MonoTime(2 * SECOND));
        assert_eq!(lease.arrivals_until(), None);
        assert_eq!(lease.phase(MonoTime(2 * SECOND)), LeasePhase::UsersLeaving);
        assert_eq!(lease.phase(MonoTime(8 * SECOND)), LeasePhase::UsersGone);
    }

    proptest! {
        /// With any rates within the assumed error and any loss and delay of heartbeats and answers: when the
        /// coordinator moves the slots, the agent's arrivals have stopped; when it restores users, they are gone.
        #[test]
        fn the_agent_stops_before_the_coordinator_takes_over(
            agent_ppm in -1_000i64..=1_000,
            coordinator_ppm in -1_000i64..=1_000,
            beats in proptest::collection::vec((0u64..9_000_000, 0u64..30_000_000, any::<bool>(), 0u64..30_000_000, any::<bool>()), 1..40),
        ) {
            let terms = LeaseTerms::default();
            let by = |real: u64, ppm: i64| real as i64 + real as i64 * ppm / 1_000_000;
            let mono = |real: u64| MonoTime(by(real, agent_ppm) as u64);
            let run = |real: u64| RunTime(by(real, coordinator_ppm));
            let mut lease = AgentLease::new(terms);
            let mut presence = AgentPresence::new(terms, run(0));
            // (real time, heartbeat, who acts): the coordinator answers, then perhaps the agent hears the answer.
            let mut happenings: Vec<(u64, u64, Option<bool>)> = Vec::new();
            let mut real = 0;
            for (index, (pause, there, arrives, back, returns)) in beats.into_iter().enumerate() {
                real += pause;
                happenings.push((real, index as u64 + 1, None));
                if arrives {
                    happenings.push((real + there, index as u64 + 1, Some(returns)));
                    if returns {
                        happenings.push((real + there + back, index as u64 + 1, Some(false)));
                    }
                }
            }
            happenings.sort();
            let last = happenings.last().map_or(0, |happening| happening.0) + 60 * SECOND;
            let mut answered = std::collections::BTreeSet::new();
            let mut arrived = std::collections::BTreeSet::new();
            let mut next = happenings.into_iter().peekable();
            for step in 0..=last / 20_000 {
                let real = step * 20_000;
                while let Some((_, beat, act)) = next.next_if(|happening| happening.0 <= real) {
                    match act {
                        None => prop_assert_eq!(lease.send_heartbeat(mono(real)), beat),
                        Some(_) if arrived.insert(beat) => if presence.may_answer(run(real)) { answered.insert(beat); },
                        Some(_) => if answered.contains(&beat) { lease.answered(beat, mono(real)); },
                    }
                }
                while presence.tick(run(real)).is_some() {}
                if matches!(presence.state(), PresenceState::Expired | PresenceState::Cleared) {
                    prop_assert!(lease.arrivals_until().is_none_or(|until| mono(real) >= until), "two owners at {} µs", real);
                }
                if presence.state() == PresenceState::Cleared {
                    prop_assert!(matches!(lease.phase(mono(real)), LeasePhase::UsersGone | LeasePhase::Unheld));
                }
            }
            prop_assert_eq!(presence.state(), PresenceState::Cleared);
        }
    }
}
