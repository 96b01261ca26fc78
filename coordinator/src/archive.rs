//! Runs that are over, read from their databases: for `report`, `compare`, and the dashboard of `serve`.

use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use rehearsal_api::{ReportFile, ReportFormat, RunEntry};
use rehearsal_metrics::{CueFiring, Limits, MetricSet, Timeline};
use rehearsal_plan::{Load, Plan, RunTime, Versions, curve_csv};
use rehearsal_report::RunReport;
use rehearsal_report::view::{
    EventKind, EventRow, RunNow, RunState, Snapshot, UsersNow, calls_now, checks_now, errors_now, sockets_now,
    users_now, whole,
};
use rehearsal_store::{Batch, Reader, Recorded, Store, is_being_written};
use rehearsal_verdict::elasticity::Assessment;
use serde_json::Value;

use crate::cli;
use crate::exit::ExitCode;
use crate::run::folder::Folder;
use crate::written;

/// Under which name the last state of a run's screens is stored.
pub(crate) const LAST_SEEN: &str = "last_seen";
/// Under which name its report is stored: what summary.json says.
pub(crate) const REPORT: &str = "report";
/// Under which name it is stored what became of it.
pub(crate) const STATE: &str = "state";

/// Under which name it is stored how many cores each agent had.
pub(crate) const CORES: &str = "cores";

/// Prints the report of a run.
pub fn report(options: &cli::Report) -> anyhow::Result<ExitCode> {
    let folder = Folder::find(&options.run.runs.out, &options.run.run)?;
    if is_being_written(&folder.database()) {
        bail!("run {} still goes on: look at its dashboard, or stop it with `coordinator stop {0}`", folder.id());
    }
    let file = Archive::default().report(&folder, options.format, options.scenario.as_deref())?;
    match std::io::stdout().write_all(&file.body) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        written => written.context("printing the report")?,
    }
    Ok(ExitCode::Pass)
}

/// A run as its database tells it.
pub struct Finished {
    pub(crate) timeline: Timeline,
    pub(crate) versions: Option<Versions>,
    /// When it started, in run time.
    pub(crate) started: RunTime,
    pub(crate) started_at: SystemTime,
    /// Those firings of cues of which it is known when they were sent.
    pub(crate) firings: Vec<CueFiring>,
    /// What it came to; none if nobody judged it.
    pub(crate) report: Option<RunReport>,
    pub(crate) recorded: Recorded,
}

impl Finished {
    /// Reads a run.
    pub fn open(folder: &Folder) -> anyhow::Result<Self> {
        let mut recorded = Reader::open(&folder.database())?.load()?;
        let changes = std::mem::take(&mut recorded.changes);
        let timeline = Timeline::rebuild(Limits::default(), changes)
            .with_context(|| format!("reading the numbers of run {}", folder.id()))?;
        let versions = versions(&recorded).with_context(|| format!("reading the plan of run {}", folder.id()))?;
        let started = versions.as_ref().and_then(|versions| versions.history().next()).map(|first| first.at);
        let started = started.unwrap_or(RunTime::ZERO);
        let report = recorded.facts.get(REPORT).cloned().map(serde_json::from_value).transpose();
        Ok(Self {
            started_at: started_at(&recorded),
            firings: firings(&recorded, &timeline, started),
            report: report.with_context(|| format!("reading the report of run {}", folder.id()))?,
            timeline,
            versions,
            started,
            recorded,
        })
    }

    /// Its report, which a run has that was judged.
    pub(crate) fn judged(&self) -> anyhow::Result<&RunReport> {
        let id = &self.recorded.about.run_id;
        self.report.as_ref().with_context(|| format!("run {id} was not judged: its coordinator ended before that. Its numbers are there: --format seconds, hlog or curve"))
    }

