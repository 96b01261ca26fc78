//! Between the wire and the types of the workspace. To the wire every value goes;
//! from the wire only what the other end could have meant.

mod bins;
mod cue;
mod indices;
mod instances;
mod interval;
mod message;
mod rows;
mod version;

use std::{collections::BTreeMap, time::Duration};

use rehearsal_metrics::{GapError, NotAllowed};

/// Why a message that arrived was refused. The session it came by is closed.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// A part is missing without which it means nothing.
    #[error("reading a message: it has no {0}")]
    Lacks(&'static str),
    /// A value of an enumeration that this build does not know.
    #[error("reading a message: {value} is no {what}")]
    Unknown {
        /// What it should have been.
        what: &'static str,
        /// The number that came.
        value: i32,
    },
    /// Something is there twice, or out of order, that comes once and in order.
    #[error("reading a message: {0} twice or out of order")]
    Twice(&'static str),
    /// A number that nobody could have measured or meant.
    #[error("reading a message: {0} out of range")]
    Range(&'static str),
    /// A histogram that is none.
    #[error("reading the histogram of series {series}")]
    Bins {
        /// The series.
        series: u32,
        /// What is wrong with it.
        #[source]
        source: GapError,
    },
    /// A change of state that users do not make.
    #[error("reading the transitions of second {second}")]
    Transition {
        /// The second.
        second: i64,
        /// What is wrong with it.
        #[source]
        source: NotAllowed,
    },
    /// JSON that does not say what it should.
    #[error("reading {what}")]
    Json {
        /// What it should have said.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// Collects rows that each must have a key of its own.
fn unique<K: Ord, V>(
    what: &'static str,
    rows: impl Iterator<Item = Result<(K, V), WireError>>,
) -> Result<BTreeMap<K, V>, WireError> {
    let mut map = BTreeMap::new();
    for row in rows {
        let (key, value) = row?;
        if map.insert(key, value).is_some() {
            return Err(WireError::Twice(what));
        }
    }
    Ok(map)
}

/// Whole microseconds; 584,000 years are long enough.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Whole nanoseconds; 584 years are long enough for plan time.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
