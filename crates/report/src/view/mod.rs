//! What screens show of a run: the same shapes for the dashboard, the terminal, `report.html` and Prometheus.
//!
//! ```text
//! timeline, versions ──► Screen ──┬─► the seconds that changed  (Second)
//!                                 └─► samples of the run so far ──► calls_now, sockets_now, … ──► RunNow
//! ```

mod second;
mod snapshot;

mod screen;

mod measured;
mod planned;
mod totals;

mod cues;
mod now;
mod scaler;

pub use cues::{FiringState, cue_now, firing_now, when};
pub use now::{
    agent_now, calls_now, checks_now, ends_now, errors_now, finding_now, generator_now, loads_now, sockets_now,
    threshold_now, thresholds_now, users_now,
};
pub use scaler::ScalerPicture;
pub use screen::{Screen, whole};
pub use second::{Band, Latency, Second, bands};
pub use snapshot::{
    AgentNow, CallNow, CheckNow, CueNow, ErrorNow, EventKind, EventRow, FindingNow, FiringNow, LoadNow, RunNow,
    RunState, ScalerNow, Snapshot, SocketNow, ThresholdNow, UsersNow,
};
