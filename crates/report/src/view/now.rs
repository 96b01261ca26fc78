//! The parts of a run as it stands, each from what is known of it. The coordinator puts them together with its own state.
//!
//! Figures over the run so far are read from its samples ([`Screen::metrics`](super::Screen::metrics)), by the same code that
//! reads them for the report.

use std::collections::BTreeMap;
use std::time::Duration;

use rehearsal_metrics::{AgentRecord, Bins, CallCounts, ErrorCount, Ledger, MetricSet, Points, Timeline, UserState};
use rehearsal_plan::{Load, Plan, RunTime, Scenario, Threshold, Versions};
use rehearsal_verdict::{Breach, Finding, Generator, Outcome, Severity, ThresholdOutcome, evaluate};

use super::snapshot::{
    AgentNow, CallNow, CheckNow, ErrorNow, FindingNow, LoadNow, SocketNow, StretchNow, ThresholdNow, UsersNow,
};
use crate::groups::{merged_by, percentile, responses};
use crate::report::socket_rows;

/// Users by state.
pub fn users_now(ledger: &Ledger) -> UsersNow {
    UsersNow {
        planned: ledger.planned(),
        waiting: ledger.users(UserState::Waiting),
        live: ledger.users(UserState::Live),
        finished: ledger.users(UserState::Finished),
        failed: ledger.users(UserState::Failed),
        dropped: ledger.users(UserState::Dropped),
        cancelled: ledger.users(UserState::Cancelled),
        lost: ledger.users(UserState::Lost),
        restored: ledger.restored(),
    }
}

