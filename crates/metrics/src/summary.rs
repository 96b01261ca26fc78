//! The totals of a run in the shapes that `summary.json` has.

use std::collections::BTreeMap;
use std::time::Duration;

use rehearsal_plan::Statistic;
use serde::{Deserialize, Serialize};

use crate::calls::CallCounts;
use crate::cues::{CueFiring, CueSummary};
use crate::ledger::{Ledger, LedgerError};
use crate::metric_set::MetricSet;
use crate::points::Points;
use crate::series::{Kind, SeriesKey, Tags};
use crate::timeline::Timeline;

/// Totals of a whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// How the users ended.
    pub users: Ledger,
    /// How the calls ended, by name.
    pub calls: Vec<CallSummary>,
    /// Every series with samples, in order of their keys.
    pub metrics: Vec<MetricSummary>,
    /// How often each check said yes.
    pub checks: Vec<CheckSummary>,
    /// Errors by kind.
    pub errors: Vec<ErrorSummary>,
    /// One entry for every firing.
    pub cues: Vec<CueSummary>,
}

/// How calls of one name ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSummary {
    /// The call's name.
    pub name: String,
    /// Its ledger.
    #[serde(flatten)]
    pub counts: CallCounts,
}

/// Statistics of one series; durations in seconds, `None` where the kind has no such statistic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricSummary {
    /// The metric.
    pub name: String,
    /// What its samples are.
    pub kind: Kind,
    /// Its tags.
    pub tags: Tags,
    /// Samples; the sum for a count, the whole for a ratio.
    pub count: u64,
    /// Per second; the part that said yes, as a fraction of 1, for a ratio.
    pub rate: Option<f64>,
    /// The mean.
    pub mean: Option<f64>,
    /// The shortest.
    pub min: Option<f64>,
    /// The longest.
    pub max: Option<f64>,
    /// The median.
    pub p50: Option<f64>,
    /// The 90th percentile.
    pub p90: Option<f64>,
    /// The 95th percentile.
    pub p95: Option<f64>,
    /// The 99th percentile.
    pub p99: Option<f64>,
    /// The 99.9th percentile.
    pub p999: Option<f64>,
}

/// How often one check said yes and no.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSummary {
    /// The check's name.
    pub name: String,
    /// Times that it said yes.
    pub passed: u64,
    /// Times that it said no.
    pub failed: u64,
}

/// One kind of error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorSummary {
    /// The kind.
    pub kind: String,
    /// How often it came.
    pub count: u64,
    /// What one of them said.
    pub sample: String,
}

impl Summary {
    /// Sums up a run that lasted `duration`.
    ///
    /// # Errors
    /// When agents reported more users leaving a state than were in it.
    pub fn of(timeline: &Timeline, firings: &[CueFiring], duration: Duration) -> Result<Summary, LedgerError> {
        let set = MetricSet::whole(timeline, firings, duration);
        let calls = timeline.calls().iter().map(|(name, counts)| CallSummary { name: name.clone(), counts: *counts });
        let errors = timeline.errors().iter().map(|(kind, error)| ErrorSummary {
            kind: kind.to_owned(),
            count: error.count,
            sample: error.sample.clone(),
        });
        Ok(Summary {
            users: timeline.ledger_now()?,
            calls: calls.collect(),
            metrics: set.iter().map(|(key, points)| MetricSummary::of(&set, key, points)).collect(),
            checks: checks(&set),
            errors: errors.collect(),
            cues: firings.iter().map(|firing| CueSummary::of(timeline, firing)).collect(),
        })
    }
}

impl MetricSummary {
    fn of(set: &MetricSet, key: &SeriesKey, points: &Points) -> MetricSummary {
        let statistic = |stat| set.statistic_for(key, points, stat);
        MetricSummary {
            name: key.metric.clone(),
            kind: points.kind(),
            tags: key.tags.clone(),
            count: points.count(),
            rate: statistic(Statistic::Rate),
            mean: statistic(Statistic::Mean),
            min: statistic(Statistic::Min),
            max: statistic(Statistic::Max),
            p50: statistic(Statistic::Percentile(50.0)),
            p90: statistic(Statistic::Percentile(90.0)),
            p95: statistic(Statistic::Percentile(95.0)),
            p99: statistic(Statistic::Percentile(99.0)),
            p999: statistic(Statistic::Percentile(99.9)),
        }
    }
}

/// Adds up the series of each check over regions, scenarios and the user's own tags.
fn checks(set: &MetricSet) -> Vec<CheckSummary> {
    let mut checks: BTreeMap<&str, CheckSummary> = BTreeMap::new();
    for (key, points) in set.iter().filter(|(key, _)| key.metric == "checks") {
        let name = key.tags.get("name").unwrap_or_default();
        if let Points::Ratio { yes, total } = points {
            let check =
                checks.entry(name).or_insert_with(|| CheckSummary { name: name.to_owned(), ..CheckSummary::default() });
            check.passed = check.passed.saturating_add(*yes);
            check.failed = check.failed.saturating_add(total.saturating_sub(*yes));
        }
    }
    checks.into_values().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::calls::CallStep;
    use crate::intern::Limits;
    use crate::ledger::UserState;
    use crate::recorder::Recorder;

    fn summary() -> Summary {
        let mut timeline = Timeline::new(Limits::default());
        timeline.plan_users(4);
        for (agent, region) in [(1, "eu"), (2, "us")] {
            let mut recorder = Recorder::new(Limits::default());
            recorder.roll(0);
            let check =
                recorder.series(Kind::Ratio, &SeriesKey::new("checks").with("name", "counted").with("region", region));
            recorder.ratio(check, agent == 1);
            recorder.transition(UserState::Waiting, UserState::Live);
            let vote = recorder.call_name("vote");
            recorder.call(vote, CallStep::Begun);
            recorder.error("timeout", "after 5 s", &Tags::default());
            recorder.finish().iter().for_each(|interval| timeline.add(agent, interval).unwrap());
        }
        Summary::of(&timeline, &[], Duration::from_secs(4)).unwrap()
    }

    #[test]
    fn the_shapes_are_those_of_the_summary_file() {
        let summary = serde_json::to_value(summary()).unwrap();
        assert_eq!(summary["checks"], json!([{ "name": "counted", "passed": 1, "failed": 1 }]));
        assert_eq!(summary["calls"], json!([{ "name": "vote", "begun": 2, "answered": 0, "failed": 0, "cut": 0 }]));
        assert_eq!(summary["errors"], json!([{ "kind": "timeout", "count": 2, "sample": "after 5 s" }]));
        let users = json!({ "planned": 4, "waiting": 2, "live": 2, "finished": 0, "failed": 0, "dropped": 0,
            "cancelled": 0, "lost": 0, "restored": 0 });
        assert_eq!(summary["users"], users);
        let check = json!({ "name": "checks", "kind": "ratio", "tags": { "name": "counted", "region": "eu" }, "count": 1,
            "rate": 1.0, "mean": null, "min": null, "max": null, "p50": null, "p90": null, "p95": null, "p99": null, "p999": null });
        assert_eq!(summary["metrics"][0], check);
        assert_eq!(summary["metrics"][2]["rate"], json!(0.5), "errors per second");
    }
}
