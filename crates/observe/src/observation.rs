//! What one reading of a source gave: a value, nothing, or an error, and never one in place of another.

use std::fmt;
use std::time::{Duration, SystemTime};

/// What a source tells about the autoscaler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// How many instances there are.
    Supply,
    /// A number that the scaler looks at.
    Metric,
    /// What the scaler decided, and when.
    Activities,
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Role::Supply => "supply",
            Role::Metric => "metrics",
            Role::Activities => "activities",
        })
    }
}

/// One reading of one source.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// When the answer was in, by the clock of the caller. The state that it shows is at most `took` older.
    pub observed_at: SystemTime,
    /// How long the answer took.
    pub took: Duration,
    /// The instant that the value is of, by the clock of the source, if it says so.
    pub source_time: Option<SystemTime>,
    /// What the reading gave.
    pub outcome: Outcome,
    /// The instances that were there at the reading before and are gone, from sources that look at each.
    pub departures: Vec<Departure>,
}

/// What a reading gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A value.
    Ok(Reading),
    /// The source answered, but has no value: an empty result, a null, no data point, one that is too old. Says which.
    Missing(String),
    /// The source did not answer, or not what it should. Says how.
    Error(ErrorKind, String),
}

/// A value, by the role of its source.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// Numbers of instances.
    Supply(Supply),
    /// A finite number, in the source's own unit.
    Metric(f64),
    /// All activities that the source still tells; the same one comes with every reading until the source forgets it.
    Activities(Vec<Activity>),
}

/// Numbers of instances; those that the source does not tell, or has no value for, are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Supply {
    /// How many the scaler wants.
    pub desired: Option<u64>,
    /// How many exist, in service or not.
    pub running: Option<u64>,
    /// How many take new work.
    pub ready: Option<u64>,
    /// How many finish their work and take no new one.
    pub draining: Option<u64>,
    /// The fewest that the scaler may want.
    pub min: Option<u64>,
    /// The most that the scaler may want.
    pub max: Option<u64>,
}

impl Supply {
    /// The names of the numbers, as they stand in environments.
    pub const NAMES: [&str; 6] = ["desired", "running", "ready", "draining", "min", "max"];

    /// Collects numbers that belong to [`Supply::NAMES`], one by one.
    #[must_use]
    pub fn from_counts(counts: [Option<u64>; 6]) -> Supply {
        let [desired, running, ready, draining, min, max] = counts;
        Supply { desired, running, ready, draining, min, max }
    }

    /// Whether it tells nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Supply::default()
    }
}

/// An instance that went away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Its name.
    pub instance: String,
    /// What it still had to do when it was last seen: requests, connections or tasks; `None` if nobody saw.
    pub in_flight: Option<u64>,
}

/// One decision of the scaler.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Activity {
    /// When, by the clock of the source.
    pub at: SystemTime,
    /// By how many instances, if the source says so.
    pub change: Option<i64>,
    /// To how many instances, if the source says so.
    pub to: Option<u64>,
    /// The scaler's own words, or nothing.
    pub why: String,
}

/// What kind of error a reading met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// No answer within the time allowed.
    Timeout,
    /// No connection, or one that broke before the answer was complete.
    Connection,
    /// The source knows us not, or does not let us read.
    Denied,
    /// An HTTP status that is no answer, a redirect among them.
    Status,
    /// The source says itself that it failed.
    Refused,
    /// An answer that is not what the source should give.
    Format,
    /// An answer longer than is read.
    TooLarge,
    /// A command that could not be run, or failed.
    Command,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            ErrorKind::Timeout => "timeout",
            ErrorKind::Connection => "connection",
            ErrorKind::Denied => "denied",
            ErrorKind::Status => "status",
            ErrorKind::Refused => "refused",
            ErrorKind::Format => "format",
            ErrorKind::TooLarge => "too_large",
            ErrorKind::Command => "command",
        })
    }
}

/// What an adapter read.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The instant that the value is of, by the clock of the source, if it says so.
    pub source_time: Option<SystemTime>,
    /// The value.
    pub reading: Reading,
}

impl From<Reading> for Sample {
    fn from(reading: Reading) -> Sample {
        Sample { source_time: None, reading }
    }
}

/// Why an adapter read no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The source answered, and has no value.
    #[error("missing: {0}")]
    Missing(String),
    /// The source did not answer as it should.
    #[error("{0}: {1}")]
    Error(ErrorKind, String),
}

impl Failure {
    /// States that the source has no value.
    pub fn missing(reason: impl Into<String>) -> Failure {
        Failure::Missing(reason.into())
    }

    /// States that an answer is not what the source should give.
    pub fn format(text: impl Into<String>) -> Failure {
        Failure::Error(ErrorKind::Format, text.into())
    }

    /// Says what was being read, ahead of the text.
    #[must_use]
    pub fn within(self, place: impl fmt::Display) -> Failure {
        match self {
            Failure::Missing(reason) => Failure::Missing(format!("{place}: {reason}")),
            Failure::Error(kind, text) => Failure::Error(kind, format!("{place}: {text}")),
        }
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Outcome {
        match failure {
            Failure::Missing(reason) => Outcome::Missing(reason),
            Failure::Error(kind, text) => Outcome::Error(kind, text),
        }
    }
}