impl UsersNow {
    /// Lists the states in the order of reports.
    pub fn by_state(&self) -> [(&'static str, u64); UserState::ALL.len()] {
        UserState::ALL.map(|state| {
            let users = match state {
                UserState::Waiting => self.waiting,
                UserState::Live => self.live,
                UserState::Finished => self.finished,
                UserState::Failed => self.failed,
                UserState::Dropped => self.dropped,
                UserState::Cancelled => self.cancelled,
                UserState::Lost => self.lost,
            };
            (state.name(), users)
        })
    }
}

/// Calls by name, with their response times over the run so far.
pub fn calls_now(timeline: &Timeline, metrics: &MetricSet) -> Vec<CallNow> {
    let responses = responses(metrics.iter());
    let row = |(name, counts): (&String, &CallCounts)| {
        let bins = responses.get(name.as_str());
        let at = |percent| bins.and_then(|bins| percentile(bins, percent));
        CallNow {
            name: name.clone(),
            begun: counts.begun,
            answered: counts.answered,
            failed: counts.failed,
            cut: counts.cut,
            open: counts.open(),
            p50: at(50.0),
            p90: at(90.0),
            p99: at(99.0),
            max: bins.and_then(Bins::max).map(|max| max.as_secs_f64()),
        }
    };
    timeline.calls().iter().map(row).collect()
}

/// Sockets by transport.
pub fn sockets_now(metrics: &MetricSet) -> Vec<SocketNow> {
    let rows = socket_rows(metrics).into_iter().map(|row| SocketNow {
        open: row.opened.saturating_sub(row.closed),
        transport: row.transport,
        opened: row.opened,
        failed: row.failed,
        closed: row.closed,
        sent: row.sent,
        received: row.received,
    });
    rows.collect()
}

/// How often each check said yes and no.
pub fn checks_now(metrics: &MetricSet) -> Vec<CheckNow> {
    let checks = merged_by(metrics.iter(), "checks", "name").into_iter();
    let row = |(name, points): (&str, Points)| match points {
        Points::Ratio { yes, total } => {
            Some(CheckNow { name: name.to_owned(), passed: yes, failed: total.saturating_sub(yes) })
        }
        Points::Duration(_) | Points::Count(_) => None,
    };
    checks.filter_map(row).collect()
}

/// Errors by kind.
pub fn errors_now(timeline: &Timeline) -> Vec<ErrorNow> {
    let row = |(kind, error): (&str, &ErrorCount)| ErrorNow {
        kind: kind.to_owned(),
        count: error.count,
        sample: error.sample.clone(),
    };
    timeline.errors().iter().map(row).collect()
}

/// How the plan's rules would come out if the run ended now; a rule that was broken for as long as it says stays broken.
/// Figures of the autoscaler are known at the end.
pub fn thresholds_now(thresholds: &[Threshold], metrics: &MetricSet, breaches: &[Breach]) -> Vec<ThresholdNow> {
    let mut outcomes = evaluate(thresholds, metrics, &BTreeMap::new());
    for (rule, outcome) in outcomes.iter_mut().enumerate() {
        if let Some(breach) = breaches.iter().find(|breach| breach.rule == rule) {
            (outcome.value, outcome.outcome) = (Some(breach.value), Outcome::Fail);
        }
    }
    outcomes.iter().map(threshold_now).collect()
}

/// One threshold as it came out.
pub fn threshold_now(outcome: &ThresholdOutcome) -> ThresholdNow {
    let word = match outcome.outcome {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::NoData => "no_data",
    };
    ThresholdNow {
        text: outcome.text.clone(),
        value: outcome.value,
        shown: outcome.value_text(),
        outcome: word.to_owned(),
    }
}

/// One finding of the judge.
pub fn finding_now(finding: &Finding) -> FindingNow {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    FindingNow {
        severity: severity.to_owned(),
        subject: finding.subject.clone(),
        text: finding.text.clone(),
        from_s: finding.from_s,
        to_s: finding.to_s,
    }
}

/// One agent, which may use `cores` cores. `state` is what the link thinks of it, `settled` the last settled second.
pub fn agent_now(
    (id, region): (&str, &str),
    state: &str,
    record: Option<&AgentRecord>,
    settled: Option<i64>,
    cores: u32,
) -> AgentNow {
    let moved = |wanted: fn(UserState, UserState) -> bool| {
        let moves = record.into_iter().flat_map(|record| record.users.iter());
        moves.filter(|(from, to, _)| wanted(*from, *to)).fold(0, |sum: u64, (.., users)| sum.saturating_add(users))
    };
    let came = moved(|_, to| to == UserState::Live);
    let health = record.and_then(|record| record.latest).map(|(_, health)| health);
    let unobserved = record.zip(settled).map(|(record, settled)| record.unobserved(settled + 1)).unwrap_or_default();
    AgentNow {
        id: id.to_owned(),
        region: region.to_owned(),
        state: state.to_owned(),
        users: came.saturating_sub(moved(|from, _| from == UserState::Live)),
        started: moved(|from, to| (from, to) == (UserState::Waiting, UserState::Live)),
        clock_bound_s: health.map(|health| health.clock_bound_micros as f64 / 1e6),
        cpu: health.map(|health| f64::from(health.cpu_milli) / 1e3 / f64::from(cores.max(1))),
        lag_s: health.map(|health| health.lag_max_micros as f64 / 1e6),
        open_files: health.map(|health| health.open_files),
        reported_s: record.and_then(|record| record.reported.end()).map(|end| end - 1),
        unobserved: unobserved.iter().map(|span| StretchNow { from_s: span.from_s, to_s: span.to_s }).collect(),
    }
}

/// The load of each scenario, as the plan now stands.
pub fn loads_now(plan: &Plan, versions: &Versions) -> Vec<LoadNow> {
    let loads = plan.scenarios.iter().zip(&versions.latest().loads).enumerate();
    let row = |(position, (scenario, load)): (usize, (&Scenario, &Load))| {
        let kind = match load {
            Load::Arrive { .. } => "arrive",
            Load::Population { .. } => "users",
            Load::Rate { .. } => "rate",
            Load::Curve { .. } => "curve",
        };
        LoadNow { scenario: scenario.name.clone(), kind: kind.to_owned(), planned: versions.planned_of(position) }
    };
    loads.map(row).collect()
}

/// When the plan ends, in seconds since the start: when everybody has left, at the latest after `ends_after`.
pub fn ends_now(versions: &Versions, started: RunTime, ends_after: Option<Duration>) -> Option<f64> {
    let all_left = versions.end().map(|end| RunTime(end.0.saturating_sub(started.0)).as_secs_f64());
    let latest = ends_after.map(|after| after.as_secs_f64());
    all_left.into_iter().chain(latest).min_by(f64::total_cmp)
}

/// The generator's grade over the run so far; the agent with the fewest cores has `cores`.
pub fn generator_now(timeline: &Timeline, cores: u32) -> Option<String> {
    Generator::of(timeline.health(), cores).grade.map(|grade| grade.name().to_owned())
}
