//! Weighs everything that is known of a run: pass, fail or inconclusive.
//!
//! A run **fails** when a threshold failed or nothing worked at all. It is **inconclusive** when a
//! threshold had no data, when an agent was lost or its seconds never arrived, or when what failed
//! lies in stretches in which the generator was the limit. A failure beats inconclusive.

use std::collections::BTreeMap;

use rehearsal_metrics::{CueFiring, MetricSet, Points, Span, Summary, Timeline, UserState};
use rehearsal_plan::catalogue::AUTOSCALER;
use rehearsal_plan::{Statistic, Threshold};
use serde::{Deserialize, Serialize};

use crate::amounts::{count, counted};
use crate::case::{Case, Extent, Finding, Statement};
use crate::elasticity::{Assessment, ScalerFinding, Weight};
use crate::generator::{Generator, Grade};
use crate::thresholds::{Outcome, ThresholdOutcome, evaluate, holds, is_judged_by_second, measure};
use crate::watch::Breach;

mod gaps;

/// What a run comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that was asked for held.
    Pass,
    /// Something did not.
    Fail,
    /// Nobody can tell.
    Inconclusive,
}

impl Verdict {
    /// The verdict's name in files.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Inconclusive => "inconclusive",
        }
    }
}

/// How a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ending {
    /// As planned, or because a threshold aborted it.
    ByItself,
    /// By the operator, at this run time in seconds.
    ByOperator {
        /// When the operator stopped it.
        at_s: f64,
    },
}

/// What is known of the autoscaler under test.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Autoscaler {
    /// Nobody expects anything of it.
    #[default]
    NotExpected,
    /// The plan expects something, but no observer is configured.
    NotObserved,
    /// The configured observer never said anything.
    Silent {
        /// What it met instead, if it met anything.
        why: Option<String>,
    },
    /// What is to be said of it.
    Observed(Box<Assessment>),
}

/// What became of a guard.
#[derive(Clone, Debug, PartialEq)]
pub enum GuardOutcome {
    /// Its figure was seen, and stayed where it has to.
    Held,
    /// Its figure was never seen, so it protected nothing.
    Unseen {
        /// The figure's name.
        metric: String,
        /// Whether somebody was to watch it.
        is_observed: bool,
    },
    /// Its figure was where it must not be, which ended the run.
    Crossed {
        /// When that was seen, in seconds of run time.
        at_s: f64,
        /// What the figure was, and where it is to stay.
        text: String,
    },
}

/// A firing that was written down as intended, and of which nobody knows what became.
#[derive(Clone, Debug, PartialEq)]
pub struct UnresolvedCue {
    /// The cue's name in the plan.
    pub name: String,
    /// The number of the firing within the run.
    pub number: u32,
    /// The intended instant, in seconds of run time.
    pub at_s: f64,
    /// Why nobody knows.
    pub why: String,
}

/// Everything that the judge looks at.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// All that agents reported.
    pub timeline: &'a Timeline,
    /// The cues that were fired.
    pub firings: &'a [CueFiring],
    /// The cues of which nobody knows whether they were.
    pub unresolved: &'a [UnresolvedCue],
    /// The samples of the whole run.
    pub metrics: &'a MetricSet,
    /// The totals of the whole run.
    pub summary: &'a Summary,
    /// How long the run lasted, in seconds of run time.
    pub duration_s: f64,
    /// The plan's rules.
    pub thresholds: &'a [Threshold],
    /// What [`WatchedThresholds`](crate::WatchedThresholds) found.
    pub breaches: &'a [Breach],
    /// How well the load generator was.
    pub generator: &'a Generator,
    /// What is known of the autoscaler.
    pub autoscaler: &'a Autoscaler,
    /// What became of the plan's guards.
    pub guards: &'a [GuardOutcome],
    /// How the run came to its end.
    pub ending: Ending,
    /// Names of agents by their number in the timeline, for the findings.
    pub agents: &'a BTreeMap<u32, String>,
}

/// What a run comes to, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Pass, fail or inconclusive.
    pub verdict: Verdict,
    /// The reasons, those that matter most first.
    pub findings: Vec<Finding>,
    /// One entry for each of the plan's thresholds, in their order.
    pub thresholds: Vec<ThresholdOutcome>,
}

/// Judges a run.
pub fn judge(evidence: &Evidence<'_>) -> Judgement {
    let mut case = Case::default();
    let thresholds = judge_thresholds(evidence, &mut case);
    judge_activity(evidence, &mut case);
    judge_autoscaler(evidence, &mut case);
    judge_guards(evidence, &mut case);
    gaps::of_agents(evidence, &mut case);
    gaps::of_cues(evidence, &mut case);
    gaps::of_users(evidence, &mut case);
    describe_run(evidence, &mut case);
    let verdict = match (case.has_failed, case.is_doubtful) {
        (true, _) => Verdict::Fail,
        (false, true) => Verdict::Inconclusive,
        (false, false) => Verdict::Pass,
    };
    Judgement { verdict, findings: case.into_findings(), thresholds }
}

