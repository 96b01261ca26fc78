//! `summary.json`: the report for machines.

use std::collections::BTreeMap;
use std::time::SystemTime;

use rehearsal_metrics::CueSummary;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{RunReport, SCHEMA};

/// Why a text is not a `summary.json` that we can read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not of the form that we write.
    #[error("reading a report: it is not a summary.json")]
    Form(#[source] serde_json::Error),
    /// Its form is not the one that we know.
    #[error("reading a report: its schema is {0}, and only {SCHEMA} is known; use the program that wrote it")]
    Schema(u32),
}

impl RunReport {
    /// Writes `summary.json`.
    ///
    /// # Errors
    /// Never, as far as we know: all keys are strings and no number is left out.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Reads `summary.json`. It does not hold the tables that people are shown; [`RunReport::fill_tables`] does those.
    ///
    /// # Errors
    /// When the text is anything else, or was written in a later form.
    pub fn from_json(text: &str) -> Result<RunReport, ReadError> {
        /// Read first: a later form may well lack what this one has.
        #[derive(Deserialize)]
        struct Head {
            schema: u32,
        }
        let Head { schema } = serde_json::from_str(text).map_err(ReadError::Form)?;
        if schema != SCHEMA {
            return Err(ReadError::Schema(schema));
        }
        serde_json::from_str(text).map_err(ReadError::Form)
    }
}

/// One firing of a cue, as the file has it; readers compute shares from the counts. Delays are in seconds after the sending.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CueRow {
    /// The cue's name in the plan.
    pub name: String,
    /// Which firing of this cue it is, from 1: what its function saw.
    pub number: u32,
    /// The id that the cue function saw.
    pub id: String,
    /// The intended instant, in seconds of run time.
    pub fired_at_s: f64,
    /// Users that had arrived and not left; null when no agent looked.
    pub live: Option<u64>,
    /// Users connected with a handler; null when no agent looked.
    pub connected: Option<u64>,
    /// Of those that were there, users that heard it.
    pub heard: u64,
    /// Further hearings by the same users.
    pub duplicates: u64,
    /// The shortest delay.
    pub first: Option<f64>,
    /// The median delay.
    pub p50: Option<f64>,
    /// The 99th percentile of the delay.
    pub p99: Option<f64>,
    /// The longest delay.
    pub last: Option<f64>,
    /// How far the delays may be off because clocks disagree.
    pub clock_bound_s: f64,
}

/// The rows of all firings, each cue's own numbered from 1.
pub(super) fn rows(cues: Vec<CueSummary>) -> Vec<CueRow> {
    let mut fired: BTreeMap<String, u32> = BTreeMap::new();
    let row = |cue: CueSummary| {
        let number = fired.entry(cue.name.clone()).or_default();
        *number += 1;
        CueRow { number: *number, ..CueRow::from(cue) }
    };
    cues.into_iter().map(row).collect()
}

impl From<CueSummary> for CueRow {
    fn from(cue: CueSummary) -> CueRow {
        CueRow {
            name: cue.name,
            number: cue.number,
            id: cue.id,
            fired_at_s: cue.fired_at_s,
            live: cue.live,
            connected: cue.connected,
            heard: cue.heard,
            duplicates: cue.duplicates,
            first: cue.first,
            p50: cue.p50,
            p99: cue.p99,
            last: cue.last,
            clock_bound_s: cue.clock_bound_s,
        }
    }
}

/// Writes an instant as RFC 3339 has it, in UTC and to the second.
pub fn utc(instant: SystemTime) -> String {
    let at = OffsetDateTime::from(instant);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = at.to_hms();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::example;

    #[test]
    fn the_file_is_the_golden_one() {
        example::compare("summary.json", &example::report().to_json().unwrap());
    }

    #[test]
    fn reading_undoes_writing() {
        let written = example::report().to_json().unwrap();
        assert_eq!(RunReport::from_json(&written).unwrap().to_json().unwrap(), written);
    }

    #[test]
    fn other_files_are_refused() {
        let check = |text: &str, expected: &str| {
            assert_eq!(RunReport::from_json(text).map(|_| ()).unwrap_err().to_string(), expected, "{text}");
        };
        check("{}", "reading a report: it is not a summary.json");
        check(r#"{"schema": 1}"#, "reading a report: it is not a summary.json");
        let later = "reading a report: its schema is 2, and only 1 is known; use the program that wrote it";
        check(r#"{"schema": 2}"#, later);
    }

    #[test]
    fn instants_are_written_in_utc() {
        let rows =
            [(0, "1970-01-01T00:00:00Z"), (951_782_399, "2000-02-28T23:59:59Z"), (951_782_400, "2000-02-29T00:00:00Z")];
        for (seconds, text) in rows {
            assert_eq!(utc(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
