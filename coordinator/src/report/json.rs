//! `summary.json`: the report for machines.

use std::time::SystemTime;

use rehearsal_metrics::CueSummary;
use serde::{Serialize, Serializer};
use time::OffsetDateTime;

use super::RunReport;

impl RunReport {
    /// Writes `summary.json`.
    ///
    /// # Errors
    /// Never, as far as we know: all keys are strings and no number is left out.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

/// A firing as the file has it.
#[derive(Serialize)]
struct CueRow<'a> {
    name: &'a str,
    number: u32,
    id: &'a str,
    fired_at_s: f64,
    live: Option<u64>,
    connected: Option<u64>,
    heard: u64,
    duplicates: u64,
    first: Option<f64>,
    p50: Option<f64>,
    p99: Option<f64>,
    last: Option<f64>,
    clock_bound_s: f64,
}

/// Writes what the file tells of each firing; readers compute shares from the counts.
pub(super) fn cues<S: Serializer>(cues: &[CueSummary], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(cues.iter().map(|cue| CueRow {
        name: &cue.name,
        number: cue.number,
        id: &cue.id,
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
    }))
}

/// Writes an instant as RFC 3339 has it, in UTC and to the second.
pub(super) fn utc(instant: SystemTime) -> String {
    let at = OffsetDateTime::from(instant);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = at.to_hms();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::example;

    #[test]
    fn the_file_is_the_golden_one() {
        example::compare("summary.json", &example::report().to_json().unwrap());
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
