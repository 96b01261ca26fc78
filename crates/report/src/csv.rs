//! The report as tables for spreadsheets and notebooks: one of all metrics, one of all seconds.
//!
//! Numbers have full precision and the units of `summary.json`; what is missing is an empty cell. Tags are written as
//! thresholds select them: `name:vote,status:201`.

use std::collections::BTreeSet;

use csv::{Error, Writer};
use rehearsal_metrics::{MetricSummary, SeriesKey, UserState};
use rehearsal_plan::catalogue::AUTOSCALER;

use crate::RunReport;
use crate::view::{Latency, Second};

/// How many figures a series has, beside its count.
const FIGURES: usize = 9;

/// Writes one row for every series: the `metrics` of `summary.json`. The autoscaler's figures follow, each with its
/// value as the mean, named as in thresholds.
///
/// # Errors
/// Never, as far as we know: it is written to memory, and all rows have the same length.
pub fn csv(report: &RunReport) -> Result<String, Error> {
    let mut table = Writer::from_writer(Vec::new());
    table.write_record([
        "name", "kind", "tags", "count", "rate", "mean", "min", "max", "p50", "p90", "p95", "p99", "p999",
    ])?;
    for metric in &report.metrics {
        let MetricSummary { name, kind, count, rate, mean, min, max, p50, p90, p95, p99, p999, .. } = metric;
        let figures: [String; FIGURES] = [rate, mean, min, max, p50, p90, p95, p99, p999].map(|figure| cell(*figure));
        let first = [name.clone(), kind.to_string(), tags(metric), count.to_string()];
        table.write_record(first.into_iter().chain(figures))?;
    }
    for (name, value) in report.autoscaler.assessment().into_iter().flat_map(|assessment| &assessment.figures) {
        let first = [format!("{AUTOSCALER}{name}"), "figure".to_owned(), String::new(), String::new(), String::new()];
        let rest = std::iter::repeat_n(String::new(), FIGURES - 2);
        table.write_record(first.into_iter().chain([value.to_string()]).chain(rest))?;
    }
    finish(table)
}

/// Writes one row for every second: what charts draw. Columns of names, kinds and transports are those that occur at all.
///
/// # Errors
/// As [`csv()`].
pub fn seconds_csv(seconds: &[Second]) -> Result<String, Error> {
    let calls: BTreeSet<&str> = seconds.iter().flat_map(|second| second.calls.keys()).map(String::as_str).collect();
    let kinds: BTreeSet<&str> = seconds.iter().flat_map(|second| second.errors.keys()).map(String::as_str).collect();
    let transports: BTreeSet<&str> =
        seconds.iter().flat_map(|second| second.sockets.keys()).map(String::as_str).collect();
    let mut table = Writer::from_writer(Vec::new());
    table.write_record(heading(&calls, &kinds, &transports))?;
    for second in seconds {
        let mut row = vec![second.s.to_string(), second.settled.to_string()];
        row.extend(UserState::ALL.map(|state| cell(second.users.get(state.name()))));
        row.extend([cell(second.target), second.arrivals.to_string(), second.arrivals_planned.to_string()]);
        row.extend(latency(second.response.as_ref()));
        row.extend(kinds.iter().map(|kind| counted(second.errors.get(*kind))));
        row.extend(transports.iter().map(|transport| counted(second.sockets.get(*transport))));
        row.push(cell(second.generator.as_ref()));
        row.extend(calls.iter().flat_map(|name| latency(second.calls.get(*name))));
        table.write_record(row)?;
    }
    finish(table)
}

fn heading(calls: &BTreeSet<&str>, kinds: &BTreeSet<&str>, transports: &BTreeSet<&str>) -> Vec<String> {
    let figures = |of: &str| ["count", "p50", "p90", "p99", "max"].map(|figure| format!("{of}.{figure}"));
    let mut heading = vec!["second".to_owned(), "settled".to_owned()];
    heading.extend(UserState::ALL.map(|state| format!("users.{}", state.name())));
    heading.extend(["users.target", "arrivals", "arrivals.planned"].map(ToOwned::to_owned));
    heading.extend(figures("response"));
    heading.extend(kinds.iter().map(|kind| format!("errors.{kind}")));
    heading.extend(transports.iter().map(|transport| format!("sockets.{transport}")));
    heading.push("generator".to_owned());
    heading.extend(calls.iter().flat_map(|name| figures(&format!("calls.{name}"))));
    heading
}

/// Without an answer there are none, and no response times.
fn latency(latency: Option<&Latency>) -> [String; 5] {
    let figure = |read: fn(&Latency) -> f64| cell(latency.map(read));
    let n = latency.map_or(0, |latency| latency.n);
    [n.to_string(), figure(|l| l.p50), figure(|l| l.p90), figure(|l| l.p99), figure(|l| l.max)]
}

/// Of what a second does not list there was nothing.
fn counted(count: Option<&u64>) -> String {
    count.copied().unwrap_or(0).to_string()
}

fn cell(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn tags(metric: &MetricSummary) -> String {
    let key = SeriesKey { metric: String::new(), tags: metric.tags.clone() }.to_string();
    key.trim_start_matches('{').trim_end_matches('}').to_owned()
}

fn finish(table: Writer<Vec<u8>>) -> Result<String, Error> {
    let bytes = table.into_inner().map_err(|error| Error::from(error.into_error()))?;
    Ok(String::from_utf8(bytes).expect("all cells were strings"))
}

#[cfg(test)]
mod tests {
    use rehearsal_plan::RunTime;
    use rehearsal_verdict::elasticity::imaginary::Character;

    use super::*;
    use crate::AutoscalerRow;
    use crate::example::{self, CORES};
    use crate::view::whole;

    #[test]
    fn every_number_of_the_summary_is_in_the_table() {
        let mut report = example::report();
        report.autoscaler = AutoscalerRow::Judged(Box::new(example::assessment(Character::Healthy)));
        let text = csv(&report).unwrap();
        let mut table = csv::Reader::from_reader(text.as_bytes());
        let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
        let figures = &report.autoscaler.assessment().unwrap().figures;
        assert_eq!(rows.len(), report.metrics.len() + figures.len());
        for (row, (name, value)) in rows[report.metrics.len()..].iter().zip(figures) {
            assert_eq!((&row[0], &row[1], &row[5]), (&*format!("autoscaler.{name}"), "figure", &*value.to_string()));
        }
        for (row, metric) in rows.iter().zip(&report.metrics) {
            let number = |column: usize| row[column].parse::<f64>().ok();
            assert_eq!((&row[0], row[3].parse()), (metric.name.as_str(), Ok(metric.count)));
            let figures = [metric.rate, metric.mean, metric.min, metric.max, metric.p50, metric.p90];
            assert_eq!([4, 5, 6, 7, 8, 9].map(number), figures, "{}", metric.name);
            assert_eq!([10, 11, 12].map(number), [metric.p95, metric.p99, metric.p999]);
        }
        assert!(rows.iter().any(|row| (&row[0], &row[2]) == ("http.response", "name:vote")));
    }

    #[test]
    fn the_seconds_are_the_golden_ones() {
        let example = example::example();
        let seconds = whole(&example.timeline, None, RunTime::ZERO, CORES);
        example::compare("seconds.csv", &seconds_csv(&seconds).unwrap());
    }
}
