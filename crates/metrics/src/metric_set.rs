//! The samples of every series over one stretch of time, and the statistics that reports and
//! thresholds read from them.
//!
//! Percentiles come from merged distributions, never from other percentiles: the mean of two
//! agents' p99 is nobody's p99.

use std::collections::BTreeMap;
use std::time::Duration;

use rehearsal_plan::Statistic;

use crate::cues::{CueFiring, cue_points};
use crate::live::merge_into;
use crate::points::Points;
use crate::series::SeriesKey;
use crate::spans::Span;
use crate::timeline::Timeline;

/// Merged samples of every series over a stretch of time.
#[derive(Clone, Debug, Default)]
pub struct MetricSet {
    series: BTreeMap<SeriesKey, Points>,
    duration: Duration,
}

/// Ratios of what went wrong, and the tag that only failures have.
const FAILURES: [&str; 2] = ["http.failed", "socket.failed"];
const FAILURE_TAG: &str = "kind";

impl MetricSet {
    /// Takes the whole run, which lasted `duration`.
    pub fn whole(timeline: &Timeline, firings: &[CueFiring], duration: Duration) -> MetricSet {
        let Some(span) = timeline.span() else {
            return MetricSet { duration, ..MetricSet::default() };
        };
        MetricSet { duration, ..MetricSet::window(timeline, firings, span) }
    }

    /// Takes a stretch of the run, with the cues that were fired in it.
    pub fn window(timeline: &Timeline, firings: &[CueFiring], span: Span) -> MetricSet {
        let length = span.to_s.saturating_sub(span.from_s).max(0);
        let mut set = MetricSet { series: BTreeMap::new(), duration: Duration::from_secs(length.unsigned_abs()) };
        for series in timeline.series() {
            let total = timeline.total(series.id, span);
            set.series.extend(total.map(|points| (series.key.clone(), points)));
        }
        let is_inside = |firing: &&CueFiring| (span.from_s..span.to_s).contains(&(firing.fired_at_s.floor() as i64));
        for firing in firings.iter().filter(is_inside) {
            let record = timeline.cues().get(&firing.number);
            for (key, points) in record.into_iter().flat_map(|record| cue_points(firing, &record.points)) {
                let mut total = set.series.remove(&key);
                merge_into(&mut total, &points);
                set.series.extend(total.map(|points| (key, points)));
            }
        }
        set
    }

