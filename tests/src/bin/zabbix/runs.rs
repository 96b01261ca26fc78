//! What is played, and what its verdict has to say.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use rehearsal_tests::{Outcome, Rehearsal};
use serde_json::Value;

use crate::autoscaler::{ARE_BUSY, ARE_IDLE, AVERAGE, Autoscaler, SCALER};
use crate::balancer::{BACKEND, Balancer};
use crate::platform::{Leave, Order};

const SHOW: &str = include_str!("show.rhai");
/// How many viewers an instance is meant for: with them it is as full as the upper edge of the band.
const CAPACITY: u32 = 30;
/// The longest that a run may take on a busy machine, beyond its plan.
const MAY_LAST_LONGER: Duration = Duration::from_secs(60);
/// How far an instant of the report may be from that of the platform, in seconds: Zabbix counts whole seconds, and its
/// script is run before the platform hears of it.
const SAME_INSTANT_S: f64 = 3.0;

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Run {
    /// The loop as it should be: out, out, in, in.
    Healthy,
    /// The actions are disabled: the triggers fire, and nothing follows.
    Frozen,
    /// Instances that leave are killed with all their viewers.
    Harsh,
}

impl Run {
    pub const ALL: [Run; 3] = [Run::Healthy, Run::Frozen, Run::Harsh];

    /// How instances leave in it.
    pub fn leave(self) -> Leave {
        if self == Run::Harsh { Leave::Killed } else { Leave::Drained }
    }

    /// Whether the actions of Zabbix are enabled.
    pub fn acts(self) -> bool {
        self != Run::Frozen
    }

    /// Viewers as a share of what an instance is meant for, and for how many seconds.
    fn levels(self) -> &'static [(f64, u64)] {
        match self {
            // One instance, two, three, two, and one after a little wave: each needs a step of demand to be judged.
            Run::Healthy => &[(0.6, 10), (1.5, 45), (2.5, 45), (0.8, 45), (1.3, 15), (0.5, 45)],
            Run::Frozen => &[(0.6, 10), (2.5, 60)],
            Run::Harsh => &[(0.6, 10), (1.5, 45), (0.5, 45)],
        }
    }
}

/// The run with its observers.
pub fn rehearsal(run: Run, balancer: &Balancer, autoscaler: &Autoscaler, api: &str) -> Rehearsal {
    let seconds: u64 = run.levels().iter().map(|(_, hold)| hold + 4).sum();
    let environment = environment(balancer, run.levels()) + &observers(&balancer.statistics, api);
    let bound = Duration::from_secs(seconds) + MAY_LAST_LONGER;
    Rehearsal::of(SHOW).environment(&environment).variable("SHOW_ZABBIX_TOKEN", &autoscaler.token).bound(bound)
}

fn environment(balancer: &Balancer, levels: &[(f64, u64)]) -> String {
    let level = |(share, hold): &(f64, u64)| {
        let viewers = (f64::from(CAPACITY) * share).round();
        format!("{{ viewers = {viewers}, hold = \"{hold}s\" }}")
    };
    let levels: Vec<String> = levels.iter().map(level).collect();
    let (url, levels) = (&balancer.url, levels.join(", "));
    format!("target = \"{url}\"\ncapacity = {CAPACITY}\nlevels = [{levels}]\n")
}

/// What users of Zabbix and HAProxy write, as docs/zabbix.md shows it.
fn observers(statistics: &Path, api: &str) -> String {
    let (statistics, zabbix) = (statistics.display(), format!("url = \"{api}\"\ntoken = {{ secret = \"zabbix\" }}"));
    format!(
        "[autoscaler]\nevery = \"1s\"\n\
         [autoscaler.supply]\nobserve = \"haproxy\"\nsocket = \"{statistics}\"\nbackend = \"{BACKEND}\"\n\
         [autoscaler.metrics.busy]\nobserve = \"zabbix\"\n{zabbix}\nhost = \"{SCALER}\"\nitem = \"{AVERAGE}\"\nstale_after = \"30s\"\n\
         [autoscaler.activities]\nobserve = \"zabbix\"\n{zabbix}\nscale_out = \"{ARE_BUSY}\"\nscale_in = \"{ARE_IDLE}\"\n\
         [secrets]\nzabbix = {{ env = \"SHOW_ZABBIX_TOKEN\" }}\n"
    )
}

/// One statement about a run.
#[derive(Clone)]
pub struct Finding {
    pub what: &'static str,
    pub found: String,
    pub holds: bool,
}

