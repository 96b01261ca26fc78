//! One run, from a prepared scenario to its verdict, whoever asked for it: `start` on the command line or `serve` from a
//! dashboard.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use rand::RngExt as _;
use rehearsal_engine::{RunClock, Setup};
use rehearsal_fleet::{Launcher as _, Local, LocalOptions, Order as LaunchOrder};
use rehearsal_link::Assignment;
use rehearsal_metrics::Limits;
use rehearsal_plan::AgentNumber;
use rehearsal_report::view::{EventRow, RunNow, RunState};
use rehearsal_store::{About, Store};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::conclusion::{conclude, print};
use crate::counters;
use crate::exit::ExitCode;
use crate::judged::Judged;
use crate::prepare::Prepared;
use crate::run::board::Board;
use crate::run::control::Order;
use crate::run::director::Director;
use crate::run::folder::{Folder, new_id};
use crate::run::services::Services;
use crate::run::target::Target;
use crate::run::{Conductor, Doors, Ears, Interrupts, Keeper, Outcome, Settings, Showing, Terminal, end_agents};
use crate::serve::log;
use crate::studio::{Live, ORDERS, Studio};

/// Messages of agents that wait for the conductor: a window of each of a hundred agents.
const INBOX: usize = 4_096;
/// How long `teardown()` may take.
const TEARDOWN: Duration = Duration::from_secs(60);
/// How long a local agent may take to end when asked, before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// How a run is to be played.
pub struct Wishes {
    /// The seed of all random numbers; none for a new one.
    pub seed: Option<u64>,
    /// Somebody sits at the terminal: show the run there, print its summary, let Ctrl-C end it.
    pub at_terminal: bool,
    /// Where its dashboard is.
    pub dashboard: Option<String>,
}

/// A run that has its id and its folder.
pub struct Run {
    prepared: Prepared,
    wishes: Wishes,
    id: String,
    seed: u64,
    folder: Folder,
    store: Store,
    board: Arc<Board>,
    orders: mpsc::Receiver<Order>,
}

impl Run {
    /// Gives a run its id, its folder and its place among the studio's live runs.
    pub fn open(prepared: Prepared, wishes: Wishes, studio: &Studio) -> anyhow::Result<Self> {
        let id = new_id(SystemTime::now().into(), rand::rng().random());
        let seed = wishes.seed.unwrap_or_else(|| rand::rng().random());
        let folder = Folder::create(studio.out(), &id)?;
        write_sources(&folder, &prepared)?;
        let store = Store::create(&folder.database(), &about(&prepared, &id, seed)?)?;
        let (sender, orders) = mpsc::channel(ORDERS);
        let run = RunNow {
            id: id.clone(),
            scenario: prepared.name.clone(),
            environment: prepared.environment_name.clone(),
            state: RunState::Launching,
            ..RunNow::default()
        };
        let board = Arc::new(Board::new(run, cores_of_an_agent(prepared.environment.agents.count)));
        studio.enter(Live { folder: folder.clone(), board: Arc::clone(&board), orders: sender })?;
        Ok(Self { prepared, wishes, id, seed, folder, store, board, orders })
    }

    /// The run's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Plays it to the verdict and takes it out of the studio's live runs.
    pub async fn play(self, studio: &Studio) -> anyhow::Result<ExitCode> {
        let (id, board) = (self.id.clone(), Arc::clone(&self.board));
        let result = self.perform().await;
        if let Err(error) = &result {
            let run = board.run();
            board.publish(|_| failed(run, error));
        }
        studio.leave(&id);
        result
    }

    async fn perform(self) -> anyhow::Result<ExitCode> {
        let Self { prepared, wishes, id, seed, folder, store, board, orders } = self;
        let target = Target::open(&prepared.environment).await?;
        let clock = Arc::new(RunClock::starting_at(Instant::now()));
        let mut setup = setup(&prepared, &target, seed);
        let director = Director::new(setup.clone(), Arc::clone(&clock));
        let mut doors = Doors::new(orders, wishes.at_terminal.then(Interrupts::new).transpose()?);
        let set_up = match doors.unless_stopped(set_up(&director)).await {
            Some(set_up) => set_up?,
            None => Err("it was stopped before it had returned".to_owned()),
        };
        match set_up {
            Ok(common) => setup.common = common,
            Err(failure) => {
                target.close().await;
                let error = anyhow::anyhow!("setup() failed, so nothing was started: {failure}");
                log(&format!("error: {error}"));
                let run = board.run();
                board.publish(|_| failed(run, &error));
                return Ok(if doors.is_stopped() { ExitCode::Stopped } else { ExitCode::Failed });
            }
        }
        let agents = &prepared.environment.agents;
        let settings = Settings {
            run_id: id.clone(),
            plan: setup.plan.clone(),
            seed,
            assignment: assignment(&setup, &id, agents.count)?,
            agents: agents.count as usize,
            cores: cores_of_an_agent(agents.count),
            weights: agents.weights.clone(),
        };
        let terminal = wishes.at_terminal.then(|| Terminal::new(wishes.dashboard.clone()));
        let stage = Stage { folder: &folder, store, doors: &mut doors, director: director.clone(), clock };
        let outcome = conduct(stage, settings, Showing::new(Arc::clone(&board), terminal)).await?;
        let counted = counters::compare(&target, &outcome.timeline).await;
        let (launcher, ended) = conclude(&prepared, &id, &folder, &board, outcome, &counted);
        end_agents(launcher).await?;
        if let (Ok(Judged { report, .. }), true) = (&ended, wishes.at_terminal) {
            print(report, &folder);
        }
        // The verdict is there: whatever the scenario does now cannot take it away.
        tear_down(&director, &mut doors).await;
        target.close().await;
        Ok(ended?.code)
    }
}

