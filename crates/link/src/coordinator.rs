//! The coordinator's end of the link as one machine over all agents: who is there, what they delivered, which version
//! of the plan holds, and who takes over when one is gone.
//!
//! | run | event | next | effects |
//! |---|---|---|---|
//! | `Gathering` | `Arm` | `Arming` | |
//! | `Arming` | every agent armed, or the deadline with a quorum | `Running` | persist version 1 with the armed agents' slots |
//! | `Arming` | the deadline without a quorum | `NotStarted` | notice |
//! | `Running` | an agent ended, expired, is leaving (or closed, if takeover is eager) | `Running` | persist a version that moves its slots |
//! | any | `Persisted` | | send the version to every armed agent |
//! | any | a new interval | | commit; once `Committed`, acknowledge |
//!
//! A version is sent only when it is on disk, an interval acknowledged only when it is: whatever an agent was told
//! holds after a crash, too. Who is admitted is decided in [`crate::fence`], when a lease has run out in
//! [`crate::presence`]; this machine connects them. The executor ticks at least every 100 ms.

mod interface;
mod sessions;
mod start;
mod takeover;
mod ahead;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rehearsal_plan::{AgentNumber, Instances, RunTime, Versions};

pub use interface::{CoordinatorConfig, Effect, Event, Notice, Opening, Saved, SavedHolder, SavedLife, Violation};

use crate::identity::{Incarnation, Session};
use crate::inbox::Inbox;
use crate::message::{Assignment, Readiness, StopKind, ToAgent};
use crate::outbox::Coarsen;
use crate::presence::{AgentPresence, PresenceState};

/// An agent's number and the life that holds it.
#[derive(Debug)]
struct Member {
    incarnation: Incarnation,
    presence: AgentPresence,
    readiness: Readiness,
    /// The round trip that its last heartbeat told.
    round_trip: Duration,
    /// The newest version that it holds or that was sent on its present connection.
    told: u64,
    /// Slots of this number in versions before this one belonged to a former life.
    owns_from: u64,
    /// From this run time on it starts nothing any more, by its own announcement.
    leaving: Option<RunTime>,
    /// By scenario, before which index it may have started its arrivals sooner than the versions now want them.
    played: Vec<u64>,
}

/// One incarnation's intervals; outlives its connections, and its hold on the agent's number.
#[derive(Debug)]
struct Life {
    agent: AgentNumber,
    inbox: Inbox,
    session: Option<Session>,
    /// The end, in seconds of run time, of each interval that is with the writer.
    staged_until: VecDeque<i64>,
    stored_until: Option<i64>,
    /// When it was told goodbye, until it says that it has heard so.
    told_goodbye: Option<RunTime>,
}

/// What an agent plays and its share of the slots.
#[derive(Debug)]
struct Part {
    assignment: Arc<Assignment>,
    weight: u32,
}

/// How far the run is, as far as the link is concerned.
#[derive(Debug)]
enum Stage {
    Gathering,
    Arming { opening: Opening, deadline: RunTime },
    Running(Box<Versions>),
    NotStarted,
}

/// The coordinator's end of the link.
#[derive(Debug)]
pub struct CoordinatorEnd<T> {
    config: CoordinatorConfig,
    stage: Stage,
    members: BTreeMap<AgentNumber, Member>,
    parts: BTreeMap<AgentNumber, Part>,
    /// Weights of agents whose assignment is not known again yet after a restart.
    weights: BTreeMap<AgentNumber, u32>,
    lives: BTreeMap<Incarnation, Life>,
    sessions: BTreeMap<Session, Incarnation>,
    /// Versions up to this number are on disk.
    persisted: u64,
    /// Agents whose slots need another owner, and the earliest instant for it.
    to_move: BTreeMap<AgentNumber, RunTime>,
    stop: Option<StopKind>,
    /// The instances of the target; none if it is not followed, or nothing is known of it yet.
    instances: Option<Arc<Instances>>,
    /// How long the disk has taken of late.
    storing: Duration,
    effects: Vec<Effect<T>>,
}

impl<T: Coarsen> CoordinatorEnd<T> {
    /// The first life of a coordinator in a run.
    pub fn new(config: CoordinatorConfig) -> Self {
        CoordinatorEnd {
            config,
            stage: Stage::Gathering,
            members: BTreeMap::new(),
            parts: BTreeMap::new(),
            weights: BTreeMap::new(),
            lives: BTreeMap::new(),
            sessions: BTreeMap::new(),
            persisted: 0,
            to_move: BTreeMap::new(),
            stop: None,
            instances: None,
            storing: Duration::ZERO,
            effects: Vec::new(),
        }
    }

    /// A later life, which goes on from what was stored. Assignments are given again by `Assign`.
    pub fn resume(config: CoordinatorConfig, saved: Saved, now: RunTime) -> Self {
        let mut end = Self::new(config);
        if let Some(versions) = saved.versions {
            end.persisted = versions.latest().number;
            end.stage = Stage::Running(Box::new(versions));
        }
        end.stop = saved.stop;
        let revive = |life: SavedLife| Life { stored_until: life.stored_until, ..Life::new(life.agent, life.mark) };
        end.lives = saved.lives.into_iter().map(|(incarnation, life)| (incarnation, revive(life))).collect();
        for (agent, holder) in saved.holders {
            end.restore(agent, holder, now);
        }
        end
    }

