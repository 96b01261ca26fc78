//! The studio as the API sees it: what requests become.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use rehearsal_api::{
    Answer, Command, Desk, Forecast, Frame, Problem, Refusal, Reply, ReportFile, ReportFormat, RunEntry, RunRequest,
    ScenarioEntry,
};
use rehearsal_engine::THREAD_STACK;
use rehearsal_report::view::{RunNow, RunState, ScalerPicture, Snapshot};
use rehearsal_script::Diagnostic;
use tokio::sync::{oneshot, watch};

use crate::cli::{MOST_AGENTS, Place, Surroundings};
use crate::forecast;
use crate::opening::Wishes;
use crate::play::Run;
use crate::prepare::{Prepared, Unprepared, prepare, unfit_target};
use crate::run::control::Order;
use crate::run::folder::Folder;
use crate::start::refusal;
use crate::studio::Studio;

/// The studio behind the API.
pub struct StudioDesk(Arc<Studio>, tokio::sync::Mutex<()>);

impl StudioDesk {
    /// A desk for a studio.
    pub fn new(studio: Arc<Studio>) -> Self {
        Self(studio, tokio::sync::Mutex::default())
    }
}

/// Plays a run beside others, to its end.
pub(crate) fn play_aside(run: Run, studio: Arc<Studio>) {
    let id = run.id().to_owned();
    tokio::spawn(async move {
        let ended = match run.play(&studio).await {
            Ok(code) => format!("ended with code {}", code as u8),
            Err(error) => format!("could not go on: {error:#}"),
        };
        crate::serve::log(&format!("run {id} {ended}"));
    });
}

/// Reads and validates a scenario. plan() runs scripts, which need a stack of their own size.
pub(crate) async fn prepared_aside(place: Place) -> anyhow::Result<Result<Prepared, Unprepared>> {
    let (answer, answered) = oneshot::channel();
    let work = thread::Builder::new().stack_size(THREAD_STACK).spawn(move || {
        let _ = answer.send(prepare(&place)); // whoever asked may have gone
    });
    work.context("starting a thread")?;
    answered.await.context("preparing the scenario panicked: please report it")
}

impl Desk for StudioDesk {
    fn scenarios(&self) -> Vec<ScenarioEntry> {
        self.0.scenarios_folder().map(scenarios_in).unwrap_or_default()
    }

    fn forecast(&self, request: RunRequest) -> Reply<'_, Forecast> {
        Box::pin(async move {
            // One at a time: a live run's coordinator needs the other core.
            let _turn = self.1.lock().await;
            let prepared = self.prepared(request).await?;
            let told = tokio::task::spawn_blocking(move || forecast::told(&prepared)).await;
            told.map_err(|error| Refusal::Internal(format!("working out the forecast: {error}")))
        })
    }

    fn start<'a>(&'a self, request: RunRequest, by: &'a str) -> Reply<'a, String> {
        Box::pin(async move {
            let wishes = Wishes { seed: request.seed, is_served: true, ..Wishes::default() };
            let yes = request.yes;
            let prepared = self.prepared(request).await?;
            if let Some(why) = refusal(&prepared, yes) {
                return Err(Refusal::BadRequest(why.to_owned()));
            }
            if let Some(fault) = unfit_target(&prepared).await {
                return Err(Refusal::Invalid(vec![problem(&fault)]));
            }
            let run = Run::open(prepared, wishes, &self.0).map_err(internal)?;
            let id = run.id().to_owned();
            crate::serve::log(&format!("run {id} was started by {by}"));
            play_aside(run, Arc::clone(&self.0));
            Ok(id)
        })
    }

    fn runs(&self) -> Vec<RunEntry> {
        let live: Vec<RunNow> = self.0.live_runs();
        let ids: BTreeSet<String> = live.iter().map(|run| run.id.clone()).collect();
        let finished = Folder::all(self.0.out()).into_iter().rev().filter(|folder| !ids.contains(&folder.id()));
        let finished = finished.map(|folder| self.0.archive.entry(&folder));
        tokio::task::block_in_place(|| live.iter().map(live_entry).chain(finished).collect())
    }

    fn watch(&self, run: &str) -> Result<watch::Receiver<Arc<Frame>>, Refusal> {
        match self.0.live(run) {
            Some(live) => Ok(live.board.watch()),
            None => {
                let finished = self.stored(run)?;
                let snapshot = Snapshot { seconds: Vec::new(), since: finished.revision, ..finished.as_ref().clone() };
                Ok(watch::channel(Arc::new(Frame::new(&snapshot))).1)
            }
        }
    }

    fn snapshot<'a>(&'a self, run: &'a str, since: u64) -> Reply<'a, Snapshot> {
        Box::pin(async move {
            match self.0.live(run) {
                Some(live) => Ok(live.board.snapshot(since)),
                None => {
                    let finished = self.stored(run)?;
                    let whole = finished.as_ref().clone();
                    Ok(if since >= whole.revision { Snapshot { seconds: Vec::new(), since, ..whole } } else { whole })
                }
            }
        })
    }

    fn autoscaler<'a>(&'a self, run: &'a str, from_s: f64) -> Reply<'a, ScalerPicture> {
        Box::pin(async move {
            let not_observed = || Refusal::NotFound(format!("run {run} does not observe an autoscaler"));
            if let Some(live) = self.0.live(run).filter(|live| live.board.run().state < RunState::Judged) {
                let assessed = live.board.assessment().ok_or_else(not_observed)?;
                return Ok(ScalerPicture::new(&assessed, from_s));
            }
            let folder = self.0.judged(run)?;
            let assessed = tokio::task::block_in_place(|| self.0.archive.assessment(&folder)).map_err(internal)?;
            Ok(ScalerPicture::new(&assessed.ok_or_else(not_observed)?, from_s))
        })
    }

    fn command<'a>(&'a self, run: &'a str, by: &'a str, command: Command) -> Reply<'a, Answer> {
        Box::pin(async move {
            let Some(live) = self.0.live(run) else {
                let folder = self.0.finished(run)?;
                return Err(Refusal::Conflict(format!("run {} is over", folder.id())));
            };
            let (answer, answered) = oneshot::channel();
            let order = Order { command, by: by.to_owned(), answer };
            let over = || Refusal::Conflict(format!("run {} is over", live.folder.id()));
            live.orders.send(order).await.map_err(|_| over())?;
            answered.await.map_err(|_| over())?
        })
    }

    fn report<'a>(&'a self, run: &'a str, format: ReportFormat) -> Reply<'a, ReportFile> {
        Box::pin(async move {
            let folder = self.0.judged(run)?;
            let archive = &self.0.archive;
            tokio::task::block_in_place(|| archive.report(&folder, format, None)).map_err(internal)
        })
    }

    fn delete<'a>(&'a self, run: &'a str) -> Reply<'a, ()> {
        Box::pin(async move {
            let folder = self.0.finished(run)?;
            self.0.archive.forget(&folder.id());
            folder.delete().map_err(internal)
        })
    }

    fn metrics(&self) -> String {
        match self.0.live("last") {
            Some(live) => live.board.prometheus(),
            None => rehearsal_report::prometheus(None, &BTreeMap::new()),
        }
    }
}

