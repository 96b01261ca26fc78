//! Which figures of two runs are compared.
//!
//! A figure of the whole run comes first and its parts after it: calls by name, failures by kind,
//! sockets by transport. A whole that has only one part is not told twice.

use std::collections::BTreeSet;

use rehearsal_metrics::{Kind, SeriesKey};
use serde::Serialize;

use super::Side;
use super::comparison::Unit;

/// What is computed of samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Measure {
    /// A percentile of durations, 0 … 100.
    Percentile(f64),
    /// The mean of durations.
    Mean,
    /// How many there were in a second.
    PerSecond,
    /// The share that said yes.
    Share,
    /// The share that said no.
    NoShare,
    /// Errors for each call and each opening of a socket.
    PerCall,
}

/// Which way a figure should go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// Only its author knows.
    Unknown,
}

/// How much of a run a figure is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All of it.
    Whole,
    /// Calls of one name, failures of one kind, a metric of the scenario's own …
    Part,
}

/// Samples of which some measures are taken.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Subject {
    /// Selects the samples.
    pub key: SeriesKey,
    /// How much of the run they are.
    pub scope: Scope,
    /// What is computed of them.
    pub measures: &'static [Measure],
}

const RESPONSE: &[Measure] = {
    use Measure::*;
    &[Percentile(50.0), Percentile(95.0), Percentile(99.0), Mean, PerSecond]
};

/// Metrics of the run's own with the tag that divides each.
const METRICS: &[(&str, &str, &[Measure])] = &[
    ("http.response", "name", RESPONSE),
    ("http.failed", "kind", &[Measure::Share]),
    ("socket.connect", "transport", &[Measure::Percentile(99.0)]),
    ("socket.failed", "transport", &[Measure::Share]),
    ("checks", "name", &[Measure::NoShare]),
];

/// Lists what can be compared of two runs, in the order in which it is told when nothing stands out.
pub(super) fn subjects(a: &Side<'_>, b: &Side<'_>) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for (metric, tag, measures) in METRICS.iter().copied() {
        let whole = SeriesKey::new(metric);
        let series = || series_of(a, b).filter(|(key, _)| key.metric == metric);
        if series().next().is_none() {
            continue;
        }
        let parts: BTreeSet<&str> = series().filter_map(|(key, _)| key.tags.get(tag)).collect();
        subjects.push(Subject { key: whole.clone(), scope: Scope::Whole, measures });
        let parts = parts.iter().filter(|_| parts.len() > 1).map(|part| whole.with(tag, *part));
        subjects.extend(parts.map(|key| Subject { key, scope: Scope::Part, measures }));
    }
    subjects.push(Subject { key: SeriesKey::new("errors"), scope: Scope::Whole, measures: &[Measure::PerCall] });
    let custom = series_of(a, b).filter(|(key, _)| key.metric.starts_with("custom."));
    let custom: BTreeSet<(&str, Kind)> = custom.map(|(key, kind)| (key.metric.as_str(), kind)).collect();
    subjects.extend(custom.into_iter().filter_map(|(metric, kind)| {
        let measures: &[Measure] = match kind {
            Kind::Duration => &[Measure::Percentile(50.0), Measure::Percentile(99.0)],
            Kind::Ratio => &[Measure::Share],
            // More orders may be success or a loop gone wild.
            Kind::Count => return None,
        };
        Some(Subject { key: SeriesKey::new(metric), scope: Scope::Part, measures })
    }));
    subjects
}

fn series_of<'a>(a: &'a Side<'_>, b: &'a Side<'_>) -> impl Iterator<Item = (&'a SeriesKey, Kind)> {
    let series = a.timeline.series().iter().chain(b.timeline.series());
    series.map(|series| (&series.key, series.kind))
}

impl Measure {
    /// The way that a measure of these samples should go.
    pub(super) fn better(self, key: &SeriesKey) -> Better {
        match self {
            Measure::PerSecond => Better::Higher,
            Measure::Share if key.metric.starts_with("custom.") => Better::Unknown,
            Measure::Share if key.metric == "cue.reach" => Better::Higher,
            _ => Better::Lower,
        }
    }

    /// What it is measured in.
    pub(super) fn unit(self) -> Unit {
        match self {
            Measure::Percentile(_) | Measure::Mean => Unit::Seconds,
            Measure::PerSecond => Unit::PerSecond,
            Measure::Share | Measure::NoShare => Unit::Share,
            Measure::PerCall => Unit::PerCall,
        }
    }

    /// Its name, as thresholds write it where they have it.
    pub(super) fn name(self) -> String {
        match self {
            Measure::Percentile(percent) => format!("p({percent})"),
            Measure::Mean => "mean".to_owned(),
            Measure::PerSecond | Measure::Share => "rate".to_owned(),
            Measure::NoShare => "failed".to_owned(),
            Measure::PerCall => "per call".to_owned(),
        }
    }
}