/// Holds what the run says against what was done to it and what the platform was told.
pub fn judge(run: Run, outcome: &Outcome, orders: &[Order]) -> Vec<Finding> {
    let scaler = &outcome.summary["autoscaler"];
    let verdict = |code: i32| Finding {
        what: if code == 0 { "the run passes" } else { "the run fails" },
        found: format!("exit code {:?}, {}", outcome.exit_code, outcome.summary["verdict"]),
        holds: outcome.exit_code == Some(code),
    };
    match run {
        Run::Healthy => {
            let supply = [values(scaler, "ready").reduce(f64::min), values(scaler, "ready").reduce(f64::max)];
            let supplied = Finding {
                what: "the balancer had from one to three ready",
                found: format!("{supply:?}"),
                holds: supply == [Some(1.0), Some(3.0)],
            };
            let failed = failed_calls(outcome);
            let unharmed = Finding { what: "no call failed", found: failed.to_string(), holds: failed == 0 };
            let told = told(orders, "the platform is told: out, out, in, in", &[1, 1, -1, -1]);
            [vec![verdict(0), told, supplied, unharmed, faults(scaler, &[])], reactions(scaler, outcome, orders)]
                .concat()
        }
        Run::Frozen => vec![
            verdict(99),
            told(orders, "the platform is told nothing", &[]),
            faults(scaler, &["frozen", "out_of_band"]),
        ],
        Run::Harsh => {
            vec![verdict(99), told(orders, "the platform is told: out, in", &[1, -1]), faults(scaler, &["harsh"])]
        }
    }
}

fn told(orders: &[Order], what: &'static str, wanted: &[i64]) -> Finding {
    let changes: Vec<i64> = orders.iter().map(|order| order.change).collect();
    Finding { what, found: format!("{changes:?}"), holds: changes == wanted }
}

fn failed_calls(outcome: &Outcome) -> u64 {
    let unanswered = |call: &Value| outcome.number(&call["failed"], "failed") + outcome.number(&call["cut"], "cut");
    let statuses = outcome.series("http.response", &[]).into_iter().filter(|series| {
        series["tags"]["status"]
            .as_str()
            .and_then(|status| status.parse::<u16>().ok())
            .is_none_or(|status| status >= 400)
    });
    let refused: u64 = statuses.map(|series| outcome.number(&series["count"], "count")).sum();
    outcome.list("calls").iter().map(unanswered).sum::<u64>() + refused
}

/// What the scaler is accused of: the first of these, and the others at the most.
fn faults(scaler: &Value, wanted: &[&str]) -> Finding {
    let all = scaler["findings"].as_array();
    let fails = all.into_iter().flatten().filter(|finding| finding["weight"] == "fail");
    let kinds: Vec<&str> = fails.filter_map(|finding| finding["kind"].as_str()).collect();
    let is_named = wanted.first().is_none_or(|named| kinds.contains(named));
    Finding {
        what: if wanted.is_empty() { "nothing is held against the scaler" } else { "its fault is named" },
        found: format!("{kinds:?}"),
        holds: all.is_some() && is_named && kinds.iter().all(|kind| wanted.contains(kind)),
    }
}

/// Each rise of the load that called for more instances was noticed, decided, acted on and served, in this order, and decided when the platform was told.
fn reactions(scaler: &Value, outcome: &Outcome, orders: &[Order]) -> Vec<Finding> {
    let none = Vec::new();
    let steps = scaler["steps"].as_array().unwrap_or(&none);
    // The little wave before the end finds enough instances: nothing was to be noticed or decided.
    let found_none = |step: &&Value| step["readiness_s"].as_f64() != Some(0.0);
    let rises: Vec<&Value> = steps.iter().filter(|step| step["direction"] == "up").filter(found_none).collect();
    let parts = ["detection_s", "decision_s", "actuation_s", "readiness_s"];
    let split = |step: &&Value| parts.map(|part| step[part].as_f64());
    let splits: Vec<[Option<f64>; 4]> = rises.iter().map(split).collect();
    let is_told = |split: &[Option<f64>; 4]| {
        let known: Vec<f64> = split.iter().copied().flatten().collect();
        known.len() == split.len() && known.is_sorted()
    };
    let started = outcome.summary["started_at"].as_str().unwrap_or_default().to_owned();
    let decided: Vec<f64> =
        rises.iter().filter_map(|step| Some(step["at_s"].as_f64()? + step["decision_s"].as_f64()?)).collect();
    let outs: Vec<f64> = orders.iter().filter(|order| order.change > 0).map(|order| at_s(&started, order)).collect();
    let is_same = decided.len() == outs.len()
        && decided.iter().zip(&outs).all(|(decided, told)| (decided - told).abs() <= SAME_INSTANT_S);
    vec![
        Finding {
            what: "both rises tell detection, decision, actuation, readiness",
            found: format!("{splits:.1?}"),
            holds: splits.len() == 2 && splits.iter().all(is_told),
        },
        Finding {
            what: "decisions are of when the platform was told",
            found: format!("decided {decided:.1?}, told {outs:.1?}"),
            holds: is_same,
        },
    ]
}

/// The run time of an order, in seconds; not a number if the start is not known.
fn at_s(started: &str, order: &Order) -> f64 {
    let parsed = time::OffsetDateTime::parse(started, &time::format_description::well_known::Rfc3339);
    let Ok(started) = parsed else { return f64::NAN };
    let told = order.at.duration_since(UNIX_EPOCH).map_or(f64::NAN, |since| since.as_secs_f64());
    told - started.unix_timestamp_nanos() as f64 / 1e9
}

fn values(scaler: &Value, series: &str) -> impl Iterator<Item = f64> {
    scaler["series"][series].as_array().into_iter().flatten().filter_map(|sample| sample[1].as_f64())
}
