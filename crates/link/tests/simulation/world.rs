//! A few agents, one coordinator, a disk and a bad network, all in one thread and from one seed.

mod agents;
mod coordination;
mod disk;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rehearsal_link::agent::{AgentConfig, Effect as AgentEffect, Event as AgentEvent, Exit};
use rehearsal_link::coordinator::{CoordinatorConfig, Effect, Event, Notice, Opening, Saved, SavedHolder, SavedLife};
use rehearsal_link::outbox::OutboxLimits;
use rehearsal_link::{
    AgentEnd, Assignment, CoordinatorEnd, Epoch, Incarnation, LeaseTerms, MonoTime, PresenceState, Probe, Session,
    StopKind, ToAgent, ToCoordinator,
};
use rehearsal_plan::{AgentNumber, RunTime, Takeover, Version, Versions};

pub use disk::Disk;

use crate::engine::{Engine, Recorded, Starts};
use crate::network::{Agenda, Clock, Dice, MILLI, Pipe, Real, SECOND};

pub const TERMS: LeaseTerms = LeaseTerms { lease: Duration::from_secs(4), drain: Duration::from_secs(2) };
/// Small enough that a coordinator's absence makes intervals merge.
pub const LIMITS: OutboxLimits = OutboxLimits { window: 3, in_flight: 512, weight: 512 };
pub const USERS: u64 = 160;

const TROUBLE_ENDS: Real = 16 * SECOND;
const STOP_AT: Real = 44 * SECOND;
const WORLD_ENDS: Real = 80 * SECOND;
const TICK: Real = 200 * MILLI;

/// A way in which the world around the two machines is wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    None,
    /// The writer reports an interval as stored when it has only been handed over.
    AcknowledgesBeforeStoring,
    /// User threads count the lease from the answer's coming instead of from the heartbeat's sending.
    LeaseFromReceiving,
    /// Slots move when a connection is gone, whether or not the agent may still start arrivals.
    EagerTakeover,
}

impl Process {
    pub fn is_alive(&self) -> bool {
        self.alive
    }

    /// Whether it could have taken over load until the stop.
    pub fn lasted(&self) -> bool {
        self.ended_at.is_none_or(|at| at >= STOP_AT) && self.end.leaves_from().is_none()
    }
}

pub struct Process {
    pub agent: AgentNumber,
    pub incarnation: Incarnation,
    pub end: AgentEnd<Recorded>,
    pub engine: Engine,
    clock: Clock,
    connection: Option<usize>,
    cut_off_until: Real,
    last_answer: Option<Real>,
    stopping: bool,
    alive: bool,
    pub ended_at: Option<Real>,
    pub exit: Option<Exit>,
}

struct Connection {
    process: usize,
    life: u64,
    cut: bool,
    /// What the agent sends is swallowed; what was on its way to the agent still comes.
    muted: bool,
    to_agent: Pipe,
    to_coordinator: Pipe,
}

struct Coordinator {
    end: CoordinatorEnd<Recorded>,
    life: u64,
    clock: Clock,
    writer: Pipe,
}

enum Happening {
    AgentTick(usize),
    CoordinatorTick(u64),
    Dial(usize),
    ReachesAgent(usize, ToAgent),
    ReachesCoordinator(usize, ToCoordinator<Recorded>),
    AgentSeesClose(usize),
    CoordinatorSeesClose(usize),
    IntervalStored { life: u64, incarnation: Incarnation, number: u64, payload: Recorded, report: bool },
    VersionStored { life: u64, version: Arc<Version> },
    Prepared(usize),
    ProbeReturned { process: usize, life: u64, probe: Probe },
    UsersGone(usize),
    AgentCrashes(usize),
    ExitSeen(usize),
    Respawn(usize),
    CutOff(usize),
    Cut(usize),
    Preempted(usize),
    Leaves(usize),
    CoordinatorCrashes,
    CoordinatorRestarts,
    Arm(u64),
    Stop,
}

pub struct World {
    mutation: Mutation,
    dice: Dice,
    agenda: Agenda<Happening>,
    now: Real,
    delay: Real,
    slow_per_mille: u64,
    pub processes: Vec<Process>,
    connections: Vec<Connection>,
    coordinator: Option<Coordinator>,
    lives: u64,
    pub disk: Disk,
    pub starts: Starts,
    /// Agent, first lost second, takeover.
    pub losses: Vec<(AgentNumber, i64, RunTime)>,
    pub faults: Vec<String>,
    /// What happened, for whoever looks into a failing seed.
    pub story: Vec<String>,
}

