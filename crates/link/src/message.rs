//! What the two ends say to each other, as plain values; the wire crate converts them one to one.
//!
//! Within one connection messages arrive in the order in which they were sent; across connections nothing is
//! promised. Everything that must survive a lost connection is therefore either numbered ([`ToCoordinator::Interval`],
//! [`ToAgent::Version`]) or said again after each [`ToAgent::Welcome`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rehearsal_plan::{AgentNumber, Instances, RunTime, Version};

use crate::identity::{Epoch, Incarnation};
use crate::lease::LeaseTerms;

/// What an agent says; `T` is the payload of an interval, which this crate never looks into.
#[derive(Debug, Clone, PartialEq)]
pub enum ToCoordinator<T> {
    /// The first message of every connection.
    Hello(Hello),
    /// A numbered interval. Numbers of one incarnation begin at 1 and have no gaps; a number means the same for ever.
    Interval {
        /// The number within the agent's incarnation.
        number: u64,
        /// The frozen content.
        payload: T,
    },
    /// Asks for the lease to be extended.
    Heartbeat {
        /// Rises by one with each heartbeat of an incarnation, across connections.
        sequence: u64,
        /// How long the last answered heartbeat took there and back; zero before the first answer.
        round_trip: Duration,
    },
    /// The assignment is prepared and the run clock is set: the agent could start now.
    Armed,
    /// A version is in force at this agent.
    Applied(Applied),
    /// An order to stop is in force at this agent.
    Stopping(Stopping),
    /// The agent goes (preemption, operator): it starts nothing whose instant is `from` or later.
    Leaving(Leaving),
    /// All users are gone and every interval was acknowledged; the agent waits only for [`ToAgent::Goodbye`].
    Drained,
    /// The agent has heard [`ToAgent::Goodbye`] and goes: until it says so it may wait for a coordinator that has ended.
    Farewell,
}

/// Who dials, and what it knows already, so that the coordinator sends only what is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The number that the fleet gave to this agent.
    pub agent: AgentNumber,
    /// The life of the process.
    pub incarnation: Incarnation,
    /// The highest epoch that this agent has seen; a coordinator with a lower one is superseded.
    pub epoch: Epoch,
    /// The number of the newest version that the agent holds; 0 before the first.
    pub version: u64,
    /// How far the agent's preparation is.
    pub readiness: Readiness,
    /// The agent's build, for the report and for refusing a mixed cluster.
    pub build: String,
}

/// How far an agent is on its way to the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Readiness {
    /// It has no assignment yet.
    Unassigned,
    /// It has its assignment and prepares it.
    Assigned,
    /// It could start now.
    Armed,
}

/// An agent's answer to a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// The number of the version.
    pub version: u64,
    /// When it took effect at this agent: the version's own instant, or later if it came late.
    pub at: RunTime,
    /// Arrivals that were due between the version's instant and `at`, counted as dropped.
    pub missed: u64,
}

/// An agent's answer to an order to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopping {
    /// What was ordered.
    pub kind: StopKind,
    /// When its user threads were told.
    pub at: RunTime,
}

/// An agent's word that it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// The first run time at which its slots need another owner.
    pub from: RunTime,
    /// Why, for people.
    pub reason: String,
}

/// What the coordinator says.
#[derive(Debug, Clone, PartialEq)]
pub enum ToAgent {
    /// The answer to [`Hello`]: the connection is accepted.
    Welcome(Welcome),
    /// What to play. Sent once per incarnation.
    Assignment(Arc<Assignment>),
    /// Intervals up to and including `number` are stored for good.
    Ack {
        /// The mark of this incarnation.
        number: u64,
    },
    /// Extends the lease, counted from the sending of the heartbeat it answers.
    HeartbeatAnswer {
        /// The heartbeat's own number.
        sequence: u64,
    },
    /// A version of the plan; numbers come without gaps.
    Version(Arc<Version>),
    /// A cue will fire at a stated instant.
    Cue(Arc<CueAnnouncement>),
    /// The load ends.
    Stop(StopKind),
    /// The agent's slots belong to others now and for ever: users leave, intervals are still taken.
    Fenced,
    /// Everything is stored and nothing more is wanted.
    Goodbye,
    /// The instances of a target that is followed, all of them: the newest replace those before. Said after each welcome,
    /// before any version, and whenever they change.
    Instances(Arc<Instances>),
}

/// The coordinator's acceptance of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The coordinator's own epoch.
    pub epoch: Epoch,
    /// Intervals of this incarnation up to and including this number are stored.
    pub mark: u64,
    /// The lease that governs both sides.
    pub lease: LeaseTerms,
}

/// All that an agent needs besides versions to play its part. The texts are opaque to the link.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// The run's id.
    pub run: String,
    /// The agent's id as the report shows it.
    pub agent_id: String,
    /// The region that this agent's samples are tagged with; empty if unknown.
    pub region: String,
    /// The run's seed; each user's generator is seeded from it and the user's number.
    pub seed: u64,
    /// How many threads run users; 0 lets the agent choose.
    pub threads: u32,
    /// The scenario's source text.
    pub scenario: Arc<str>,
    /// The environment as JSON, secrets included.
    pub environment: Arc<str>,
    /// The plan as JSON.
    pub plan: Arc<str>,
    /// What `setup()` returned, as JSON.
    pub common: Arc<str>,
    /// The content of each declared data source, by name.
    pub data: Arc<BTreeMap<String, String>>,
}

/// A moment of the show, announced before it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CueAnnouncement {
    /// Numbers all firings of the run, from 1; what samples are kept under.
    pub firing: u32,
    /// The cue's name in the plan.
    pub name: String,
    /// Which firing of this cue it is, from 1.
    pub number: u64,
    /// The id that the cue's messages carry.
    pub id: String,
    /// When it is intended to fire.
    pub at: RunTime,
    /// The event by which users hear it; `None` if the cue declares none.
    pub event: Option<String>,
    /// The JSON pointer under which a message carries the id.
    pub pointer: Option<String>,
}

/// How the load ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopKind {
    /// No new arrivals; users finish what they do and leave.
    Graceful,
    /// No new request or connection from now on; calls in flight are cut after their grace.
    Hard,
}
