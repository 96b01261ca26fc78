//! Turns hearings into delay, reach and delivery of a cue, once it is known when it was sent.
//!
//! ```text
//! delay    = (hearing − intended instant) − (first byte of the cue's first request − intended instant)
//! reach    = users in the snapshot that heard it / users that had arrived and not left
//! delivery = users in the snapshot that heard it / users connected with a handler
//! ```
//!
//! A hearing is known to its millisecond; its delay is that of the millisecond's middle, kept
//! between the first and the last hearing, which are known exactly. A delay below zero is the
//! clocks' disagreement and counts as zero.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use crate::bins::Bins;
use crate::hearings::{CuePoints, Hearings, Snapshot};
use crate::points::Points;
use crate::series::SeriesKey;
use crate::spans::Span;
use crate::timeline::Timeline;

/// What the coordinator knows of one firing of a cue.
#[derive(Clone, Debug, PartialEq)]
pub struct CueFiring {
    /// The cue's name in the plan.
    pub name: String,
    /// The number of the firing within the run.
    pub number: u32,
    /// The id that the cue function saw.
    pub id: String,
    /// The intended instant, in seconds of run time.
    pub fired_at_s: f64,
    /// The first byte of the first request after the intended instant, in microseconds.
    pub sent_after_micros: i64,
    /// How far hearings and sending may disagree about the time, in seconds.
    pub clock_bound_s: f64,
}

/// One firing in the report. Delays are in seconds after the sending.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CueSummary {
    /// The cue's name in the plan.
    pub name: String,
    /// The number of the firing within the run.
    pub number: u32,
    /// The id that the cue function saw.
    pub id: String,
    /// The intended instant, in seconds of run time.
    pub fired_at_s: f64,
    /// Users that had arrived and not left; null when no agent looked.
    pub live: Option<u64>,
    /// Users connected with a handler; null when no agent looked.
    pub connected: Option<u64>,
    /// Users in the snapshot that heard it.
    pub heard: u64,
    /// Users that heard it without being in the snapshot.
    pub late_heard: u64,
    /// Further hearings by the same users.
    pub duplicates: u64,
    /// `heard / live`.
    pub reach: Option<f64>,
    /// `heard / connected`.
    pub delivery: Option<f64>,
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
    /// The same by transport.
    pub transports: BTreeMap<String, TransportSummary>,
    /// Agents that took no snapshot: of their users nothing is known.
    pub unknown_agents: Vec<u32>,
}

/// Who heard a firing on one transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TransportSummary {
    /// Users that had arrived and not left.
    pub live: u64,
    /// Users connected with a handler.
    pub connected: u64,
    /// Users in the snapshot that heard it.
    pub heard: u64,
    /// `heard / live`.
    pub reach: Option<f64>,
    /// `heard / connected`.
    pub delivery: Option<f64>,
}

impl CueSummary {
    /// Sums up one firing of a cue.
    pub fn of(timeline: &Timeline, firing: &CueFiring) -> CueSummary {
        let record = timeline.cues().get(&firing.number).cloned().unwrap_or_default();
        let points = &record.points;
        let mut delays = Bins::default();
        points.heard.values().for_each(|hearings| delays.merge(&delays_of(firing, points, hearings)));
        let total = total_snapshot(points);
        let heard = points.heard_by();
        let unready = points.unready.values().fold(0, |sum: u64, users| sum.saturating_add(*users));
        let seconds = |delay: Option<Duration>| delay.map(|delay| delay.as_secs_f64());
        let exact = |after: Option<i64>| after.map(|after| firing.delay(after)).map(|micros| micros as f64 / 1e6);
        CueSummary {
            name: firing.name.clone(),
            number: firing.number,
            id: firing.id.clone(),
            fired_at_s: firing.fired_at_s,
            live: total.map(|total| total.live),
            connected: total.map(|total| total.connected),
            heard,
            late_heard: points.late_heard,
            duplicates: points.duplicates,
            reach: total.and_then(|total| share(heard, total.live)),
            delivery: total.and_then(|total| share(heard.saturating_sub(unready), total.connected)),
            first: exact(points.first_micros),
            p50: seconds(delays.percentile(50.0)),
            p99: seconds(delays.percentile(99.0)),
            last: exact(points.last_micros),
            clock_bound_s: firing.clock_bound_s,
            transports: transports_of(points),
            unknown_agents: unknown_agents(timeline, firing, &record.looked),
        }
    }
}