    /// Lists the series with samples, in order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&SeriesKey, &Points)> {
        self.series.iter()
    }

    /// Computes a statistic over all series that a selector, a key with any subset of their tags,
    /// matches; durations in seconds. `None` without data and where the kind of the metric has no
    /// such statistic.
    pub fn statistic(&self, selector: &SeriesKey, stat: Statistic) -> Option<f64> {
        let mut total = None;
        let matching = self.series.iter().filter(|(key, _)| key.matches(&selector.metric, &selector.tags));
        matching.for_each(|(_, points)| merge_into(&mut total, points));
        self.statistic_for(selector, &total?, stat)
    }

    /// Computes a statistic of the samples that a selector has. The rate of one kind of failures is over all calls, and those
    /// that did not fail have no kind.
    pub(crate) fn statistic_for(&self, selector: &SeriesKey, points: &Points, stat: Statistic) -> Option<f64> {
        let is_of_one_kind = FAILURES.contains(&selector.metric.as_str()) && selector.tags.get(FAILURE_TAG).is_some();
        match points {
            Points::Ratio { yes, .. } if is_of_one_kind && stat == Statistic::Rate => {
                self.statistic_of(&self.over_all(selector, *yes), stat)
            }
            points => self.statistic_of(points, stat),
        }
    }

    fn over_all(&self, selector: &SeriesKey, yes: u64) -> Points {
        let without_kind = selector.tags.retaining(|tag| tag != FAILURE_TAG);
        let siblings = self.series.iter().filter(|(key, _)| key.matches(&selector.metric, &without_kind));
        let total = siblings.fold(0, |sum: u64, (_, points)| sum.saturating_add(points.count()));
        Points::Ratio { yes, total }
    }

    /// Computes a statistic of samples that were taken over this set's duration.
    pub(crate) fn statistic_of(&self, points: &Points, stat: Statistic) -> Option<f64> {
        let count = points.count() as f64;
        let per_second = (!self.duration.is_zero()).then(|| count / self.duration.as_secs_f64());
        let seconds = |duration: Option<Duration>| duration.map(|duration| duration.as_secs_f64());
        match (points, stat) {
            (_, Statistic::Count) => Some(count),
            (Points::Ratio { yes, total }, Statistic::Rate) => (*total > 0).then(|| *yes as f64 / count),
            (_, Statistic::Rate) => per_second,
            (Points::Duration(bins), Statistic::Min) => seconds(bins.min()),
            (Points::Duration(bins), Statistic::Max) => seconds(bins.max()),
            (Points::Duration(bins), Statistic::Mean) => seconds(bins.mean()),
            (Points::Duration(bins), Statistic::Percentile(percent)) => seconds(bins.percentile(percent)),
            (Points::Count(_) | Points::Ratio { .. }, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bins::Bins;
    use crate::intern::Limits;
    use crate::recorder::Recorder;
    use crate::series::Kind;

    /// One agent whose answers all take about `millis`.
    fn agent(timeline: &mut Timeline, number: u32, millis: u64, samples: u64) -> Vec<u64> {
        let micros: Vec<u64> = (0..samples).map(|sample| millis * 1_000 + sample * 37).collect();
        let mut recorder = Recorder::new(Limits::default());
        let region = if number == 1 { "near" } else { "far" };
        let key = SeriesKey::new("http.response").with("region", region);
        let id = recorder.series(Kind::Duration, &key);
        for (position, micros) in micros.iter().enumerate() {
            recorder.roll(position as i64 / 100);
            recorder.duration(id, Duration::from_micros(*micros));
        }
        recorder.finish().iter().for_each(|interval| timeline.add(number, interval).unwrap());
        micros
    }

    #[test]
    fn the_rate_of_one_kind_of_failure_is_over_all_calls() {
        let (mut timeline, mut recorder) = (Timeline::new(Limits::default()), Recorder::new(Limits::default()));
        recorder.roll(0);
        let all = SeriesKey::new("http.failed").with("name", "vote");
        for (kind, failed, samples) in [(None, false, 90), (Some("5xx"), true, 4), (Some("timeout"), true, 6)] {
            let key = kind.map_or_else(|| all.clone(), |kind| all.with("kind", kind));
            let id = recorder.series(Kind::Ratio, &key);
            (0..samples).for_each(|_| recorder.ratio(id, failed));
        }
        recorder.finish().iter().for_each(|interval| timeline.add(1, interval).unwrap());
        let set = MetricSet::whole(&timeline, &[], Duration::from_secs(1));
        assert_eq!(set.statistic(&all, Statistic::Rate), Some(0.1));
        assert_eq!(set.statistic(&all.with("kind", "5xx"), Statistic::Rate), Some(0.04));
        assert_eq!(set.statistic(&all.with("kind", "5xx"), Statistic::Count), Some(4.0));
    }

    #[test]
    fn percentiles_are_those_of_one_histogram_with_all_samples() {
        let mut timeline = Timeline::new(Limits::default());
        let mut samples = agent(&mut timeline, 1, 3, 1_000);
        samples.extend(agent(&mut timeline, 2, 2_000, 50));
        let mut histogram = Bins::default().to_histogram();
        samples.iter().for_each(|micros| histogram.record(*micros).unwrap());

        let set = MetricSet::whole(&timeline, &[], Duration::from_secs(10));
        let all = SeriesKey::new("http.response");
        for percent in [0.0, 50.0, 90.0, 95.0, 99.0, 99.9, 100.0] {
            let expected = histogram.value_at_percentile(percent) as f64 / 1e6;
            assert_eq!(set.statistic(&all, Statistic::Percentile(percent)), Some(expected), "p({percent})");
        }
        assert_eq!(set.statistic(&all, Statistic::Count), Some(1_050.0));
        assert_eq!(set.statistic(&all, Statistic::Rate), Some(105.0));
        assert_eq!(set.statistic(&all, Statistic::Max), Some(2.001_813));
        assert_eq!(set.statistic(&all.with("region", "far"), Statistic::Count), Some(50.0));
        let window = MetricSet::window(&timeline, &[], Span { from_s: 1, to_s: 3 });
        assert_eq!(window.statistic(&all, Statistic::Rate), Some(100.0));
    }

    #[test]
    fn a_kind_has_only_its_own_statistics() {
        let set = MetricSet {
            series: [
                (SeriesKey::new("count"), Points::Count(30)),
                (SeriesKey::new("ratio"), Points::Ratio { yes: 1, total: 4 }),
                (SeriesKey::new("nothing"), Points::Ratio { yes: 0, total: 0 }),
            ]
            .into(),
            duration: Duration::from_secs(60),
        };
        let rows = [
            ("count", Statistic::Rate, Some(0.5)),
            ("count", Statistic::Max, None),
            ("ratio", Statistic::Rate, Some(0.25)),
            ("ratio", Statistic::Count, Some(4.0)),
            ("ratio", Statistic::Percentile(99.0), None),
            ("nothing", Statistic::Rate, None),
            ("absent", Statistic::Count, None),
        ];
        for (metric, stat, expected) in rows {
            assert_eq!(set.statistic(&SeriesKey::new(metric), stat), expected, "{metric} {stat:?}");
        }
    }
}
