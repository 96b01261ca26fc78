//! The metrics that a run measures by itself: their names, kinds and tags.
//!
//! Thresholds are checked against this table before anything is started, so that a
//! misspelled metric is a mistake in the scenario and not a verdict without data.

/// What a metric counts, and with that which statistics it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Times in seconds: has all statistics.
    Duration,
    /// Claims that came true or did not: has `rate`, the share of those that did, and `count`, of all.
    Ratio,
    /// Events: has `count` and `rate`, per second.
    Count,
    /// Whatever its author records or its source reports.
    Any,
}

/// One metric of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, as thresholds and reports have it.
    pub name: &'static str,
    /// What it counts.
    pub kind: Kind,
    /// Its tags, besides `scenario`, `region` and the user's own.
    pub tags: &'static [&'static str],
}

const fn metric(name: &'static str, kind: Kind, tags: &'static [&'static str]) -> Metric {
    Metric { name, kind, tags }
}

/// Every metric with a fixed name.
pub const METRICS: &[Metric] = &[
    metric("http.response", Kind::Duration, &["name", "method", "status"]),
    metric("http.service", Kind::Duration, &["name", "method", "status"]),
    metric("http.connect", Kind::Duration, &["name", "method", "status"]),
    metric("http.tls", Kind::Duration, &["name", "method", "status"]),
    metric("http.first_byte", Kind::Duration, &["name", "method", "status"]),
    metric("http.failed", Kind::Ratio, &["name", "kind"]),
    metric("socket.connect", Kind::Duration, &["transport", "status"]),
    metric("socket.poll", Kind::Duration, &["transport", "status"]),
    metric("socket.failed", Kind::Ratio, &["transport", "kind"]),
    metric("socket.received", Kind::Count, &["transport", "event"]),
    metric("socket.sent", Kind::Count, &["transport", "event"]),
    metric("socket.closed", Kind::Count, &["by", "code"]),
    metric("cue.delay", Kind::Duration, &["cue", "transport"]),
    metric("cue.reach", Kind::Ratio, &["cue", "transport"]),
    metric("cue.delivery", Kind::Ratio, &["cue", "transport"]),
    metric("checks", Kind::Ratio, &["name"]),
    metric("errors", Kind::Count, &["kind"]),
    metric("users.start_lag", Kind::Duration, &[]),
];

/// The families whose members have any name and any kind.
pub const FAMILIES: &[&str] = &["custom.", "generator.", AUTOSCALER];

/// The family of the autoscaler's figures, each of which is one value for the whole run.
pub const AUTOSCALER: &str = "autoscaler.";

/// Those figures, with the unit of each; what they mean stands with the code that computes them.
pub const AUTOSCALER_FIGURES: [(&str, &str); 13] = [
    ("under_accuracy", "instances"),
    ("over_accuracy", "instances"),
    ("under_accuracy_relative", "% of demand"),
    ("over_accuracy_relative", "% of demand"),
    ("under_share", "% of the time"),
    ("over_share", "% of the time"),
    ("jitter", "changes a minute"),
    ("instability", "% of the ticks"),
    ("observed_share", "% of the time"),
    ("readiness_s", "s"),
    ("overshoot", "instances"),
    ("reversals", "changes of mind"),
    ("errors_while_draining", "errors"),
];

/// Finds a metric of the table.
#[must_use]
pub fn metric_named(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// Tells what a metric counts; `None` for one that nobody measures.
#[must_use]
pub fn kind_of(name: &str) -> Option<Kind> {
    let is_member = |family: &str| name.strip_prefix(family).is_some_and(|member| !member.is_empty());
    let is_known = || match name.strip_prefix(AUTOSCALER) {
        Some(figure) => AUTOSCALER_FIGURES.iter().any(|(known, _)| *known == figure),
        None => FAMILIES.iter().any(|family| is_member(family)),
    };
    let of_family = || is_known().then_some(Kind::Any);
    metric_named(name).map(|metric| metric.kind).or_else(of_family)
}