impl Evidence<'_> {
    /// The seconds of the run, the last one whole.
    fn seconds(&self) -> Span {
        Span { from_s: 0, to_s: self.duration_s.ceil() as i64 }
    }

    /// A statement about the whole run.
    fn of_run(&self, subject: impl Into<String>, text: impl Into<String>) -> Statement {
        let extent = Extent { from_s: 0.0, to_s: self.duration_s };
        Statement { subject: subject.into(), text: text.into(), extent }
    }

    fn breaches_of(&self, rule: usize) -> impl Iterator<Item = &Breach> {
        self.breaches.iter().filter(move |breach| breach.rule == rule)
    }
}

fn judge_thresholds(evidence: &Evidence<'_>, case: &mut Case) -> Vec<ThresholdOutcome> {
    let no_figures = BTreeMap::new();
    let figures = match evidence.autoscaler {
        Autoscaler::Observed(assessment) => &assessment.figures,
        _ => &no_figures,
    };
    let mut outcomes = evaluate(evidence.thresholds, evidence.metrics, figures);
    for (rule, (outcome, threshold)) in outcomes.iter_mut().zip(evidence.thresholds).enumerate() {
        let breach = evidence.breaches_of(rule).next();
        if let Some(breach) = breach {
            (outcome.value, outcome.outcome) = (Some(breach.value), Outcome::Fail);
        }
        let was = outcome.value_text().unwrap_or_default();
        let extent = breach.map(|breach| breach.span.into());
        let say = |text: String| {
            let statement = evidence.of_run("threshold", text);
            Statement { extent: extent.unwrap_or(statement.extent), ..statement }
        };
        match outcome.outcome {
            Outcome::Pass => {}
            Outcome::NoData => case.doubt(say(format!("`{threshold}` had no data"))),
            Outcome::Fail if stands(evidence, rule, threshold) => {
                case.fail(say(format!("`{threshold}` failed: it was {was}")));
            }
            Outcome::Fail => {
                case.doubt(say(format!("`{threshold}` failed with {was}, but only where the generator was the limit")))
            }
        }
    }
    outcomes
}

/// Tells whether a rule is broken also by what was seen while the generator was not the limit.
fn stands(evidence: &Evidence<'_>, rule: usize, threshold: &Threshold) -> bool {
    let seconds = evidence.seconds();
    let parts = evidence.generator.fit_parts(seconds);
    let is_of_autoscaler = threshold.metric.starts_with(AUTOSCALER);
    if is_of_autoscaler || parts == [seconds] {
        return true;
    }
    if is_judged_by_second(threshold) {
        let lasted = |part: Span| (part.to_s - part.from_s) as f64;
        let held_for = threshold.held_for.unwrap_or_default().as_secs_f64();
        let streaks = evidence.breaches_of(rule).flat_map(|breach| evidence.generator.fit_parts(breach.span));
        return streaks.into_iter().any(|part| lasted(part) >= held_for);
    }
    let values = parts.into_iter().filter_map(|part| {
        let metrics = MetricSet::window(evidence.timeline, evidence.firings, part);
        measure(threshold, &metrics)
    });
    match threshold.statistic {
        // Counts of the parts add up. Any other statistic of the whole lies between those of its
        // parts, so what holds in each part holds in all of them together.
        Statistic::Count => !holds(threshold, values.sum()),
        _ => values.into_iter().any(|value| !holds(threshold, value)),
    }
}

