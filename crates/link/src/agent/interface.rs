//! What goes into the agent's end of the link and what comes out of it.

use std::sync::Arc;
use std::time::Duration;

use rehearsal_plan::{AgentNumber, Instances, Version};

use crate::clock::Probe;
use crate::identity::Incarnation;
use crate::message::{Applied, Assignment, CueAnnouncement, Leaving, StopKind, Stopping, ToAgent, ToCoordinator};
use crate::outbox::OutboxLimits;

/// What an agent is given when it starts.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// The number that the fleet gave it.
    pub agent: AgentNumber,
    /// Random bytes drawn for this life of the process.
    pub incarnation: Incarnation,
    /// The build, for the report.
    pub build: String,
    /// The bounds of the outbox.
    pub outbox: OutboxLimits,
    /// How long after the end of its lease and drain an agent still tries to deliver its intervals before it exits.
    pub give_up: Duration,
}

/// What happens to the agent's end; `T` is an interval.
#[derive(Debug, Clone)]
pub enum Event<T> {
    /// A connection stands.
    Connected,
    /// The connection is gone, or a dial failed.
    Disconnected {
        /// Uniform over all of `u64`: the jitter of the next dial.
        random: u64,
    },
    /// The coordinator said something.
    Message(ToAgent),
    /// A probe of the clock returned just now.
    Probed(Probe),
    /// Time has passed.
    Tick,
    /// The recorder closed an interval.
    IntervalReady(T),
    /// The engine has prepared the assignment.
    Prepared,
    /// The engine has put a version in force.
    Applied(Applied),
    /// The executor has stopped its users, as [`Effect::Stop`] said.
    Stopping(Stopping),
    /// The process is asked to go (preemption, signal): it starts nothing whose instant is `from` or later, far enough
    /// ahead that others can take over. The executor sends the users away and says `UsersGone`, as after [`Effect::Stop`].
    Leave(Leaving),
    /// Whoever launched this agent is gone: without a coordinator until its lease and drain are over, it exits.
    Orphaned,
    /// No user is left, none will come, and the last interval was handed over.
    UsersGone,
}

/// What the executor does, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect<T> {
    /// Sends on the present connection.
    Send(ToCoordinator<T>),
    /// Dials after a delay.
    Dial {
        /// The delay.
        after: Duration,
    },
    /// Closes the connection; `Disconnected` follows.
    HangUp(HangUp),
    /// The engine prepares the assignment and answers `Prepared`.
    Prepare(Arc<Assignment>),
    /// The engine puts a version in force and answers `Applied`.
    Apply(Arc<Version>),
    /// The engine snapshots who should hear a cue.
    Cue(Arc<CueAnnouncement>),
    /// New connections to the target go to these instances.
    Follow(Arc<Instances>),
    /// No arrival starts any more: the lease ran out.
    StopArrivals,
    /// Arrivals may start again; what was due in between is counted as dropped.
    ResumeArrivals,
    /// All users leave; calls in flight have their grace. Arrivals may start again if the lease comes back.
    LeaveAll,
    /// The slots belong to others for good: nothing starts any more, all users leave, and the engine answers `UsersGone`
    /// when they have. What was still to come is not this agent's to cancel.
    Relieve,
    /// Whoever is left is cut.
    CutAll,
    /// The load ends; the engine answers `UsersGone` when it has.
    Stop(StopKind),
    /// The process ends.
    Exit(Exit),
}

/// Why the agent closes a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HangUp {
    /// The coordinator was succeeded by one with a higher epoch.
    #[error("greeting a coordinator: it was succeeded by another")]
    StaleEpoch,
    /// It said something before its welcome.
    #[error("greeting a coordinator: it spoke before its welcome")]
    NotWelcomed,
    /// A version is missing.
    #[error("taking version {got}: version {expected} should have come first")]
    VersionGap {
        /// The number that came.
        got: u64,
        /// The number that should have come.
        expected: u64,
    },
    /// It acknowledged what it cannot have, or lost what it had.
    #[error(transparent)]
    Outbox(#[from] crate::outbox::OutboxError),
    /// Nothing was heard for too long.
    #[error("waiting for the coordinator: nothing was heard for a quarter of the lease")]
    Unheard,
}

/// Why the process ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// The coordinator has everything and said goodbye.
    Done,
    /// The coordinator did not come back.
    Abandoned {
        /// The seconds of run time whose intervals are not known to be stored.
        unacknowledged: Option<std::ops::Range<i64>>,
    },
}
