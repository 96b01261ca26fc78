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
pub struct Finding {
    pub what: &'static str,
    pub found: String,
    pub holds: bool,
}

/// Holds what the run says against what was done to it and what the platform was told.
pub fn judge(run: Run, outcome: &Outcome, orders: &[Order]) -> Vec<Finding> {
    let scaler = &outcome.summary["autoscaler"];
    let code = outcome.exit_code;
    let verdict = format!("exit code {code:?}, {}", outcome.summary["verdict"]);
    let changes: Vec<i64> = orders.iter().map(|order| order.change).filter(|change| *change != 0).collect();
    let mut findings = vec![Finding {
        what: "the autoscaler was observed",
        found: scaler["observed"].to_string(),
        holds: scaler["observed"] == true,
    }];
    let mut finding = |what, found: String, holds| findings.push(Finding { what, found, holds });
    match run {
        Run::Healthy => {
            finding("it passes", verdict, code == Some(0));
            finding("one out, one more, and both in again", format!("{changes:?}"), changes == [1, 1, -1, -1]);
            let errors = outcome.count("http.failed", &[]);
            finding("no viewer met an error", errors.to_string(), errors == 0);
            let supply = [lowest(scaler, "ready"), highest(scaler, "ready")];
            finding(
                "the balancer had from one to three ready",
                format!("{supply:?}"),
                supply == [Some(1.0), Some(3.0)],
            );
            findings.extend(reactions(scaler, outcome, orders));
        }
        Run::Frozen => {
            finding("it fails", verdict, code == Some(99));
            finding("the platform was told nothing", format!("{changes:?}"), changes.is_empty());
            findings.push(found(outcome, "the scaler is found frozen", "never changed anything"));
        }
        Run::Harsh => {
            finding("it fails", verdict, code == Some(99));
            finding("one out and in again", format!("{changes:?}"), changes == [1, -1]);
            findings.push(found(outcome, "its errors are found", "while instances left"));
        }
    }
    findings
}

fn found(outcome: &Outcome, what: &'static str, words: &str) -> Finding {
    let text = |finding: &Value| finding["text"].as_str().unwrap_or_default().to_owned();
    let texts: Vec<String> = outcome.list("findings").iter().map(text).collect();
    let found = texts.iter().find(|text| text.contains(words));
    Finding { what, holds: found.is_some(), found: found.cloned().unwrap_or_else(|| texts.join("; ")) }
}

/// Each rise of the load was noticed, decided, acted on and served, in this order, and decided when the platform was told.
fn reactions(scaler: &Value, outcome: &Outcome, orders: &[Order]) -> Vec<Finding> {
    let none = Vec::new();
    let steps = scaler["steps"].as_array().unwrap_or(&none);
    let rises: Vec<&Value> = steps.iter().filter(|step| step["direction"] == "up").collect();
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

fn lowest(scaler: &Value, series: &str) -> Option<f64> {
    values(scaler, series).reduce(f64::min)
}

fn highest(scaler: &Value, series: &str) -> Option<f64> {
    values(scaler, series).reduce(f64::max)
}

fn values(scaler: &Value, series: &str) -> impl Iterator<Item = f64> {
    scaler["series"][series].as_array().into_iter().flatten().filter_map(|sample| sample[1].as_f64())
}