    /// What its screens showed last, with all of its seconds.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let cores = self.recorded.facts.get(CORES).and_then(Value::as_u64).unwrap_or(1) as u32;
        let seconds = whole(&self.timeline, self.versions.as_ref(), self.started, cores);
        let stored = self.recorded.facts.get(LAST_SEEN).cloned().and_then(|run| serde_json::from_value(run).ok());
        let run = stored.unwrap_or_else(|| self.broken_off());
        Snapshot { revision: 1, since: 0, made_at: 0.0, run, seconds }
    }

    /// A run whose coordinator ended without a word.
    fn broken_off(&self) -> RunNow {
        let about = &self.recorded.about;
        let events = self.recorded.events.iter().map(event_row);
        let told = EventRow {
            text: "its coordinator ended before the run was judged".to_owned(),
            who: "run".to_owned(),
            ..EventRow::default()
        };
        let length_s = self.timeline.span().map(|span| span.to_s as f64);
        let length = Duration::from_secs_f64(length_s.unwrap_or(0.0).max(0.0));
        let metrics = MetricSet::whole(&self.timeline, &self.firings, length);
        RunNow {
            id: about.run_id.clone(),
            scenario: about.scenario.clone(),
            environment: about.environment.clone(),
            state: RunState::Failed,
            started_at: about.started_at_us.map(|_| rehearsal_report::utc(self.started_at)),
            now_s: length_s,
            settled_s: self.timeline.settled(),
            users: self.timeline.ledger_now().map_or_else(|_| UsersNow::default(), |ledger| users_now(&ledger)),
            calls: calls_now(&self.timeline, &metrics),
            sockets: sockets_now(&metrics),
            checks: checks_now(&metrics),
            errors: errors_now(&self.timeline),
            events: events.chain([told]).collect(),
            ..RunNow::default()
        }
    }
}

/// Notes that a run failed before anything could be judged, so that nobody takes it up again.
pub(crate) fn store_failure(store: &mut Store) {
    let failed = (STATE.to_owned(), serde_json::to_value(RunState::Failed).unwrap_or_default());
    if let Err(error) = store.commit(&Batch { facts: vec![failed], ..Batch::default() }) {
        crate::serve::log(&format!("warning: the run's database does not say that it failed: {error}"));
    }
}

/// A stored event as screens show it.
pub(crate) fn event_row(event: &rehearsal_store::Event) -> EventRow {
    EventRow {
        at_s: event.at_s,
        kind: serde_json::from_value(Value::String(event.kind.clone())).unwrap_or(EventKind::Run),
        who: event.who.clone(),
        text: event.text.clone(),
    }
}

/// Stores what a run came to, and closes its database.
pub(crate) fn store(mut store: Store, report: &RunReport, last_seen: &RunNow) -> anyhow::Result<()> {
    let summary = serde_json::to_value(report).context("writing the summary as JSON")?;
    let run = serde_json::to_value(last_seen).context("writing the run's last state as JSON")?;
    let state = serde_json::to_value(last_seen.state).context("writing the run's state as JSON")?;
    let facts = [(REPORT, summary.clone()), (LAST_SEEN, run), (STATE, state)];
    let facts = facts.map(|(name, value)| (name.to_owned(), value)).to_vec();
    store.commit(&Batch { facts, ..Batch::default() })?;
    Ok(store.finish(&summary)?)
}

/// Reads finished runs and keeps the last one that was looked at.
#[derive(Default)]
pub struct Archive {
    looked_at: Mutex<Option<(String, Arc<Snapshot>)>>,
}

impl Archive {
    /// What a finished run's screens show.
    pub(crate) fn snapshot(&self, folder: &Folder) -> anyhow::Result<Arc<Snapshot>> {
        if let Some((id, snapshot)) = self.looked_at().as_ref()
            && *id == folder.id()
        {
            return Ok(Arc::clone(snapshot));
        }
        let snapshot = Arc::new(Finished::open(folder)?.snapshot());
        *self.looked_at() = Some((folder.id(), Arc::clone(&snapshot)));
        Ok(snapshot)
    }

    /// Forgets a run that is deleted.
    pub(crate) fn forget(&self, id: &str) {
        let mut looked_at = self.looked_at();
        if looked_at.as_ref().is_some_and(|(seen, _)| seen == id) {
            *looked_at = None;
        }
    }

    /// A finished run in the list of runs; one that cannot be read is listed all the same.
    pub(crate) fn entry(&self, folder: &Folder) -> RunEntry {
        let facts = Reader::open(&folder.database()).and_then(|reader| reader.facts()).unwrap_or_default();
        let text = |name: &str| facts.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let started_at = facts.get("started_at_us").and_then(Value::as_i64).map(from_unix_us);
        let stored = facts.get(STATE).cloned().and_then(|state| serde_json::from_value(state).ok());
        // Another coordinator performs it, or its own ended without a word.
        let elsewhere = is_being_written(&folder.database());
        let state = stored.or(elsewhere.then_some(RunState::Running));
        RunEntry {
            id: folder.id(),
            scenario: text("scenario"),
            environment: text("environment"),
            state: state.unwrap_or(RunState::Failed),
            live: false,
            started_at: started_at.map(rehearsal_report::utc),
            duration_s: facts.get("duration_s").and_then(Value::as_f64),
            users: facts.get("users").and_then(|users| users["planned"].as_u64()),
            verdict: facts.get("verdict").and_then(Value::as_str).map(ToOwned::to_owned),
        }
    }

