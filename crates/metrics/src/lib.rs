//! What happened in a run: from one sample to the numbers of the report.
//!
//! A user thread records **samples** into a [`Recorder`], which closes an [`Interval`] for every
//! second. A [`Merger`] makes one interval per second of all threads of an agent. The coordinator
//! adds the intervals of all agents to a [`Timeline`], which the live view, thresholds, the report
//! and the log file read. Histograms are merged on the way; percentiles are only ever computed at
//! the end.
//!
//! Nothing here does I/O of its own or reads a clock: the current second is an argument. Seconds
//! are whole seconds of run time and may be negative before the start; times inside a series are
//! microseconds.

#![forbid(unsafe_code)]

// What is measured, and the forms that merge.
mod series;

mod bins;
mod gaps;
mod layout;
mod packed;
mod points;

mod calls;
mod errors;
mod health;
mod hearings;
mod ledger;

// One agent: from a sample to an interval.
mod interval;

mod intern;
mod open_bins;
mod recorder;

mod catalogue;
mod merger;

// All agents: from intervals to totals.
mod timeline;

mod changes;
mod losses;
mod rebuild;

mod attendance;
mod by_second;
mod live;
mod spans;

mod cues;
mod metric_set;
mod summary;

mod hlog;

pub use attendance::AgentRecord;
pub use bins::{Bins, Extent};
pub use calls::{CallCounts, CallId, CallStep};
pub use catalogue::Refused;
pub use changes::Changes;
pub use cues::{CueFiring, CueSummary, TransportSummary};
pub use errors::{ErrorCount, Errors};
pub use gaps::GapError;
pub use health::Health;
pub use hearings::{CuePoints, Hearings, Snapshot};
pub use hlog::{HlogError, write_hlog};
pub use intern::{Limits, OTHER};
pub use interval::{Arrivals, Interval, MergeError};
pub use layout::{HIGHEST, TOP_BIN};
pub use ledger::{Ledger, LedgerError, NotAllowed, Transitions, UserState};
pub use live::Row;
pub use merger::Merger;
pub use metric_set::MetricSet;
pub use packed::BytesError;
pub use points::{KindMismatch, Points};
pub use rebuild::RebuildError;
pub use recorder::Recorder;
pub use series::{Definition, Kind, SeriesId, SeriesKey, Tags};
pub use spans::{Span, Spans};
pub use summary::{CallSummary, CheckSummary, ErrorSummary, MetricSummary, Summary};
pub use timeline::{CueRecord, Planned, Timeline};