/// Fails a run in which nothing worked at all, whatever its thresholds say.
fn judge_activity(evidence: &Evidence<'_>, case: &mut Case) {
    let Evidence { summary, metrics, timeline, .. } = evidence;
    let planned = summary.users.planned();
    let agents = timeline.agents().values();
    let came: u64 = agents.map(|agent| agent.users.get(UserState::Waiting, UserState::Live)).sum();
    if planned > 0 && came == 0 {
        case.fail(evidence.of_run("run", format!("no user came live, of {} planned", count(planned))));
        return;
    }
    if came == 0 {
        // Called off before the start, or planned so: nothing was seen to fail.
        return case.doubt(evidence.of_run("run", "nobody came: nothing was played"));
    }
    let (calls_good, calls) = good_of(metrics, "http.failed");
    let (sockets_open, sockets) = good_of(metrics, "socket.failed");
    let begun = summary.calls.iter().map(|call| call.counts.begun).sum::<u64>().max(calls);
    let tried = begun + sockets > 0;
    let failed = summary.users.users(UserState::Failed);
    if !tried && failed == came {
        let text =
            format!("nothing worked: all {} ended by errors of the script before any call", counted(failed, "user"));
        return case.fail(evidence.of_run("run", text));
    }
    if failed == came {
        let text = format!("nothing worked: all {} ended by errors of the script", counted(failed, "user"));
        return case.fail(evidence.of_run("run", text));
    }
    if !tried || calls_good + sockets_open > 0 {
        return;
    }
    let text = format!(
        "nothing worked: of {} none was answered well, of {} none opened",
        counted(begun, "call"),
        counted(sockets, "socket")
    );
    match evidence.generator.fit_parts(evidence.seconds()).is_empty() {
        false => case.fail(evidence.of_run("run", text)),
        true => case.doubt(evidence.of_run("run", text + ", but the generator was the limit all the time")),
    }
}

/// Counts those that did not fail, and all, of a ratio of failures.
fn good_of(metrics: &MetricSet, failures: &str) -> (u64, u64) {
    let ratios = metrics.iter().filter(|(key, _)| key.metric == failures);
    ratios.fold((0, 0), |(good, all), (_, points)| match points {
        Points::Ratio { yes, total } => (good + total.saturating_sub(*yes), all + total),
        Points::Duration(_) | Points::Count(_) => (good, all),
    })
}

fn judge_autoscaler(evidence: &Evidence<'_>, case: &mut Case) {
    let say = |text: &str| evidence.of_run("autoscaler", text);
    match evidence.autoscaler {
        Autoscaler::NotExpected => {}
        Autoscaler::Observed(assessment) => {
            assessment.findings.iter().for_each(|finding| judge_scaler_finding(evidence, finding, case));
        }
        Autoscaler::NotObserved => case.tell(say("autoscaler not judged: no observer is configured")),
        Autoscaler::Silent { why } => {
            let why = why.iter().map(|why| format!(" ({why})")).collect::<String>();
            case.doubt(say(&format!("autoscaler not judged: its observer never said anything{why}")));
        }
    }
}

fn judge_scaler_finding(evidence: &Evidence<'_>, finding: &ScalerFinding, case: &mut Case) {
    let ScalerFinding { weight, kind: _, text, from_s, to_s } = finding.clone().beside(evidence.generator);
    let statement = Statement { extent: Extent { from_s, to_s }, ..evidence.of_run("autoscaler", text) };
    match weight {
        Weight::Fail => case.fail(statement),
        Weight::Doubt => case.doubt(statement),
        Weight::Tell => case.tell(statement),
    }
}

/// A guard that was crossed fails the run; one that nobody watched leaves it open, unless nobody was to watch.
fn judge_guards(evidence: &Evidence<'_>, case: &mut Case) {
    for guard in evidence.guards {
        match guard {
            GuardOutcome::Held => {}
            GuardOutcome::Unseen { metric, is_observed } => {
                let text = format!("{metric} was never seen: its guard protected nothing");
                let statement = evidence.of_run("guard", text);
                if *is_observed { case.doubt(statement) } else { case.warn(statement) }
            }
            GuardOutcome::Crossed { at_s, text } => {
                let extent = Extent { from_s: *at_s, to_s: evidence.duration_s };
                case.fail(Statement { extent, ..evidence.of_run("guard", format!("{text}: the run was stopped")) });
            }
        }
    }
}

/// Says how the run ended and where the generator was the limit.
fn describe_run(evidence: &Evidence<'_>, case: &mut Case) {
    if let Ending::ByOperator { at_s } = evidence.ending {
        let extent = Extent { from_s: at_s, to_s: evidence.duration_s };
        case.tell(Statement { extent, ..evidence.of_run("run", "stopped by the operator") });
    }
    for breach in evidence.breaches.iter().filter(|breach| breach.aborts) {
        let end = evidence.duration_s;
        let extent = Extent { from_s: (breach.span.to_s as f64).min(end), to_s: end };
        let text = format!("ended by `{}`", breach.text);
        case.tell(Statement { extent, ..evidence.of_run("run", text) });
    }
    for stretch in evidence.generator.worst.iter().filter(|stretch| stretch.grade == Grade::Poor) {
        let extent = Span { from_s: stretch.from_s, to_s: stretch.to_s }.into();
        let text = format!("the generator was the limit: {}", stretch.reasons.join(", "));
        case.warn(Statement { extent, ..evidence.of_run("generator", text) });
    }
}

#[cfg(test)]
pub(crate) mod tests;
