//! What people are shown by call, by transport and by metric of their own: statistics over all series of each, which have to
//! be merged from the samples and cannot be had from the statistics of single series.

use std::collections::{BTreeMap, BTreeSet};

use rehearsal_metrics::{Bins, CallCounts, CallSummary, Kind, MetricSet, SeriesKey};
use rehearsal_plan::Statistic;

use crate::groups::{durations, happened_by, merged_by, percentile, responses};

/// Metrics of the scenario's own.
const CUSTOM: &str = "custom.";

/// One name of a call. Times are response times in seconds.
#[derive(Clone, Debug)]
pub struct CallRow {
    /// The call's name.
    pub name: String,
    /// How its calls ended.
    pub counts: CallCounts,
    /// The median; `None` without an answer, as what follows.
    pub p50: Option<f64>,
    /// The 95th percentile.
    pub p95: Option<f64>,
    /// The 99th percentile.
    pub p99: Option<f64>,
    /// The longest.
    pub max: Option<f64>,
    /// Answers per second.
    pub rate: Option<f64>,
}

/// One transport of sockets. Times are those of opening one, in seconds.
#[derive(Clone, Debug)]
pub struct SocketRow {
    /// The transport.
    pub transport: String,
    /// Sockets that opened.
    pub opened: u64,
    /// Attempts and polls that failed.
    pub failed: u64,
    /// The median; `None` when none opened, as what follows.
    pub p50: Option<f64>,
    /// The 99th percentile.
    pub p99: Option<f64>,
    /// Polls that were answered.
    pub polls: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages received.
    pub received: u64,
    /// Sockets that closed.
    pub closed: u64,
}

/// One metric of the scenario's own, over all its tags. Times are in seconds.
#[derive(Clone, Debug)]
pub struct CustomRow {
    /// Its name, `custom.` left out.
    pub name: String,
    /// What its samples are.
    pub kind: Kind,
    /// Samples; the sum for a count.
    pub count: u64,
    /// Per second; of a ratio the part that came true, as a fraction of 1.
    pub rate: Option<f64>,
    /// The mean; only durations have it, as what follows.
    pub mean: Option<f64>,
    /// The median.
    pub p50: Option<f64>,
    /// The 99th percentile.
    pub p99: Option<f64>,
    /// The longest.
    pub max: Option<f64>,
}

/// All rows, and the messages that came.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// Calls, by name.
    pub calls: Vec<CallRow>,
    /// Sockets, by transport.
    pub sockets: Vec<SocketRow>,
    /// Messages received, by event.
    pub received: BTreeMap<String, u64>,
    /// Metrics of the scenario's own, by name.
    pub custom: Vec<CustomRow>,
}

impl Tables {
    pub(super) fn of(calls: &[CallSummary], metrics: &MetricSet) -> Tables {
        let responses = responses(metrics.iter());
        let received = happened_by(metrics.iter(), "socket.received", "event");
        let names: BTreeSet<&str> =
            metrics.iter().map(|(key, _)| key.metric.as_str()).filter(|metric| metric.starts_with(CUSTOM)).collect();
        Tables {
            calls: calls.iter().map(|call| call_row(call, responses.get(call.name.as_str()), metrics)).collect(),
            sockets: socket_rows(metrics),
            received: received.into_iter().map(|(event, count)| (event.to_owned(), count)).collect(),
            custom: names.into_iter().filter_map(|metric| custom_row(metric, metrics)).collect(),
        }
    }
}

fn call_row(call: &CallSummary, responses: Option<&Bins>, metrics: &MetricSet) -> CallRow {
    let selector = SeriesKey::new("http.response").with("name", &call.name);
    let at = |percent| responses.and_then(|bins| percentile(bins, percent));
    CallRow {
        name: call.name.clone(),
        counts: call.counts,
        p50: at(50.0),
        p95: at(95.0),
        p99: at(99.0),
        max: responses.and_then(Bins::max).map(|max| max.as_secs_f64()),
        rate: metrics.statistic(&selector, Statistic::Rate),
    }
}

/// One row for every transport that any socket had.
pub(crate) fn socket_rows(metrics: &MetricSet) -> Vec<SocketRow> {
    let by_transport = |metric: &str| happened_by(metrics.iter(), metric, "transport");
    let figures = ["socket.connect", "socket.failed", "socket.poll", "socket.sent", "socket.received", "socket.closed"]
        .map(by_transport);
    let opening = merged_by(metrics.iter(), "socket.connect", "transport");
    let opening: BTreeMap<&str, Bins> =
        opening.into_iter().filter_map(|(transport, points)| Some((transport, durations(points)?))).collect();
    let transports: BTreeSet<&str> = figures.iter().flat_map(BTreeMap::keys).copied().collect();
    let row = |transport: &str| {
        let [opened, failed, polls, sent, received, closed] =
            std::array::from_fn(|figure| figures[figure].get(transport).copied().unwrap_or(0));
        let at = |percent| opening.get(transport).and_then(|bins| percentile(bins, percent));
        let (p50, p99) = (at(50.0), at(99.0));
        SocketRow { transport: transport.to_owned(), opened, failed, p50, p99, polls, sent, received, closed }
    };
    transports.into_iter().map(row).collect()
}

fn custom_row(metric: &str, metrics: &MetricSet) -> Option<CustomRow> {
    let selector = SeriesKey::new(metric);
    let (_, points) = metrics.iter().find(|(key, _)| key.metric == metric)?;
    let statistic = |statistic| metrics.statistic(&selector, statistic);
    Some(CustomRow {
        name: metric.strip_prefix(CUSTOM).unwrap_or(metric).to_owned(),
        kind: points.kind(),
        count: statistic(Statistic::Count).map_or(0, |count| count as u64),
        rate: statistic(Statistic::Rate),
        mean: statistic(Statistic::Mean),
        p50: statistic(Statistic::Percentile(50.0)),
        p99: statistic(Statistic::Percentile(99.0)),
        max: statistic(Statistic::Max),
    })
}
