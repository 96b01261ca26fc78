//! What goes into the coordinator's end of the link and what comes out of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rehearsal_plan::{AgentNumber, Change, Instances, Load, RunTime, Takeover, Version, Versions};

use crate::identity::{Epoch, Incarnation, Session};
use crate::lease::LeaseTerms;
use crate::message::{Applied, Assignment, CueAnnouncement, Leaving, StopKind, Stopping, ToAgent, ToCoordinator};
use crate::presence::PresenceState;

/// What a coordinator is given when it starts.
#[derive(Debug, Clone)]
pub struct CoordinatorConfig {
    /// Higher than that of every former life in this run.
    pub epoch: Epoch,
    /// The lease, the same for every agent.
    pub lease: LeaseTerms,
    /// Whether slots move already when a connection is gone.
    pub takeover: Takeover,
}

/// What a former life of the coordinator had stored.
#[derive(Debug, Clone, Default)]
pub struct Saved {
    /// The versions, if the run had started.
    pub versions: Option<Versions>,
    /// The mark of every incarnation.
    pub lives: BTreeMap<Incarnation, SavedLife>,
    /// Who held each agent's number.
    pub holders: BTreeMap<AgentNumber, SavedHolder>,
    /// The stop in force.
    pub stop: Option<StopKind>,
}

/// What is stored of the holder of an agent's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedHolder {
    /// The life that holds the number.
    pub incarnation: Incarnation,
    /// The agent's share of the slots beside the others' weights.
    pub weight: u32,
    /// As [`Notice::Joined`] told it.
    pub owns_from: u64,
    /// [`PresenceState::Ended`] if it was known to have ended, [`PresenceState::Expired`] if its slots were given away; any
    /// other state is found out anew.
    pub state: PresenceState,
    /// From this run time on it starts nothing any more, if it has gone in order.
    pub left: Option<RunTime>,
}

/// What is stored of one incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedLife {
    /// The agent's number.
    pub agent: AgentNumber,
    /// Everything up to here is stored.
    pub mark: u64,
    /// The first second of run time of which nothing is stored; `None` if nothing is at all.
    pub stored_until: Option<i64>,
}

/// What happens to the coordinator's end; `T` is an interval.
#[derive(Debug, Clone)]
pub enum Event<T> {
    /// An agent said something. A session begins with its hello.
    Message {
        /// The connection it came on.
        session: Session,
        /// What it said.
        message: ToCoordinator<T>,
    },
    /// A connection is gone.
    Disconnected {
        /// Which one.
        session: Session,
    },
    /// Time has passed.
    Tick,
    /// The writer has stored this incarnation's intervals up to a number.
    Committed {
        /// Whose.
        incarnation: Incarnation,
        /// The last one.
        number: u64,
    },
    /// A version is on disk, and all before it.
    Persisted {
        /// Its number.
        version: u64,
    },
    /// The launcher saw the agent's process or instance exit.
    ProcessEnded {
        /// Whose.
        agent: AgentNumber,
    },
    /// Says what an agent plays and how much beside the others; before or after it dials.
    Assign {
        /// The agent.
        agent: AgentNumber,
        /// What it plays.
        assignment: Arc<Assignment>,
        /// Its share of the slots beside the others' weights; 0 for a spare, which waits for one that goes.
        weight: u32,
    },
    /// Everyone who will come has come: start as soon as all are armed.
    Arm(Opening),
    /// Changes the plan of the running run (pause, resume, scale).
    Change(Change),
    /// The instances of the target have changed, or are known for the first time.
    Instances(Arc<Instances>),
    /// Announces a cue to every agent.
    Announce(Arc<CueAnnouncement>),
    /// Ends the load.
    Stop(StopKind),
}

/// How the run opens.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The load of each scenario.
    pub loads: Vec<Load>,
    /// M, the number of slots.
    pub slots: usize,
    /// The run's seed.
    pub seed: u64,
    /// Fewest armed agents with which the run starts; at least 1.
    pub quorum: usize,
    /// How long agents may take to arm.
    pub within: Duration,
}