impl StudioDesk {
    /// What a finished run's screens show, read without holding up whatever else this coordinator does.
    fn stored(&self, run: &str) -> Result<Arc<Snapshot>, Refusal> {
        let folder = self.0.finished(run)?;
        tokio::task::block_in_place(|| self.0.archive.snapshot(&folder)).map_err(internal)
    }

    /// Reads and validates the scenario that a request names.
    async fn prepared(&self, request: RunRequest) -> Result<Prepared, Refusal> {
        let folder = self.0.scenarios_folder();
        let folder = folder.ok_or_else(|| {
            Refusal::Conflict("this coordinator plays one run only: `coordinator serve` starts runs from here".into())
        })?;
        let place = Place {
            scenario: folder.join(format!("{}.rhai", request.scenario)),
            surroundings: Surroundings {
                env: request.environment.unwrap_or_else(|| "dev".to_owned()),
                set: request.set.into_iter().collect(),
            },
        };
        let mut prepared = match prepared_aside(place).await.map_err(internal)? {
            Ok(prepared) => prepared,
            Err(Unprepared::Mistakes(mistakes, _)) => {
                return Err(Refusal::Invalid(mistakes.iter().map(problem).collect()));
            }
            Err(Unprepared::Failed(error)) => return Err(internal(error)),
        };
        if let Some(count) = request.agents {
            if !(1..=MOST_AGENTS).contains(&count) {
                return Err(Refusal::BadRequest(format!("{count} agents are not between 1 and {MOST_AGENTS}")));
            }
            prepared.environment.agents.count = count;
        }
        Ok(prepared)
    }
}

/// A mistake or a warning as the API tells it.
pub(crate) fn problem(diagnostic: &Diagnostic) -> Problem {
    serde_json::to_value(diagnostic).and_then(serde_json::from_value).expect("a diagnostic has the shape of a problem")
}

fn internal(error: anyhow::Error) -> Refusal {
    Refusal::Internal(format!("{error:#}"))
}

fn live_entry(run: &RunNow) -> RunEntry {
    RunEntry {
        id: run.id.clone(),
        scenario: run.scenario.clone(),
        environment: run.environment.clone(),
        state: run.state,
        live: true,
        started_at: run.started_at.clone(),
        duration_s: run.now_s,
        users: (run.users.planned > 0).then_some(run.users.planned),
        verdict: run.verdict.clone(),
    }
}

/// The scenarios of a folder, by name.
fn scenarios_in(folder: &Path) -> Vec<ScenarioEntry> {
    let environments = names_of(&folder.join("environments"), "toml");
    let environments: Vec<String> = environments.into_iter().filter(|name| name != "base").collect();
    let entry = |name: String| ScenarioEntry {
        path: folder.join(format!("{name}.rhai")).display().to_string(),
        environments: environments.clone(),
        problems: None,
        name,
    };
    names_of(folder, "rhai").into_iter().map(entry).collect()
}

/// The names, without their ending, of a folder's files that have this ending.
fn names_of(folder: &Path, ending: &str) -> Vec<String> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let matching = files.filter(|path| path.extension().is_some_and(|found| found == ending));
    let mut names: Vec<String> =
        matching.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    names
}
