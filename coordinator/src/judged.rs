//! From what a run left behind to its report and its exit code.

use std::collections::BTreeMap;

use anyhow::Context as _;
use rehearsal_metrics::{CueSummary, MetricSet, Summary, UserState};
use rehearsal_verdict::amounts::seconds;
use rehearsal_verdict::elasticity::Assessment;
use rehearsal_verdict::{
    Autoscaler, Evidence, Finding, Generator, GuardOutcome, Severity, UnresolvedCue, Verdict, judge,
};

use crate::counters::Comparison;
use crate::exit::ExitCode;
use crate::fleet::cores_of_an_agent;
use crate::prepare::Prepared;
use crate::run::{Ending, Fired, LATE, Outcome, Sent};
use rehearsal_plan::RunTime;
use rehearsal_report::{AgentRow, AutoscalerRow, ReportInput, RunReport};

/// A run that was judged.
pub struct Judged {
    /// Everything that is told of it.
    pub report: RunReport,
    /// What the process says.
    pub code: ExitCode,
}

/// Judges a run.
pub fn judge_run(
    prepared: &Prepared,
    run_id: &str,
    outcome: &Outcome,
    counted: &anyhow::Result<Option<Comparison>>,
) -> anyhow::Result<Judged> {
    let timeline = &outcome.timeline;
    let mut summary = Summary::of(timeline, &outcome.firings, outcome.duration).context("adding up the users")?;
    let metrics = MetricSet::whole(timeline, &outcome.firings, outcome.duration);
    let generator = Generator::of(timeline.health(), cores_of_an_agent(&prepared.environment.agents));
    let duration_s = outcome.duration.as_secs_f64();
    let ending = match outcome.ending {
        Ending::Operator => rehearsal_verdict::Ending::ByOperator { at_s: duration_s },
        Ending::ByItself | Ending::Fault(_) => rehearsal_verdict::Ending::ByItself,
    };
    let names: BTreeMap<u32, String> =
        outcome.members.iter().map(|(agent, member)| (agent.0, member.id.clone())).collect();
    let autoscaler = autoscaler(prepared, outcome);
    let mut judgement = judge(&Evidence {
        timeline,
        firings: &outcome.firings,
        unresolved: &unresolved(outcome),
        metrics: &metrics,
        summary: &summary,
        duration_s,
        thresholds: &prepared.plan.thresholds,
        breaches: &outcome.breaches,
        generator: &generator,
        autoscaler: &autoscaler,
        guards: &outcome.seen.guards.outcomes(outcome.started.unwrap_or(RunTime::ZERO).0),
        ending,
        agents: &names,
    });
    summary.cues.extend(cues_without_delays(outcome));
    summary.cues.sort_by_key(|cue| cue.number);
    judgement.findings.extend(findings(outcome, counted));
    for finding in &mut judgement.findings {
        (finding.from_s, finding.to_s) = (finding.from_s.min(duration_s), finding.to_s.min(duration_s));
    }
    if matches!(outcome.ending, Ending::Fault(_)) && judgement.verdict == Verdict::Pass {
        // What could not go on has not passed, whatever was measured until then.
        judgement.verdict = Verdict::Inconclusive;
    }
    let code = ExitCode::of(judgement.verdict, ending);
    let report = RunReport::new(ReportInput {
        run_id: run_id.to_owned(),
        scenario: prepared.name.clone(),
        environment: prepared.environment_name.clone(),
        started_at: outcome.started_at,
        duration: outcome.duration,
        judgement,
        summary,
        metrics: &metrics,
        agents: agents(outcome),
        generator,
        autoscaler: autoscaler_row(&autoscaler, prepared, outcome),
    });
    Ok(Judged { report, code })
}

/// What is known of the autoscaler under test, by what the plan expects of it.
fn autoscaler(prepared: &Prepared, outcome: &Outcome) -> Autoscaler {
    if prepared.plan.autoscaler.is_none() {
        return Autoscaler::NotExpected;
    }
    if prepared.environment.autoscaler.is_none() {
        return Autoscaler::NotObserved;
    }
    match assess(prepared, outcome) {
        Some(assessment) => Autoscaler::Observed(Box::new(assessment)),
        None => Autoscaler::Silent { why: outcome.seen.log.first_failure() },
    }
}

fn assess(prepared: &Prepared, outcome: &Outcome) -> Option<Assessment> {
    let (plan, started) = (prepared.plan.autoscaler.as_ref(), outcome.started?);
    outcome.seen.log.judge(plan, &outcome.timeline, started, started + outcome.duration)
}

fn autoscaler_row(autoscaler: &Autoscaler, prepared: &Prepared, outcome: &Outcome) -> AutoscalerRow {
    match autoscaler {
        Autoscaler::Observed(assessment) => AutoscalerRow::Judged(assessment.clone()),
        Autoscaler::NotObserved => AutoscalerRow::not_judged("no observer is configured"),
        Autoscaler::Silent { why } => {
            let why = why.iter().map(|why| format!(" ({why})")).collect::<String>();
            AutoscalerRow::not_judged(format!("the configured observer never said anything{why}"))
        }
        Autoscaler::NotExpected => match assess(prepared, outcome) {
            Some(seen) => AutoscalerRow::Judged(Box::new(seen)),
            None => AutoscalerRow::not_judged("the plan expects nothing of it"),
        },
    }
}