impl World {
    /// Lives through one seed to the end.
    pub fn live(seed: u64, mutation: Mutation) -> World {
        let mut world = World {
            mutation,
            dice: Dice::new(seed),
            agenda: Agenda::new(),
            now: 0,
            delay: 0,
            slow_per_mille: 0,
            processes: Vec::new(),
            connections: Vec::new(),
            coordinator: None,
            lives: 0,
            disk: Disk::default(),
            starts: Starts::default(),
            losses: Vec::new(),
            faults: Vec::new(),
            story: Vec::new(),
        };
        world.delay = world.dice.between(MILLI, 40 * MILLI);
        world.slow_per_mille = [0, 30, 300][world.dice.between(0, 2) as usize];
        world.begin_coordinator();
        for agent in 1..=world.dice.between(2, 4) as u32 {
            world.spawn(AgentNumber(agent));
        }
        world.plan_trouble();
        world.agenda.schedule(STOP_AT, Happening::Stop);
        while let Some((at, happening)) = world.agenda.next() {
            if at > WORLD_ENDS || world.processes.iter().all(|process| !process.alive) && at > STOP_AT {
                break;
            }
            world.now = at;
            world.happen(happening);
        }
        world
    }

    fn plan_trouble(&mut self) {
        for process in 0..self.processes.len() {
            for _ in 0..self.dice.between(0, 2) {
                let at = self.dice.between(SECOND, TROUBLE_ENDS);
                let trouble = match self.dice.between(0, 9) {
                    0..=1 => Happening::AgentCrashes(process),
                    2 => Happening::Preempted(process),
                    _ => Happening::CutOff(process),
                };
                self.agenda.schedule(at, trouble);
            }
        }
        if self.dice.chance(400) {
            let at = self.dice.between(SECOND, TROUBLE_ENDS - SECOND);
            self.agenda.schedule(at, Happening::CoordinatorCrashes);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::AgentTick(process) => self.tick_agent(process),
            Happening::CoordinatorTick(life) => {
                if self.is_current(life) {
                    self.agenda.schedule(self.now + TICK, Happening::CoordinatorTick(life));
                    self.coordinator_handles(Event::Tick);
                }
            }
            Happening::Dial(process) => self.dial(process),
            Happening::ReachesAgent(connection, message) => {
                let process = self.connections[connection].process;
                if !self.connections[connection].cut && self.processes[process].connection == Some(connection) {
                    if matches!(message, ToAgent::HeartbeatAnswer { .. }) {
                        self.processes[process].last_answer = Some(self.now);
                    }
                    self.agent_handles(process, AgentEvent::Message(message));
                }
            }
            Happening::ReachesCoordinator(connection, message) => {
                let Connection { cut, muted, life, .. } = self.connections[connection];
                if !cut && !muted && self.is_current(life) {
                    self.coordinator_handles(Event::Message { session: session(connection), message });
                }
            }
            Happening::AgentSeesClose(connection) => {
                self.connections[connection].cut = true;
                let process = self.connections[connection].process;
                if self.processes[process].connection == Some(connection) {
                    self.processes[process].connection = None;
                    self.agent_disconnected(process);
                }
            }
            Happening::CoordinatorSeesClose(connection) => {
                self.connections[connection].cut = true;
                if self.is_current(self.connections[connection].life) {
                    self.coordinator_handles(Event::Disconnected { session: session(connection) });
                }
            }
            Happening::IntervalStored { life, incarnation, number, payload, report } => {
                if self.is_current(life) {
                    self.store(incarnation, number, payload, report);
                }
            }
            Happening::VersionStored { life, version } => {
                if self.is_current(life) {
                    self.disk.versions.push((*version).clone());
                    self.coordinator_handles(Event::Persisted { version: version.number });
                }
            }
            Happening::Prepared(process) => self.agent_handles(process, AgentEvent::Prepared),
            Happening::ProbeReturned { process, life, probe } => {
                if self.is_current(life) {
                    self.agent_handles(process, AgentEvent::Probed(probe));
                }
            }
            Happening::UsersGone(process) => self.finish_engine(process),
            Happening::AgentCrashes(process) => self.crash_agent(process),
            Happening::ExitSeen(process) => {
                let agent = self.processes[process].agent;
                self.coordinator_handles(Event::ProcessEnded { agent });
            }
            Happening::Respawn(process) => self.spawn(self.processes[process].agent),
            Happening::CutOff(process) => {
                let lasts = self.dice.between(0, 9 * SECOND);
                self.processes[process].cut_off_until = self.now + SECOND + lasts;
                if let Some(connection) = self.processes[process].connection {
                    self.connections[connection].muted = true;
                }
                let silent = self.dice.between(0, SECOND);
                self.agenda.schedule(self.now + silent, Happening::Cut(process));
            }
            Happening::Cut(process) => self.cut(process),
            Happening::Preempted(process) => self.preempt(process),
            Happening::Leaves(process) => self.stop_engine(process),
            Happening::CoordinatorCrashes => self.crash_coordinator(),
            Happening::CoordinatorRestarts => self.begin_coordinator(),
            Happening::Arm(life) => {
                if self.is_current(life) {
                    let opening = Opening {
                        loads: vec![crate::load()],
                        slots: 8,
                        seed: 1,
                        quorum: 1,
                        within: Duration::from_secs(2),
                    };
                    self.coordinator_handles(Event::Arm(opening));
                }
            }
            Happening::Stop => {
                self.disk.stop = Some(StopKind::Graceful);
                self.coordinator_handles(Event::Stop(StopKind::Graceful));
            }
        }
    }
}

/// A connection's session carries its place in the list of connections.
fn session(connection: usize) -> Session {
    Session(connection as u64)
}
