//! Writes a timeline as an HdrHistogram interval log, which the tools around HdrHistogram read.

use std::io;
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError, Tag};
use hdrhistogram::serialization::{V2DeflateSerializeError, V2DeflateSerializer};

use crate::points::Points;
use crate::series::SeriesKey;
use crate::timeline::Timeline;

/// The log could not be written.
#[derive(Debug, thiserror::Error)]
#[error("writing the histogram log")]
pub struct HlogError(#[from] IntervalLogWriterError<V2DeflateSerializeError>);

impl From<io::Error> for HlogError {
    fn from(error: io::Error) -> HlogError {
        HlogError(error.into())
    }
}

/// Writes one line for every second and duration series that has samples. `started_at` is the
/// instant at which run time was zero. Maxima in the log are in seconds, histograms count
/// microseconds.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write_hlog(timeline: &Timeline, started_at: SystemTime, out: &mut impl io::Write) -> Result<(), HlogError> {
    // The format has no negative time, so what came before the start moves the base.
    let first = timeline.span().map_or(0, |span| span.from_s.min(0));
    let base = started_at.checked_sub(Duration::from_secs(first.unsigned_abs())).unwrap_or(started_at);
    let tags: Vec<String> = timeline.series().iter().map(|series| tag_of(&series.key)).collect();
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .with_start_time(started_at)
        .with_base_time(base)
        .with_max_value_divisor(1e6)
        .begin_log_with(out, &mut serializer)?;
    for (second, points) in &timeline.seconds {
        let since_base = Duration::from_secs((second - first).unsigned_abs());
        for (id, points) in points {
            if let Points::Duration(bins) = points {
                let tag = Tag::new(&tags[id.0 as usize]);
                log.write_histogram(&bins.to_histogram(), since_base, Duration::from_secs(1), tag)?;
            }
        }
    }
    Ok(())
}

/// Writes a series as `metric{a:b;c:d}`: the format ends a tag at a comma or a blank, so those are
/// percent-encoded inside and a semicolon separates.
fn tag_of(key: &SeriesKey) -> String {
    let tags: Vec<_> = key.tags.iter().map(|(name, value)| format!("{}:{}", encode(name), encode(value))).collect();
    let metric = encode(&key.metric);
    if tags.is_empty() { metric } else { format!("{metric}{{{}}}", tags.join(";")) }
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_control() || " ,;%{}".contains(c) {
            encoded.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            encoded.push(c);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use base64::Engine as _;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::intern::Limits;
    use crate::recorder::Recorder;
    use crate::series::Kind;

    #[test]
    fn reading_the_log_back_gives_the_same_samples() {
        let mut recorder = Recorder::new(Limits::default());
        let keys = [
            SeriesKey::new("http.response").with("name", "GET /a, b").with("status", "200"),
            SeriesKey::new("http.tls"),
        ];
        for second in -2..5 {
            recorder.roll(second);
            for (key, millis) in keys.iter().zip([3, 900]) {
                let id = recorder.series(Kind::Duration, key);
                recorder.duration(id, Duration::from_millis(millis));
            }
        }
        let mut timeline = Timeline::new(Limits::default());
        recorder.finish().iter().for_each(|interval| timeline.add(1, interval).unwrap());
        let started_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let mut log = Vec::new();
        write_hlog(&timeline, started_at, &mut log).unwrap();

        let mut totals = BTreeMap::new();
        let mut starts = Vec::new();
        for entry in IntervalLogIterator::new(&log) {
            match entry.unwrap() {
                LogEntry::Interval(line) => {
                    let bytes = base64::engine::general_purpose::STANDARD.decode(line.encoded_histogram()).unwrap();
                    let histogram = Deserializer::new().deserialize::<u64, _>(&mut bytes.as_slice()).unwrap();
                    let tag = line.tag().unwrap().as_str().to_owned();
                    totals.entry(tag).or_insert_with(|| crate::Bins::default().to_histogram()).add(&histogram).unwrap();
                    starts.push(line.start_timestamp().as_secs());
                }
                LogEntry::BaseTime(base) => assert_eq!(base, Duration::from_secs(998)),
                LogEntry::StartTime(start) => assert_eq!(start, Duration::from_secs(1_000)),
            }
        }
        assert_eq!((starts.first(), starts.last()), (Some(&0), Some(&6)));
        let tags: Vec<_> = totals.keys().map(String::as_str).collect();
        assert_eq!(tags, ["http.response{name:GET%20/a%2C%20b;status:200}", "http.tls"]);
        for (key, histogram) in keys.iter().zip(totals.values()) {
            let Some(Points::Duration(bins)) = timeline.window(key, timeline.span().unwrap()) else {
                panic!("no samples")
            };
            assert_eq!(*histogram, bins.to_histogram());
        }
    }
}
