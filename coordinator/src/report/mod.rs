//! The report of a run: one value with everything that is told of it, as a file and on the terminal.
//!
//! ```text
//! judgement, summary, samples ──► RunReport ──► summary.json   (json)
//!                                     └───────► the terminal   (text)
//! ```

mod json;
mod tables;
pub mod text;

#[cfg(test)]
mod example;

use std::time::{Duration, SystemTime};

use rehearsal_metrics::{
    CallSummary, CheckSummary, CueSummary, ErrorSummary, Ledger, MetricSet, MetricSummary, Span, Summary,
};
use rehearsal_verdict::{Finding, Generator, Judgement, ThresholdOutcome, Verdict};
use serde::Serialize;

use tables::Tables;

/// The version of the form of `summary.json`.
const SCHEMA: u32 = 1;

/// What a report is made of.
pub struct ReportInput<'a> {
    /// The run's id.
    pub run_id: String,
    /// The scenario's name.
    pub scenario: String,
    /// The environment's name.
    pub environment: String,
    /// When the run started, by the coordinator's clock.
    pub started_at: SystemTime,
    /// How long it lasted.
    pub duration: Duration,
    /// What it comes to.
    pub judgement: Judgement,
    /// Its totals.
    pub summary: Summary,
    /// Its samples, for what has to be merged before it is computed.
    pub metrics: &'a MetricSet,
    /// Who played the users.
    pub agents: Vec<AgentRow>,
    /// How well they did.
    pub generator: Generator,
    /// What is said of the autoscaler.
    pub autoscaler: AutoscalerRow,
}

/// One agent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgentRow {
    /// Its name.
    pub id: String,
    /// Where it ran.
    pub region: String,
    /// How many users it started.
    pub users: u64,
    /// Whether it was lost.
    pub lost: bool,
    /// How far its clock was from the run's at the end, in seconds.
    pub clock_offset_s: Option<f64>,
    /// How far its run time may have been off at the worst, in seconds.
    pub clock_bound_s: Option<f64>,
    /// The seconds that it owed and that never arrived.
    pub unobserved: Vec<Span>,
}

/// What is said of the autoscaler when it was not observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AutoscalerRow {
    /// Whether it was observed.
    pub observed: bool,
    /// Why it was not.
    pub why: String,
}

/// Everything that is told of a run. Serialized, it is `summary.json`, field by field in this order.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    schema: u32,
    run_id: String,
    scenario: String,
    environment: String,
    /// In UTC, to the second.
    started_at: String,
    duration_s: f64,
    verdict: Verdict,
    findings: Vec<Finding>,
    users: Ledger,
    calls: Vec<CallSummary>,
    metrics: Vec<MetricSummary>,
    checks: Vec<CheckSummary>,
    thresholds: Vec<ThresholdOutcome>,
    errors: Vec<ErrorSummary>,
    #[serde(serialize_with = "json::cues")]
    cues: Vec<CueSummary>,
    autoscaler: AutoscalerRow,
    agents: Vec<AgentRow>,
    generator: Generator,
    /// What the terminal shows and readers of the file can compute from `metrics` only in part.
    #[serde(skip)]
    tables: Tables,
}

impl RunReport {
    /// Composes the report.
    pub fn new(input: ReportInput<'_>) -> RunReport {
        let Judgement { verdict, findings, thresholds } = input.judgement;
        let Summary { users, calls, metrics, checks, errors, cues } = input.summary;
        RunReport {
            schema: SCHEMA,
            run_id: input.run_id,
            scenario: input.scenario,
            environment: input.environment,
            started_at: json::utc(input.started_at),
            duration_s: input.duration.as_secs_f64(),
            verdict,
            findings,
            users,
            tables: Tables::of(&calls, input.metrics),
            calls,
            metrics,
            checks,
            thresholds,
            errors,
            cues,
            autoscaler: input.autoscaler,
            agents: input.agents,
            generator: input.generator,
        }
    }
}
