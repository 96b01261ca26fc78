//! One trial: a run of the scenario at one load, played and judged like any other, and what it says about the load.

use std::sync::Arc;

use anyhow::Context as _;
use rehearsal_metrics::{MetricSet, SeriesKey, Span, UserState};
use rehearsal_plan::{Data, Statistic, TrialTimes, Trials};
use rehearsal_report::RunReport;
use rehearsal_verdict::amounts::{count, percent};
use rehearsal_verdict::calibration::{Trial, TrialOutcome};
use rehearsal_verdict::{Finding, Verdict};
use serde::Serialize;

use super::told;
use crate::archive::Finished;
use crate::exit::ExitCode;
use crate::opening::Wishes;
use crate::play::Run;
use crate::prepare::Prepared;
use crate::run::Interrupts;
use crate::run::folder::Folder;
use crate::serve::end_runs;
use crate::studio::Studio;

/// The share of the planned users that has to come, or the trial says nothing about the load it was to have.
const COMING: f64 = 0.99;

/// A trial that was made.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Played {
    /// The run's id.
    pub(super) run: String,
    #[serde(flatten)]
    pub(super) trial: Trial,
    #[serde(flatten)]
    pub(super) outcome: TrialOutcome,
    /// Users who were there while the load was held, on average.
    pub(super) live: Option<f64>,
    /// Requests that were answered in a second meanwhile, on average.
    pub(super) requests_per_s: Option<f64>,
}

/// What trials are played with.
pub(super) struct Stage<'a> {
    pub(super) prepared: Prepared,
    pub(super) trials: Trials,
    pub(super) studio: Arc<Studio>,
    pub(super) interrupts: &'a mut Interrupts,
    pub(super) wishes: Wishes,
}

impl Stage<'_> {
    /// Plays a trial, and tells how it went; none if the operator stopped it.
    pub(super) async fn play(&mut self, trial: Trial) -> anyhow::Result<Option<Played>> {
        told::begin(trial, self.trials.unit());
        let plan = self.trials.plan(trial.load);
        let data = Data::read(&plan, &self.prepared.data_files);
        let data = data.map_err(|problem| anyhow::anyhow!("reading the {problem}"))?;
        let prepared = Prepared { plan, data: Arc::new(data), ..self.prepared.clone() };
        let run = Run::open(prepared, self.wishes.clone(), &self.studio)?;
        let id = run.id().to_owned();
        let mut playing = std::pin::pin!(run.play(&self.studio));
        let ended = tokio::select! {
            ended = &mut playing => Some(ended?),
            // The operator has had enough: the run ends in order, or at once if that is asked for again.
            () = self.interrupts.recv() => None,
        };
        match ended {
            None => tokio::join!(playing, end_runs(&self.studio, self.interrupts)).0.map(|_| None),
            Some(ExitCode::Stopped) => Ok(None),
            Some(_) => {
                let folder = Folder::find(self.studio.out(), &id)?;
                let played = read(&folder, trial, self.trials.times());
                let played = played.with_context(|| format!("reading trial {id}"))?;
                told::end(&played);
                Ok(Some(played))
            }
        }
    }
}

/// Reads what a trial came to.
fn read(folder: &Folder, trial: Trial, times: TrialTimes) -> anyhow::Result<Played> {
    let finished = Finished::open(folder)?;
    let report = finished.judged()?;
    let agents = finished.timeline.agents().values();
    let came = agents.map(|agent| agent.users.get(UserState::Waiting, UserState::Live)).sum();
    let held = held_span(times);
    let live: Vec<f64> = finished
        .snapshot()
        .seconds
        .iter()
        .filter(|second| (held.from_s..held.to_s).contains(&second.s))
        .filter_map(|second| second.users.get(UserState::Live.name()).map(|users| *users as f64))
        .collect();
    // A hold of less than a second may have no whole one.
    let answered = (held.from_s < held.to_s).then(|| MetricSet::window(&finished.timeline, &[], held));
    let requests = SeriesKey::new("http.response");
    Ok(Played {
        run: folder.id(),
        trial,
        outcome: outcome(report, came),
        live: (!live.is_empty()).then(|| live.iter().sum::<f64>() / live.len() as f64),
        requests_per_s: answered.and_then(|answered| answered.statistic(&requests, Statistic::Rate)),
    })
}

/// The whole seconds in which the load is held.
fn held_span(TrialTimes { ramp, hold }: TrialTimes) -> Span {
    Span { from_s: ramp.as_secs_f64().ceil() as i64, to_s: (ramp + hold).as_secs_f64().floor() as i64 }
}

/// What a judged run with so many users come says about its load.
fn outcome(report: &RunReport, came: u64) -> TrialOutcome {
    let decided = report.findings.iter().find(|finding| finding.decides);
    let why = || decided.map_or_else(|| "it is not said why".to_owned(), |Finding { text, .. }| text.clone());
    let planned = report.users.planned;
    match report.verdict {
        Verdict::Fail => TrialOutcome::Failed(why()),
        Verdict::Inconclusive => TrialOutcome::Inconclusive(why()),
        Verdict::Pass if (came as f64) < COMING * planned as f64 => {
            let share = percent(came as f64 / planned.max(1) as f64);
            let text = format!(
                "only {share} of the {} planned users came, {} were dropped",
                count(planned),
                count(report.users.dropped)
            );
            TrialOutcome::Inconclusive(text)
        }
        Verdict::Pass => TrialOutcome::Held,
    }
}
