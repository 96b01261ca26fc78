//! What goes into a run's file and comes out of it again.

use std::collections::BTreeMap;

use rehearsal_metrics::Changes;
use rehearsal_plan::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a run is. Each field is a fact of its own; a batch may set them anew under their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The run's id.
    pub run_id: String,
    /// The scenario's name.
    pub scenario: String,
    /// The environment's name.
    pub environment: String,
    /// What all random numbers of the run grow from.
    pub seed: u64,
    /// When run time was zero, in microseconds of Unix time; `None` before the start.
    pub started_at_us: Option<i64>,
    /// The plan.
    pub plan: Value,
    /// The environment with its secrets masked.
    pub settings: Value,
    /// The version of the program.
    pub program: String,
}

/// What one transaction writes. Rows replace earlier ones of the same key; events and looks are appended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// What changed in the timeline.
    pub changes: Changes,
    /// How far the intervals of which `changes` came are stored now.
    pub marks: Vec<Mark>,
    /// New versions of the plan.
    pub versions: Vec<Version>,
    /// Firings of cues that are new or have an outcome now.
    pub cues: Vec<CueIntent>,
    /// What happened around the run.
    pub events: Vec<Event>,
    /// Readings of the autoscaler under test.
    pub looks: Vec<Look>,
    /// Agents that are new or fare otherwise now.
    pub members: Vec<Member>,
    /// Single facts by key.
    pub facts: Vec<(String, Value)>,
}

/// How much of an incarnation's intervals is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The incarnation's random bytes.
    pub incarnation: [u8; 16],
    /// The number that the agent got.
    pub agent: u32,
    /// The number of the last interval.
    pub mark: u64,
    /// The second after the last one in them.
    pub stored_until: Option<i64>,
}

/// One firing of a cue, written down before it is announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CueIntent {
    /// Numbers all firings of the run, from 1.
    pub firing: u32,
    /// The cue's name in the plan.
    pub name: String,
    /// Which firing of this cue it is, from 1.
    pub number: u64,
    /// The id that the cue's messages carry.
    pub id: String,
    /// The intended instant, in microseconds of run time.
    pub at_us: i64,
    /// Who wanted it: the plan, or a person.
    pub by: String,
    /// The event by which users hear it.
    pub event: Option<String>,
    /// The JSON pointer under which a message carries the id.
    pub pointer: Option<String>,
    /// What became of it; `None` while it is being fired.
    pub outcome: Option<CueOutcome>,
}

/// What a cue's function did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CueOutcome {
    /// Its first request was sent, this many microseconds after the intended instant.
    Sent(i64),
    /// It made no request.
    Nothing,
    /// It failed, and why.
    Failed(String),
    /// The coordinator died while it was fired.
    Unknown,
}

/// Something that happened around the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, in seconds of run time.
    pub at_s: f64,
    /// What sort of event it is, in one word.
    pub kind: String,
    /// Whom it concerns or who did it.
    pub who: String,
    /// What happened, for people.
    pub text: String,
    /// What happened, for programs.
    pub detail: Value,
}

/// One reading of a source that tells of the autoscaler under test.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// When it began, in microseconds of run time.
    pub at_us: i64,
    /// The source's table in the environment.
    pub place: String,
    /// What it gave.
    pub content: Value,
}

/// One agent as the coordinator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The number that it got.
    pub agent: u32,
    /// Its name in reports.
    pub id: String,
    /// Where it runs.
    pub region: String,
    /// What runs it, as its launcher says.
    pub instance: String,
    /// Its share of the load beside the others' weights.
    pub weight: u32,
    /// Its process has ended.
    pub ended: bool,
    /// It was given up.
    pub lost: bool,
    /// The life that holds its number; `None` until it has dialled.
    pub life: Option<Life>,
}

/// The life of an agent that holds its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Its random bytes.
    pub incarnation: [u8; 16],
    /// The first version of the plan in which the number's slots are this life's.
    pub owns_from: u64,
}

/// All that is stored of a run, each list in order of its keys, events and looks in the order of writing.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// What the run is.
    pub about: About,
    /// The timeline, for [`Timeline::rebuild`](rehearsal_metrics::Timeline::rebuild).
    pub changes: Changes,
    /// How much of each incarnation's intervals is in it.
    pub marks: Vec<Mark>,
    /// The plan's history.
    pub versions: Vec<Version>,
    /// All firings of cues.
    pub cues: Vec<CueIntent>,
    /// What happened around the run.
    pub events: Vec<Event>,
    /// All readings of the autoscaler under test.
    pub looks: Vec<Look>,
    /// All agents.
    pub members: Vec<Member>,
    /// All facts, those of `about` among them.
    pub facts: BTreeMap<String, Value>,
}

impl Batch {
    /// Tells whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        *self == Batch::default()
    }

    /// Adds what is to be written after this, so that one transaction writes both.
    pub fn absorb(&mut self, later: Batch) {
        self.changes.absorb(later.changes);
        replace(&mut self.marks, later.marks, |mark| mark.incarnation);
        replace(&mut self.versions, later.versions, |version| version.number);
        replace(&mut self.cues, later.cues, |cue| cue.firing);
        replace(&mut self.members, later.members, |member| member.agent);
        replace(&mut self.facts, later.facts, |fact| fact.0.clone());
        self.events.extend(later.events);
        self.looks.extend(later.looks);
    }
}

/// Puts later rows in the place of those with the same key, so that a list does not grow while nothing can be written.
fn replace<T, K: Ord>(rows: &mut Vec<T>, later: Vec<T>, key: impl Fn(&T) -> K) {
    let keyed: BTreeMap<K, T> = std::mem::take(rows).into_iter().chain(later).map(|row| (key(&row), row)).collect();
    *rows = keyed.into_values().collect();
}