impl CueFiring {
    /// The delay of a hearing, in microseconds, never below zero.
    fn delay(&self, after_micros: i64) -> u64 {
        after_micros.saturating_sub(self.sent_after_micros).max(0).unsigned_abs()
    }
}

/// The series that a firing adds to the metrics of the run.
pub(crate) fn cue_points(firing: &CueFiring, points: &CuePoints) -> Vec<(SeriesKey, Points)> {
    let key =
        |metric: &str, transport: &str| SeriesKey::new(metric).with("cue", &firing.name).with("transport", transport);
    let delays = points.heard.iter().map(|(transport, hearings)| {
        (key("cue.delay", transport), Points::Duration(delays_of(firing, points, hearings)))
    });
    let mut series: Vec<_> = delays.collect();
    for (transport, row) in transports_of(points) {
        // A user may hear on another transport than the one it had at the instant.
        let ratio = |heard: u64, total: u64| Points::Ratio { yes: heard.min(total), total };
        let ready = row.heard.saturating_sub(points.unready.get(&transport).copied().unwrap_or(0));
        series.push((key("cue.reach", &transport), ratio(row.heard, row.live)));
        series.push((key("cue.delivery", &transport), ratio(ready, row.connected)));
    }
    series
}

fn delays_of(firing: &CueFiring, points: &CuePoints, hearings: &Hearings) -> Bins {
    let first = points.first_micros.unwrap_or(i64::MIN);
    let last = points.last_micros.unwrap_or(i64::MAX);
    let mut bins = Bins::default();
    for (millis, users) in hearings {
        // Not `clamp`: an agent that contradicts itself may send a first after its last.
        let middle = (i64::from(*millis) * 1_000 + 500).min(last).max(first);
        bins.record_n(Duration::from_micros(firing.delay(middle)), *users);
    }
    bins
}

/// Rows by transport; none when no agent looked, because then there is no whole to take a part of.
fn transports_of(points: &CuePoints) -> BTreeMap<String, TransportSummary> {
    let rows = points.snapshot.iter().flatten().map(|(transport, Snapshot { live, connected })| {
        let hearings = points.heard.get(transport).into_iter().flat_map(BTreeMap::values);
        let heard = hearings.fold(0, |sum: u64, users| sum.saturating_add(*users));
        let ready = heard.saturating_sub(points.unready.get(transport).copied().unwrap_or(0));
        let (reach, delivery) = (share(heard, *live), share(ready, *connected));
        (transport.clone(), TransportSummary { live: *live, connected: *connected, heard, reach, delivery })
    });
    rows.collect()
}

fn total_snapshot(points: &CuePoints) -> Option<Snapshot> {
    let rows = points.snapshot.as_ref()?.values();
    let mut total = Snapshot::default();
    rows.for_each(|row| total.merge(*row));
    Some(total)
}

