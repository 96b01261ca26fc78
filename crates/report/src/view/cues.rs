//! Cues and their firings, as screens show them.

use rehearsal_metrics::{CueFiring, CueSummary, Timeline};
use rehearsal_plan::{Cue, CueTime, duration};

use super::snapshot::{CueNow, FiringNow};

/// What became of a firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FiringState {
    /// Agents were told of it; its instant may be ahead.
    Announced,
    /// Its first request was sent.
    Sent,
    /// Its function made no request.
    NothingSent,
    /// Its function failed.
    Failed,
    /// Nobody knows, because the coordinator ended in between.
    Unknown,
}

impl FiringState {
    /// The word on screens.
    pub fn name(self) -> &'static str {
        match self {
            FiringState::Announced => "announced",
            FiringState::Sent => "sent",
            FiringState::NothingSent => "nothing sent",
            FiringState::Failed => "failed",
            FiringState::Unknown => "unknown",
        }
    }
}

/// Shows a cue of the plan with its firings.
pub fn cue_now(cue: &Cue, firings: Vec<FiringNow>) -> CueNow {
    CueNow { name: cue.name.clone(), when: when(cue.when), firings }
}

/// Shows a firing that `by` asked for. Who heard it is known in any state; how late only once it is known when it was sent, so
/// `sent_after_micros` of the firing only matters then.
pub fn firing_now(timeline: &Timeline, firing: &CueFiring, state: FiringState, by: &str) -> FiringNow {
    let known = CueSummary::of(timeline, firing);
    let delay = |delay: Option<f64>| delay.filter(|_| state == FiringState::Sent);
    FiringNow {
        firing: known.number,
        id: known.id,
        at_s: known.fired_at_s,
        state: state.name().to_owned(),
        by: by.to_owned(),
        live: known.live,
        connected: known.connected,
        heard: known.heard,
        duplicates: known.duplicates,
        first: delay(known.first),
        p50: delay(known.p50),
        p99: delay(known.p99),
        last: delay(known.last),
        clock_bound_s: known.clock_bound_s,
    }
}

/// When a cue fires by the plan, in words.
pub fn when(time: CueTime) -> String {
    match time {
        CueTime::AfterArrivals(after) => format!("{} after the last arrival", duration::print(after)),
        CueTime::At(at) => format!("at {}", duration::print(at)),
        CueTime::ByHand => "by hand".to_owned(),
    }
}
