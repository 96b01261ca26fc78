//! Reads `timeline.hlog` as the tools around HdrHistogram do and holds it against the summary.

use std::collections::BTreeMap;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;

use crate::outcome::Outcome;

/// Histograms keep three digits: two readings of one value differ by no more than this part of it.
const PRECISION: f64 = 2e-3;

/// A metric with its tags.
type Series = (String, BTreeMap<String, String>);

/// Asserts that the log opens, and that the totals of its series are those of the summary: counts
/// exactly, percentiles within the precision of the histograms. Cues are not in the log, because
/// their delays are known only when the run is over.
#[track_caller]
pub fn assert_log_equals_summary(outcome: &Outcome) {
    let log = read(outcome);
    let durations =
        outcome.list("metrics").iter().filter(|series| series["kind"] == "duration" && series["name"] != "cue.delay");
    let mut compared = 0;
    for summary in durations {
        let series = series_of(summary);
        let Some(histogram) = log.get(&series) else {
            panic!("the log has no {series:?}, only {:?}", log.keys());
        };
        assert_eq!(summary["count"], histogram.len(), "{series:?}");
        for (statistic, quantile) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)] {
            let reported = summary[statistic].as_f64().expect("a duration has percentiles");
            let logged = histogram.value_at_quantile(quantile) as f64 / 1e6;
            let off = (reported - logged).abs();
            let allowed = logged * PRECISION + 1e-6;
            assert!(off <= allowed, "{statistic} of {series:?}: {reported} and {logged}");
        }
        compared += 1;
    }
    assert_eq!(compared, log.len(), "the log has series that the summary lacks");
}

fn series_of(summary: &Value) -> Series {
    let name = summary["name"].as_str().unwrap_or_default().to_owned();
    let tags = summary["tags"].as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tags = tags.map(|(key, value)| (key.clone(), text(value)));
    (name, tags.collect())
}

/// Adds up the log's histograms by series, in microseconds.
fn read(outcome: &Outcome) -> BTreeMap<Series, Histogram<u64>> {
    let folder = outcome.run_folder.as_ref().expect("the run has a folder");
    let log = fs::read(folder.join("timeline.hlog")).expect("reading the log");
    let mut totals: BTreeMap<Series, Histogram<u64>> = BTreeMap::new();
    let mut deserializer = Deserializer::new();
    for entry in IntervalLogIterator::new(&log) {
        if let LogEntry::Interval(line) = entry.expect("a line of the log is understood") {
            let bytes = STANDARD.decode(line.encoded_histogram()).expect("a histogram is base64");
            let histogram: Histogram<u64> =
                deserializer.deserialize(&mut bytes.as_slice()).expect("a histogram is in the V2 format");
            let tag = line.tag().expect("every line has a tag");
            match totals.get_mut(&series(tag.as_str())) {
                Some(total) => total.add(histogram).expect("all have the same layout"),
                None => {
                    totals.insert(series(tag.as_str()), histogram);
                }
            }
        }
    }
    totals
}

/// Reads `metric{a:b;c:d}` with percent-encoded parts.
fn series(tag: &str) -> Series {
    let (metric, tags) = tag.split_once('{').unwrap_or((tag, ""));
    let tags = tags.trim_end_matches('}').split(';');
    let pairs = tags.filter_map(|pair| pair.split_once(':'));
    let decoded = pairs.map(|(key, value)| (decode(key), decode(value)));
    (decode(metric), decoded.collect())
}

fn decode(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(2);
        let code = u8::from_str_radix(code, 16).expect("a percent sign is followed by a code");
        decoded.push(char::from(code));
        decoded.push_str(rest);
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_into_metric_and_tags() {
        let (metric, tags) = series("http.response{name:GET%20/a%2C%20b;status:200}");
        assert_eq!(metric, "http.response");
        assert_eq!(tags["name"], "GET /a, b");
        assert_eq!(tags["status"], "200");
        assert_eq!(series("users.start_lag").1.len(), 0);
    }
}