/// Agents that owed the second of the firing, or were given up for lost and reported it later, and took no snapshot.
fn unknown_agents(timeline: &Timeline, firing: &CueFiring, looked: &BTreeSet<u32>) -> Vec<u32> {
    let second = firing.fired_at_s.floor() as i64;
    let span = Span { from_s: second, to_s: second + 1 };
    let was_there = timeline.agents().iter().filter(|(_, agent)| {
        let has_left = agent.left_at.is_some_and(|left| left <= second);
        let was_lost = agent.lost_at.is_some_and(|lost| lost <= second) && !agent.reported.missing(span).is_empty();
        agent.from_s <= second && !has_left && !was_lost
    });
    was_there.map(|(number, _)| *number).filter(|number| !looked.contains(number)).collect()
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part.min(whole) as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use rehearsal_plan::Statistic;

    use super::*;
    use crate::intern::Limits;
    use crate::metric_set::MetricSet;
    use crate::recorder::Recorder;

    fn firing() -> CueFiring {
        CueFiring {
            name: "open_vote".to_owned(),
            number: 1,
            id: "b1".to_owned(),
            fired_at_s: 2.0,
            sent_after_micros: 4_000,
            clock_bound_s: 0.001,
        }
    }

    /// Agent 1 looked and heard, agent 2 looked and had nobody, agent 3 did not look.
    fn timeline() -> Timeline {
        let mut timeline = Timeline::new(Limits::default());
        for agent in 1..=3 {
            let mut recorder = Recorder::new(Limits::default());
            recorder.roll(2);
            if agent < 3 {
                recorder.cue_snapshot(1, "websocket", 5, 4);
                recorder.cue_snapshot(1, "polling", 1, 1);
            }
            if agent == 1 {
                for after_micros in [3_900, 14_000, 15_000, 104_000] {
                    recorder.cue_heard(1, "websocket", after_micros, true);
                }
                recorder.cue_duplicate(1);
                recorder.cue_late_heard(1);
            }
            recorder.finish().iter().for_each(|interval| timeline.add(agent, interval).unwrap());
        }
        timeline
    }

    #[test]
    fn delays_count_from_the_sending() {
        let summary = CueSummary::of(&timeline(), &firing());
        assert_eq!((summary.live, summary.connected, summary.heard), (Some(12), Some(10), 4));
        assert_eq!((summary.late_heard, summary.duplicates), (1, 1));
        assert_eq!((summary.first, summary.last), (Some(0.0), Some(0.1)), "before the sending is zero");
        assert_eq!(summary.p50, Some(0.010_503), "the middle of the millisecond, in its bin of 8 µs");
        assert_eq!(summary.p99, Some(0.100_031), "not past the last hearing but for its bin of 64 µs");
        assert_eq!((summary.reach, summary.delivery), (Some(4.0 / 12.0), Some(0.4)));
        assert_eq!(summary.transports["polling"].reach, Some(0.0));
        assert_eq!(summary.unknown_agents, [3]);
        let mut timeline = timeline();
        timeline.lost(3, 1, 0);
        let unknown = CueSummary::of(&timeline, &firing()).unknown_agents;
        assert_eq!(unknown, [3], "it was given up before, but has reported since that it was there");
        timeline.left(3, 2);
        assert!(CueSummary::of(&timeline, &firing()).unknown_agents.is_empty());
    }

    #[test]
    fn a_firing_that_nobody_looked_at_is_unknown_and_not_zero() {
        let unheard = CueFiring { number: 9, ..firing() };
        let summary = CueSummary::of(&timeline(), &unheard);
        assert_eq!((summary.live, summary.reach, summary.p50), (None, None, None));
        assert_eq!(summary.unknown_agents, [1, 2, 3]);
    }

    #[test]
    fn cues_are_metrics_too() {
        let set = MetricSet::whole(&timeline(), &[firing()], Duration::from_secs(10));
        let metric = |metric: &str| SeriesKey::new(metric).with("cue", "open_vote");
        assert_eq!(set.statistic(&metric("cue.reach"), Statistic::Rate), Some(4.0 / 12.0));
        assert_eq!(set.statistic(&metric("cue.delivery"), Statistic::Count), Some(10.0));
        assert_eq!(set.statistic(&metric("cue.delay"), Statistic::Percentile(50.0)), Some(0.010_503));
        assert_eq!(set.statistic(&metric("cue.delay").with("transport", "polling"), Statistic::Count), None);
    }
}