/// What a conductor works with.
struct Stage<'a> {
    folder: &'a Folder,
    store: Store,
    doors: &'a mut Doors,
    director: Director,
    clock: Arc<RunClock>,
}

/// Calls `teardown()`, for as long as it takes or until somebody has had enough.
async fn tear_down(director: &Director, doors: &mut Doors) {
    let called = tokio::time::timeout(TEARDOWN, doors.unless_stopped(director.call("teardown", None))).await;
    let failure = match called {
        Ok(Some(Ok(outcome))) => outcome.and_then(|outcome| outcome.failure).map(|failure| failure.to_string()),
        Ok(Some(Err(error))) => Some(format!("{error:#}")),
        Ok(None) => Some("it was stopped before it had returned".to_owned()),
        Err(_) => Some(format!("it had not returned after {} s", TEARDOWN.as_secs())),
    };
    if let Some(failure) = failure {
        log(&format!("warning: teardown() failed: {failure}"));
    }
}

/// What has failed before it could be judged.
fn failed(run: RunNow, error: &anyhow::Error) -> RunNow {
    let told = EventRow { text: format!("{error:#}"), who: "run".to_owned(), ..EventRow::default() };
    let events = run.events.into_iter().chain([told]).collect();
    RunNow { state: RunState::Failed, events, ..run }
}

/// Calls `setup()`, if there is one; its value becomes `common` everywhere.
async fn set_up(director: &Director) -> anyhow::Result<Result<serde_json::Value, String>> {
    let Some(outcome) = director.call("setup", None).await? else { return Ok(Ok(serde_json::Value::Null)) };
    if let Some(failure) = outcome.failure {
        return Ok(Err(failure.to_string()));
    }
    let common = outcome.returned.map_err(|error| format!("its value cannot be shared: {error}"));
    if let Ok(common) = &common {
        director.share(common.clone());
    }
    Ok(common)
}

/// Launches agents and plays the plan with them.
async fn conduct(stage: Stage<'_>, settings: Settings, showing: Showing) -> anyhow::Result<Outcome> {
    let Stage { folder, store, doors, director, clock } = stage;
    let (arrivals, inbox) = mpsc::channel(INBOX);
    let agents = settings.agents as u32;
    let services = Services::start(&settings.run_id, agents, Arc::clone(&clock), arrivals).await?;
    let (mut launcher, exits) = Local::new(LocalOptions {
        program: std::env::current_exe().context("finding this program")?,
        args: vec!["agent".into(), "--tied-to-stdin".into()],
        folder: folder.path().to_owned(),
        grace: GRACE,
    });
    launcher.launch(&LaunchOrder { agents, join: services.blob.to_string() }).await?;
    let ears = Ears { inbox, exits, doors };
    let conductor = Conductor::new(settings, clock, director, launcher, Keeper::start(store), showing);
    let outcome = conductor.run(ears).await;
    services.stop();
    outcome
}

/// What every agent gets; the conductor fills in its name.
fn assignment(setup: &Setup, run_id: &str, agents: u32) -> anyhow::Result<Assignment> {
    let json = |what: &str, value: serde_json::Result<String>| {
        value.map(Arc::from).with_context(|| format!("writing the {what} as JSON"))
    };
    Ok(Assignment {
        run: run_id.to_owned(),
        agent_id: String::new(),
        region: String::new(),
        seed: setup.seed,
        threads: cores_of_an_agent(agents),
        scenario: Arc::from(setup.source.text.as_str()),
        environment: json("environment", serde_json::to_string(&setup.environment))?,
        plan: json("plan", serde_json::to_string(&setup.plan))?,
        common: json("value of setup()", serde_json::to_string(&setup.common))?,
        data: Arc::default(),
    })
}

/// Local agents share the machine's cores.
pub(crate) fn cores_of_an_agent(agents: u32) -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    (cores / agents.max(1)).max(1)
}

fn setup(prepared: &Prepared, target: &Target, seed: u64) -> Setup {
    Setup {
        source: prepared.source.clone(),
        environment: target.environment(&prepared.environment),
        target: target.url().clone(),
        plan: prepared.plan.clone(),
        common: serde_json::Value::Null,
        seed,
        agent: AgentNumber(0),
        agent_id: "coordinator".to_owned(),
        region: "local".to_owned(),
        limits: Limits::default(),
    }
}

/// The scenario and the environment as run; secrets stay out.
fn write_sources(folder: &Folder, prepared: &Prepared) -> anyhow::Result<()> {
    folder.write("scenario.rhai", prepared.source.text.as_bytes())?;
    let environment =
        serde_json::to_string_pretty(&prepared.environment.masked()).context("writing the environment as JSON")?;
    folder.write("environment.json", environment.as_bytes())
}

fn about(prepared: &Prepared, run_id: &str, seed: u64) -> anyhow::Result<About> {
    Ok(About {
        run_id: run_id.to_owned(),
        scenario: prepared.name.clone(),
        environment: prepared.environment_name.clone(),
        seed,
        started_at_us: None,
        plan: serde_json::to_value(&prepared.plan).context("writing the plan as JSON")?,
        settings: serde_json::to_value(prepared.environment.masked()).context("writing the environment as JSON")?,
        program: env!("CARGO_PKG_VERSION").to_owned(),
    })
}