/// What the executor does, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect<T> {
    /// Sends on a connection.
    Send {
        /// Which one.
        session: Session,
        /// What.
        message: ToAgent,
    },
    /// Closes a connection; nothing it still brings is of interest.
    Close {
        /// Which one.
        session: Session,
    },
    /// Stores a version and answers `Persisted`.
    Persist(Arc<Version>),
    /// Hands an interval to the writer, which stores it with its number and answers `Committed`.
    Commit {
        /// The agent.
        agent: AgentNumber,
        /// Its life.
        incarnation: Incarnation,
        /// The interval's number.
        number: u64,
        /// The interval.
        payload: T,
    },
    /// Something that people and the report should know.
    Notice(Notice),
}

/// What people and the report should know.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// An agent's life was admitted for the first time.
    Joined {
        /// The agent.
        agent: AgentNumber,
        /// The life.
        incarnation: Incarnation,
        /// The first version in which this number's slots are this life's; earlier ones were a former life's.
        owns_from: u64,
    },
    /// An agent's presence changed; `Cleared` means that its users may be restored elsewhere.
    Presence {
        /// The agent.
        agent: AgentNumber,
        /// The new state.
        state: PresenceState,
    },
    /// The run starts with version 1.
    Started {
        /// When.
        at: RunTime,
        /// Agents that had dialled in and were not armed in time: they own nothing.
        without: Vec<AgentNumber>,
    },
    /// Too few agents were armed in time.
    NotStarted {
        /// How many were.
        armed: usize,
        /// How many it takes.
        quorum: usize,
    },
    /// An agent put a version in force.
    Applied {
        /// The agent.
        agent: AgentNumber,
        /// When, and what it missed.
        applied: Applied,
    },
    /// An agent put an order to stop in force.
    Stopping {
        /// The agent.
        agent: AgentNumber,
        /// What, and when.
        stopping: Stopping,
    },
    /// Arrivals of an agent between these instants are lost until its intervals say otherwise: how many, is what it
    /// owned until `to` less what its intervals told. An agent whose lease had lapsed before may have left out
    /// earlier ones, too; the same difference counts them.
    Lost {
        /// The agent.
        agent: AgentNumber,
        /// The first second of which nothing is stored.
        from: i64,
        /// When others take over.
        to: RunTime,
    },
    /// Eager takeover moved the slots of an agent that may still make load.
    DoubleLoadPossible {
        /// The agent.
        agent: AgentNumber,
        /// When its lease will have run out.
        until: RunTime,
    },
    /// An agent has announced that it goes.
    Leaving {
        /// The agent.
        agent: AgentNumber,
        /// From when on, and why.
        leaving: Leaving,
    },
    /// An agent delivered everything and goes.
    Drained {
        /// The agent.
        agent: AgentNumber,
    },
    /// A second process uses this agent's number while the first may still make load.
    Refused {
        /// The agent.
        agent: AgentNumber,
        /// The life that was refused.
        incarnation: Incarnation,
    },
    /// An agent broke the protocol; its connection was closed.
    Violation {
        /// The agent, if it had said who it is.
        agent: Option<AgentNumber>,
        /// What it did.
        what: Violation,
    },
    /// A coordinator with a higher epoch leads the run: this one must end.
    Superseded {
        /// The other's epoch.
        by: Epoch,
    },
}

/// How an agent broke the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// It spoke before its hello.
    #[error("opening a session: the first message was not a hello")]
    NoHello,
    /// It said hello twice on one connection.
    #[error("holding a session: a second hello came")]
    SecondHello,
    /// An interval is missing.
    #[error("taking interval {got}: interval {expected} should have come first")]
    Gap {
        /// The number that came.
        got: u64,
        /// The number that should have come.
        expected: u64,
    },
}
