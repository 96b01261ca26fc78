//! What the terminal shows by call and by transport: statistics over all series of each, which have
//! to be merged from the samples and cannot be had from the statistics of single series.

use std::collections::BTreeMap;

use rehearsal_metrics::{CallCounts, CallSummary, MetricSet, Points, SeriesKey};
use rehearsal_plan::Statistic;

/// One name of a call. Times are response times in seconds.
#[derive(Clone, Debug)]
pub(super) struct CallRow {
    pub name: String,
    pub counts: CallCounts,
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
    /// Answers per second.
    pub rate: Option<f64>,
}

/// One transport of sockets. Times are those of opening one, in seconds.
#[derive(Clone, Debug)]
pub(super) struct SocketRow {
    pub transport: String,
    pub opened: u64,
    pub failed: u64,
    pub p50: Option<f64>,
    pub p99: Option<f64>,
    pub polls: u64,
    pub sent: u64,
    pub received: u64,
    pub closed: u64,
}

/// All rows of both, and the messages that came.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    pub calls: Vec<CallRow>,
    pub sockets: Vec<SocketRow>,
    /// Messages received, by event.
    pub received: BTreeMap<String, u64>,
}

impl Tables {
    pub(super) fn of(calls: &[CallSummary], metrics: &MetricSet) -> Tables {
        let transports = totals_by("transport", metrics, |metric| metric.starts_with("socket."));
        Tables {
            calls: calls.iter().map(|call| call_row(call, metrics)).collect(),
            sockets: transports.into_keys().map(|transport| socket_row(transport, metrics)).collect(),
            received: totals_by("event", metrics, |metric| metric == "socket.received"),
        }
    }
}

fn call_row(call: &CallSummary, metrics: &MetricSet) -> CallRow {
    let selector = SeriesKey::new("http.response").with("name", &call.name);
    let statistic = |statistic| metrics.statistic(&selector, statistic);
    CallRow {
        name: call.name.clone(),
        counts: call.counts,
        p50: statistic(Statistic::Percentile(50.0)),
        p95: statistic(Statistic::Percentile(95.0)),
        p99: statistic(Statistic::Percentile(99.0)),
        max: statistic(Statistic::Max),
        rate: statistic(Statistic::Rate),
    }
}

fn socket_row(transport: String, metrics: &MetricSet) -> SocketRow {
    let selector = |metric: &str| SeriesKey::new(metric).with("transport", &transport);
    let connect = |statistic| metrics.statistic(&selector("socket.connect"), statistic);
    let total = |metric: &str| {
        let wanted = selector(metric);
        let series = metrics.iter().filter(|(key, _)| key.matches(metric, &wanted.tags));
        series.map(|(_, points)| happened(points)).sum()
    };
    SocketRow {
        opened: total("socket.connect"),
        failed: total("socket.failed"),
        p50: connect(Statistic::Percentile(50.0)),
        p99: connect(Statistic::Percentile(99.0)),
        polls: total("socket.poll"),
        sent: total("socket.sent"),
        received: total("socket.received"),
        closed: total("socket.closed"),
        transport,
    }
}

/// Adds up series by the value of a tag.
fn totals_by(tag: &str, metrics: &MetricSet, is_wanted: impl Fn(&str) -> bool) -> BTreeMap<String, u64> {
    let mut totals = BTreeMap::new();
    for (key, points) in metrics.iter().filter(|(key, _)| is_wanted(&key.metric)) {
        if let Some(value) = key.tags.get(tag) {
            *totals.entry(value.to_owned()).or_default() += happened(points);
        }
    }
    totals
}

/// How often something happened: of a ratio, how often it came true.
fn happened(points: &Points) -> u64 {
    match points {
        Points::Ratio { yes, .. } => *yes,
        Points::Duration(_) | Points::Count(_) => points.count(),
    }
}
