//! The report of a run: one value with everything that is told of it, and `summary.json`, its form on disk.

mod autoscaler;
mod json;
mod tables;

use std::time::{Duration, SystemTime};

use rehearsal_metrics::{CallSummary, CheckSummary, ErrorSummary, MetricSet, MetricSummary, Span, Summary};
use rehearsal_verdict::{Finding, Generator, Judgement, ThresholdOutcome, Verdict};
use serde::{Deserialize, Serialize};

use crate::view::{UsersNow, users_now};

pub use autoscaler::AutoscalerRow;
pub use json::{CueRow, ReadError, utc};
pub(crate) use tables::socket_rows;
pub use tables::{CallRow, CustomRow, SocketRow, Tables};

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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

/// Everything that is told of a run. Serialized, it is `summary.json`, field by field in this order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunReport {
    /// The version of the form of the file.
    pub schema: u32,
    /// The run's id.
    pub run_id: String,
    /// The scenario's name.
    pub scenario: String,
    /// The environment's name.
    pub environment: String,
    /// In UTC, to the second.
    pub started_at: String,
    /// How long it lasted, in seconds.
    pub duration_s: f64,
    /// What it comes to.
    pub verdict: Verdict,
    /// Why, what matters most first.
    pub findings: Vec<Finding>,
    /// How the users ended.
    pub users: UsersNow,
    /// How the calls ended, by name.
    pub calls: Vec<CallSummary>,
    /// Every series with samples, in order of their keys.
    pub metrics: Vec<MetricSummary>,
    /// How often each check said yes.
    pub checks: Vec<CheckSummary>,
    /// The plan's rules, in their order.
    pub thresholds: Vec<ThresholdOutcome>,
    /// Errors by kind.
    pub errors: Vec<ErrorSummary>,
    /// One row for every firing.
    pub cues: Vec<CueRow>,
    /// What is said of the autoscaler.
    pub autoscaler: AutoscalerRow,
    /// Who played the users.
    pub agents: Vec<AgentRow>,
    /// How well they did.
    pub generator: Generator,
    /// What people are shown beside it and readers of the file can compute from `metrics` only in part. Empty in a report that
    /// was read from a file, until [`RunReport::fill_tables`].
    #[serde(skip)]
    pub tables: Tables,
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
            users: users_now(&users),
            tables: Tables::of(&calls, input.metrics),
            calls,
            metrics,
            checks,
            thresholds,
            errors,
            cues: json::rows(cues),
            autoscaler: input.autoscaler.beside(&input.generator),
            agents: input.agents,
            generator: input.generator,
        }
    }

    /// Computes the tables anew from the samples of the whole run.
    pub fn fill_tables(&mut self, metrics: &MetricSet) {
        self.tables = Tables::of(&self.calls, metrics);
    }
}