    /// Takes an event and gives the effects to perform, in order.
    pub fn handle(&mut self, event: Event<T>, now: RunTime) -> Vec<Effect<T>> {
        match event {
            Event::Message { session, message } => self.hear(session, message, now),
            Event::Disconnected { session } => self.disconnected(session, now),
            Event::Tick => self.watch(now),
            Event::Committed { incarnation, number } => self.committed(incarnation, number),
            Event::Persisted { version } => self.version_persisted(version),
            Event::ProcessEnded { agent } => self.process_ended(agent, now),
            Event::Assign { agent, assignment, weight } => self.assign(agent, assignment, weight),
            Event::Arm(opening) => self.arm(opening, now),
            Event::Change(change) => self.change(change, now),
            Event::Instances(instances) => {
                self.tell_all(&ToAgent::Instances(Arc::clone(&instances)));
                self.instances = Some(instances);
            }
            Event::Announce(cue) => self.tell_all(&ToAgent::Cue(cue)),
            Event::Stop(kind) => {
                self.stop = Some(kind);
                self.tell_all(&ToAgent::Stop(kind));
            }
        }
        self.start_if_ready(now);
        self.move_slots(now);
        std::mem::take(&mut self.effects)
    }

    /// Takes note of how long the disk took for what was stored last: versions wait for it, and agents that get one after its
    /// instant drop what was due.
    pub fn storing_took(&mut self, took: Duration) {
        self.storing = took;
    }

    /// The versions of the running run; `None` before the start.
    pub fn versions(&self) -> Option<&Versions> {
        match &self.stage {
            Stage::Running(versions) => Some(versions),
            _ => None,
        }
    }

    /// The instant from which a change holds that is asked for now.
    pub fn next_instant(&self, now: RunTime) -> RunTime {
        now + self.lead()
    }

    /// The state of each agent, by number.
    pub fn presences(&self) -> impl Iterator<Item = (AgentNumber, PresenceState)> {
        self.members.iter().map(|(agent, member)| (*agent, member.presence.state()))
    }

    /// Whether an agent was told goodbye and has not said farewell. If it has not heard it, it notices within a lease, dials
    /// again and is told again; after that nobody waits for it.
    pub fn awaits_farewell(&self, now: RunTime) -> bool {
        self.lives
            .values()
            .any(|life| life.told_goodbye.is_some_and(|since| now.since(since) < self.config.lease.lease))
    }

    /// The round trip that all but one in a hundred connected agents stay below.
    pub fn round_trip_p99(&self) -> Duration {
        let connected = self.members.values().filter(|member| member.presence.state() == PresenceState::Connected);
        let mut round_trips: Vec<Duration> = connected.map(|member| member.round_trip).collect();
        round_trips.sort_unstable();
        let rank = (round_trips.len() * 99).div_ceil(100);
        rank.checked_sub(1).map_or(Duration::ZERO, |index| round_trips[index])
    }

    fn restore(&mut self, agent: AgentNumber, holder: SavedHolder, now: RunTime) {
        let mut presence = AgentPresence::restored(self.config.lease, now);
        match holder.state {
            PresenceState::Ended => presence.ended(),
            PresenceState::Expired | PresenceState::Cleared => presence.expired(),
            _ => {}
        }
        let slots_are_a_former_lifes =
            self.versions().is_some_and(|versions| holder.owns_from > versions.latest().number);
        if presence.is_harmless() || slots_are_a_former_lifes {
            self.to_move.insert(agent, now);
        }
        self.weights.insert(agent, holder.weight);
        let member = Member::new(holder.incarnation, presence, holder.owns_from);
        self.members.insert(agent, Member { leaving: holder.left, ..member });
        self.lives.entry(holder.incarnation).or_insert_with(|| Life::new(agent, 0));
    }

    fn notice(&mut self, notice: Notice) {
        self.effects.push(Effect::Notice(notice));
    }

    /// Sends to the life that holds the agent's number, if it is connected.
    fn tell(&mut self, agent: AgentNumber, message: ToAgent) {
        let life = self.members.get(&agent).and_then(|member| self.lives.get(&member.incarnation));
        if let Some(session) = life.and_then(|life| life.session) {
            self.effects.push(Effect::Send { session, message });
        }
    }

    fn tell_all(&mut self, message: &ToAgent) {
        for session in self.sessions.keys() {
            self.effects.push(Effect::Send { session: *session, message: message.clone() });
        }
    }
}

impl Member {
    fn new(incarnation: Incarnation, presence: AgentPresence, owns_from: u64) -> Self {
        let (readiness, round_trip) = (Readiness::Unassigned, Duration::ZERO);
        Member { incarnation, presence, readiness, round_trip, told: 0, owns_from, leaving: None, played: Vec::new() }
    }
}

impl Life {
    fn new(agent: AgentNumber, mark: u64) -> Self {
        let (staged_until, stored_until) = (VecDeque::new(), None);
        Life { agent, inbox: Inbox::new(mark), session: None, staged_until, stored_until, told_goodbye: None }
    }
}
