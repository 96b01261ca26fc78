//! What goes into a run and what comes out of it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use rehearsal_link::{Assignment, LeaseTerms};
use rehearsal_metrics::{CueFiring, Timeline};
use rehearsal_plan::{AgentNumber, Plan, RunTime};
use rehearsal_store::{Store, StoreError};
use rehearsal_verdict::Breach;

use super::cues::Fired;
use super::lifecycle::{Gathering, Lifecycle};
use super::roster::Member;
use crate::fleet::Crew;
use crate::scaler::Seen;

/// What a conductor is given.
pub struct Settings {
    /// The run's id.
    pub run_id: String,
    /// What is to be done.
    pub plan: Plan,
    /// The seed of everything random.
    pub seed: u64,
    /// What each agent gets, but for its own name.
    pub assignment: Assignment,
    /// How many agents there will be.
    pub gathering: Gathering,
    /// Cores that each of them has.
    pub cores: u32,
    /// Their weights in the order of joining; equal without.
    pub weights: Option<Vec<u32>>,
    /// How long they may make load without the coordinator.
    pub lease: LeaseTerms,
    /// The system under test is the demo in this process, which ends with it.
    pub hosts_demo: bool,
}

/// Why the load ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everybody had left, or the plan's end had come.
    ByItself,
    /// The operator stopped it.
    Operator,
    /// It could not go on.
    Fault(String),
}

/// What a run leaves behind.
pub struct Outcome {
    /// All numbers, in seconds since the start.
    pub timeline: Timeline,
    /// All firings.
    pub fired: Vec<Fired>,
    /// Those of them of which it is known when they were sent.
    pub firings: Vec<CueFiring>,
    /// Cues that never fired.
    pub unfired: Vec<String>,
    /// What thresholds with `for` or `abort` have seen.
    pub breaches: Vec<Breach>,
    /// What was seen of the autoscaler under test.
    pub(crate) seen: Seen,
    /// The agents, by their number.
    pub members: BTreeMap<AgentNumber, Member>,
    /// When the run started, in run time; none if it never did.
    pub started: Option<RunTime>,
    /// The same by the coordinator's clock; when it was asked for, if it never started.
    pub started_at: SystemTime,
    /// From the start to the end of load.
    pub duration: Duration,
    /// Why it ended.
    pub ending: Ending,
    /// Where it is on its way: the verdict is still to come.
    pub(crate) life: Lifecycle,
    /// Things that happened and should be known.
    pub notes: Vec<Note>,
    /// Whoever launched the agents, for ending what is left.
    pub(crate) crew: Crew,
    /// Its database with all of this in it, unless the disk refused.
    pub(crate) store: Result<Store, StoreError>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// Whom it is about.
    pub subject: String,
    /// What happened.
    pub text: String,
    /// When, in seconds since the start.
    pub at_s: f64,
}
