//! A run as it stands, and what changed since a screen last looked.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::second::Second;

/// What a screen is sent: the run as it stands, and the seconds that changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Snapshot {
    /// Rises with every snapshot of a run in one life of the coordinator.
    pub revision: u64,
    /// `seconds` holds all changes since this revision. A screen that holds an older one asks for the timeline since its own.
    pub since: u64,
    /// Unix time at which the coordinator made it, in seconds: how old what a screen shows is.
    pub made_at: f64,
    /// The run as it stands.
    pub run: RunNow,
    /// Seconds that are new or have changed.
    pub seconds: Vec<Second>,
}

/// The states of a run, forward only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Asked for, and not yet checked.
    #[default]
    Draft,
    /// Its agents are being launched.
    Launching,
    /// Agents are joining.
    Gathering,
    /// Agents prepare themselves, or are ready for the start.
    Armed,
    /// Load is being made.
    Running,
    /// Users leave.
    Stopping,
    /// The load has ended; the last numbers arrive.
    Collecting,
    /// It is over and has its verdict.
    Judged,
    /// It could not go on.
    Failed,
    /// It was called off before the start.
    Cancelled,
}

/// A run as it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunNow {
    pub id: String,
    pub scenario: String,
    pub environment: String,
    pub state: RunState,
    /// Whether arrivals are paused.
    pub paused: bool,
    /// RFC 3339, UTC; null before the start.
    pub started_at: Option<String>,
    /// Seconds since the start; null before.
    pub now_s: Option<f64>,
    /// The last second of which every agent has told: what may be called complete.
    pub settled_s: Option<i64>,
    /// When the plan ends; null when users decide that themselves, or while it is paused.
    pub ends_s: Option<f64>,
    pub users: UsersNow,
    pub loads: Vec<LoadNow>,
    pub calls: Vec<CallNow>,
    pub sockets: Vec<SocketNow>,
    pub agents: Vec<AgentNow>,
    pub cues: Vec<CueNow>,
    pub checks: Vec<CheckNow>,
    pub errors: Vec<ErrorNow>,
    pub thresholds: Vec<ThresholdNow>,
    /// What happened, oldest first; at most the last 500.
    pub events: Vec<EventRow>,
    /// The generator's grade over the run so far: `good`, `fair`, `poor`; null when no agent said anything of itself.
    pub generator: Option<String>,
    /// `pass`, `fail`, `inconclusive`; null until it is judged.
    pub verdict: Option<String>,
    pub findings: Vec<FindingNow>,
    /// What there is to be asked of the autoscaler under test; null when it is not observed.
    #[serde(default)]
    pub autoscaler: Option<ScalerNow>,
}

/// That there is a picture of the autoscaler, and how new it is. It is asked for apart from frames, since it is large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScalerNow {
    /// Differs from the last one whenever the picture does.
    pub revision: u64,
    /// Until when it was observed, in seconds of run time.
    pub last_s: f64,
}

/// Users by state; they sum to `planned`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsersNow {
    pub planned: u64,
    pub waiting: u64,
    pub live: u64,
    pub finished: u64,
    pub failed: u64,
    pub dropped: u64,
    pub cancelled: u64,
    pub lost: u64,
    /// A memo outside of the sum.
    pub restored: u64,
}

/// The load of one scenario function, as the plan now stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoadNow {
    /// The scenario's name.
    pub scenario: String,
    /// `arrive`, `users`, `rate` or `curve`: which ways of scaling fit.
    pub kind: String,
    /// Users that it plans in all.
    pub planned: u64,
}

/// Calls of one name since the start: `begun = answered + failed + cut + open`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallNow {
    pub name: String,
    pub begun: u64,
    pub answered: u64,
    pub failed: u64,
    pub cut: u64,
    pub open: u64,
    /// Of `http.response`, over the run so far, in seconds; null without an answer.
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
}

/// Sockets of one transport since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SocketNow {
    pub transport: String,
    pub open: u64,
    pub opened: u64,
    pub failed: u64,
    pub closed: u64,
    pub sent: u64,
    pub received: u64,
}

/// One agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentNow {
    pub id: String,
    pub region: String,
    /// `joined`, `connected`, `closed`, `silent`, `expired`, `ended`.
    pub state: String,
    /// Users live on it by its last report.
    pub users: u64,
    /// Users it started.
    pub started: u64,
    /// How far its run time may be off, in seconds; null before its first report. This and what follows is of its last report.
    pub clock_bound_s: Option<f64>,
    /// CPU of its busiest core, as a fraction of 1.
    pub cpu: Option<f64>,
    /// Longest that a timer fired late, in seconds.
    pub lag_s: Option<f64>,
    pub open_files: Option<u64>,
    /// The last second it has reported; null before the first.
    pub reported_s: Option<i64>,
    /// Stretches of settled seconds that it never reported: what its users did then is in no number.
    #[serde(default)]
    pub unobserved: Vec<StretchNow>,
}

/// A stretch of whole seconds of run time, half open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StretchNow {
    pub from_s: i64,
    pub to_s: i64,
}

/// One cue of the plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CueNow {
    pub name: String,
    /// When it fires by the plan: `12 s after the last arrival`, `at 30 s`, `by hand`.
    pub when: String,
    pub firings: Vec<FiringNow>,
}

/// One firing of a cue. Delays are in seconds after the sending.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FiringNow {
    /// The number of the firing within the run, over all cues.
    pub firing: u32,
    pub id: String,
    /// The intended instant, in seconds since the start.
    pub at_s: f64,
    /// `announced`, `sent`, `nothing sent`, `failed`, `unknown`.
    pub state: String,
    /// Who fired it: `plan`, or the operator.
    pub by: String,
    /// Users that had arrived and not left; null until an agent has looked.
    pub live: Option<u64>,
    pub connected: Option<u64>,
    pub heard: u64,
    pub duplicates: u64,
    pub first: Option<f64>,
    pub p50: Option<f64>,
    pub p99: Option<f64>,
    pub last: Option<f64>,
    pub clock_bound_s: f64,
}

/// One check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckNow {
    pub name: String,
    pub passed: u64,
    pub failed: u64,
}

/// Errors of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorNow {
    pub kind: String,
    pub count: u64,
    /// What one of them said.
    pub sample: String,
}

/// One threshold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ThresholdNow {
    /// The rule.
    pub text: String,
    /// What was measured so far, in the unit of files; null without data.
    pub value: Option<f64>,
    /// The same for people, such as `412 ms` or `0.3 %`; null without data.
    pub shown: Option<String>,
    /// `pass`, `fail` or `no_data`; while the run goes on, how it would come out now.
    pub outcome: String,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// The run's own course.
    #[default]
    Run,
    /// An operator's command.
    Control,
    /// An agent came, went or has trouble.
    Agent,
    /// A cue fired.
    Cue,
    /// A threshold ended the run.
    Threshold,
}

/// Something that happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventRow {
    /// In seconds since the start; negative before.
    pub at_s: f64,
    pub kind: EventKind,
    /// Who did it or whom it is about.
    pub who: String,
    pub text: String,
}

/// One reasoned statement about the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FindingNow {
    /// `error`, `warning` or `info`.
    pub severity: String,
    pub subject: String,
    pub text: String,
    pub from_s: f64,
    pub to_s: f64,
}