    /// What is said of the autoscaler under a run, if it was judged.
    pub(crate) fn assessment(&self, folder: &Folder) -> anyhow::Result<Option<Assessment>> {
        let finished = Finished::open(folder)?;
        Ok(finished.report.as_ref().and_then(|report| report.autoscaler.assessment()).cloned())
    }

    /// The report of a run in one of its forms; `scenario` says whose curve is meant.
    pub(crate) fn report(
        &self,
        folder: &Folder,
        format: ReportFormat,
        scenario: Option<&str>,
    ) -> anyhow::Result<ReportFile> {
        let finished = Finished::open(folder)?;
        let report = || finished.judged();
        let file = |content_type, text: String| ReportFile { content_type, body: text.into_bytes() };
        Ok(match format {
            ReportFormat::Json => file("application/json", report()?.to_json()?),
            ReportFormat::Junit => file("application/xml; charset=utf-8", rehearsal_report::junit(report()?)?),
            ReportFormat::Csv => file("text/csv; charset=utf-8", rehearsal_report::csv(report()?)?),
            ReportFormat::Seconds => {
                let seconds = finished.snapshot().seconds;
                file("text/csv; charset=utf-8", rehearsal_report::seconds_csv(&seconds)?)
            }
            ReportFormat::Html => {
                let snapshot = finished.snapshot();
                file("text/html; charset=utf-8", written::page(report()?, &snapshot.run, &snapshot.seconds)?)
            }
            ReportFormat::Hlog => {
                let body = written::hlog(&finished.timeline, finished.started_at)?;
                ReportFile { content_type: "text/plain; charset=utf-8", body }
            }
            ReportFormat::Curve => file("text/csv; charset=utf-8", curve(&finished, scenario)?),
        })
    }

    fn looked_at(&self) -> MutexGuard<'_, Option<(String, Arc<Snapshot>)>> {
        self.looked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The arrivals of one scenario as they were played, pauses and scalings included; a plan with several has a curve for each.
fn curve(finished: &Finished, scenario: Option<&str>) -> anyhow::Result<String> {
    let versions = finished.versions.as_ref().context("the run never started: there is no load to play again")?;
    let plan: Plan = serde_json::from_value(finished.recorded.about.plan.clone()).context("reading the run's plan")?;
    let names: Vec<&str> = plan.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    let position = match scenario {
        None if names.len() == 1 => Some(0),
        None => bail!(
            "the plan has several loads, each with a curve of its own: choose one with --scenario: {}",
            names.join(", ")
        ),
        Some(wanted) => names.iter().position(|name| *name == wanted),
    };
    let position = position.with_context(|| format!("the plan has no such scenario; it has {}", names.join(", ")))?;
    if let Some(Load::Population { .. }) = versions.latest().loads.get(position) {
        bail!("a population has no curve: its users come once and run again and again");
    }
    let until = finished.report.as_ref().map(|report| finished.started + Duration::from_secs_f64(report.duration_s));
    Ok(curve_csv(&versions.arrivals_by_second(position, finished.started, until)))
}

fn versions(recorded: &Recorded) -> anyhow::Result<Option<Versions>> {
    if recorded.versions.is_empty() {
        return Ok(None);
    }
    let history = serde_json::json!({ "seed": recorded.about.seed, "versions": recorded.versions });
    Ok(Some(serde_json::from_value(history)?))
}

fn firings(recorded: &Recorded, timeline: &Timeline, started: RunTime) -> Vec<CueFiring> {
    let bound = timeline.health().values().map(|health| health.clock_bound_micros).max().unwrap_or(0);
    let sent = recorded.cues.iter().filter_map(|cue| match cue.outcome {
        Some(rehearsal_store::CueOutcome::Sent(after)) => Some((cue, after)),
        _ => None,
    });
    let firing = |(cue, after): (&rehearsal_store::CueIntent, i64)| CueFiring {
        name: cue.name.clone(),
        number: cue.firing,
        id: cue.id.clone(),
        fired_at_s: (cue.at_us - started.0) as f64 / 1e6,
        sent_after_micros: after,
        clock_bound_s: bound as f64 / 1e6,
    };
    sent.map(firing).collect()
}

fn started_at(recorded: &Recorded) -> SystemTime {
    from_unix_us(recorded.about.started_at_us.unwrap_or(0))
}

fn from_unix_us(micros: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(micros.max(0).unsigned_abs())
}