/// Firings of which it is not known when they were sent: who heard them is known all the same, how late is not.
fn cues_without_delays(outcome: &Outcome) -> Vec<CueSummary> {
    let started = outcome.started.unwrap_or(RunTime::ZERO);
    let unsent = outcome.fired.iter().filter(|fired| !matches!(fired.outcome, Some(Sent::After(_))));
    let summaries = unsent.map(|fired| {
        let firing = fired.as_sent(started, 0);
        let known = CueSummary::of(&outcome.timeline, &firing);
        CueSummary { first: None, p50: None, p99: None, last: None, ..known }
    });
    summaries.collect()
}

fn unresolved(outcome: &Outcome) -> Vec<UnresolvedCue> {
    let why = |fired: &Fired| match &fired.outcome {
        Some(Sent::After(_)) => None,
        Some(Sent::Nothing) => Some("its function sent no request".to_owned()),
        Some(Sent::Failed(error)) => Some(format!("its function failed: {error}")),
        Some(Sent::Unknown) => Some("the coordinator died while it was fired".to_owned()),
        None => Some("its function had not returned when the run ended".to_owned()),
    };
    let started = outcome.started.map_or(0, |started| started.0);
    let unresolved = |fired: &Fired| {
        Some(UnresolvedCue {
            name: fired.announcement.name.clone(),
            number: fired.announcement.firing,
            at_s: (fired.announcement.at.0 - started) as f64 / 1e6,
            why: why(fired)?,
        })
    };
    outcome.fired.iter().filter_map(unresolved).collect()
}

/// What happened beside the numbers.
fn findings(outcome: &Outcome, counted: &anyhow::Result<Option<Comparison>>) -> Vec<Finding> {
    let end_s = outcome.duration.as_secs_f64();
    let finding = |severity, subject: &str, text: String, from_s: f64| {
        let (subject, to_s) = (subject.to_owned(), from_s.max(end_s));
        Finding { severity, subject, text, from_s, to_s, decides: severity == Severity::Error }
    };
    let moment = |subject: &str, text: String, at_s: f64| Finding {
        to_s: at_s,
        ..finding(Severity::Warning, subject, text, at_s)
    };
    let mut findings: Vec<Finding> = Vec::new();
    if let Ending::Fault(text) = &outcome.ending {
        findings.push(finding(Severity::Error, "run", format!("it could not go on: {text}"), end_s));
    }
    findings.extend(outcome.fired.iter().filter_map(|fired| match fired.outcome {
        Some(Sent::After(after)) if after > LATE.as_micros() as i64 => {
            let started = outcome.started.map_or(0, |started| started.0);
            let at_s = (fired.announcement.at.0 - started) as f64 / 1e6;
            let late = seconds(after as f64 / 1e6);
            let text =
                format!("{} was sent {late} after its instant; delays count from the sending", fired.announcement.name);
            Some(moment("cue", text, at_s))
        }
        _ => None,
    }));
    for cue in &outcome.unfired {
        findings.push(finding(Severity::Info, "cue", format!("{cue} was never fired"), 0.0));
    }
    let doubts = outcome.seen.log.doubts().into_iter();
    findings.extend(doubts.map(|text| finding(Severity::Warning, "autoscaler", text, 0.0)));
    findings.extend(outcome.seen.log.lateness().map(|text| finding(Severity::Info, "autoscaler", text, 0.0)));
    let guards = outcome.seen.guards.outcomes(0);
    let is_of_guard = |text: &str| {
        guards
            .iter()
            .any(|guard| matches!(guard, GuardOutcome::Crossed { text: crossed, .. } if text.starts_with(crossed)))
    };
    let notes = outcome.notes.iter().filter(|note| !is_of_guard(&note.text)); // the verdict tells of it
    findings.extend(notes.map(|note| moment(&note.subject, note.text.clone(), note.at_s)));
    match counted {
        Ok(None) => {}
        Ok(Some(comparison)) => {
            let differences = comparison.differences();
            findings.push(match differences.is_empty() {
                true => finding(
                    Severity::Info,
                    "demo",
                    format!("the demo counted the same: {}", comparison.agreement()),
                    0.0,
                ),
                false => finding(
                    Severity::Warning,
                    "demo",
                    format!("the demo counted otherwise: {}", differences.join("; ")),
                    0.0,
                ),
            });
        }
        Err(error) => {
            findings.push(finding(Severity::Warning, "demo", format!("its counters could not be read: {error:#}"), 0.0))
        }
    }
    findings
}

fn agents(outcome: &Outcome) -> Vec<AgentRow> {
    let until = outcome.duration.as_secs_f64().ceil() as i64;
    let rows = outcome.members.iter().map(|(agent, member)| {
        let record = outcome.timeline.agents().get(&agent.0);
        let started = |record: &rehearsal_metrics::AgentRecord| record.users.get(UserState::Waiting, UserState::Live);
        AgentRow {
            id: member.id.clone(),
            region: member.region.clone(),
            users: record.map_or(0, started),
            lost: member.lost,
            clock_offset_s: None, // agents correct their clocks themselves and tell only how well that went
            clock_bound_s: record.map(|record| record.worst.clock_bound_micros as f64 / 1e6),
            unobserved: record.map_or_else(Vec::new, |record| record.unobserved(until)),
        }
    });
    rows.collect()
}
