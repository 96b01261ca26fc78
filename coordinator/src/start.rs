//! `coordinator start`: the whole job, from the scenario's text to the verdict and the exit code.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use rand::RngExt as _;
use rehearsal_engine::{RunClock, Setup};
use rehearsal_fleet::{Launcher as _, Local, LocalOptions, Order};
use rehearsal_link::Assignment;
use rehearsal_metrics::{Limits, write_hlog};
use rehearsal_plan::{AgentNumber, Launch};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::cli;
use crate::counters::{self, Comparison};
use crate::exit::ExitCode;
use crate::judged::judge_run;
use crate::prepare::{Prepared, Unprepared, prepare, print};
use crate::report::text;
use crate::run::director::Director;
use crate::run::folder::{Folder, new_id};
use crate::run::services::Services;
use crate::run::target::Target;
use crate::run::{Conductor, Ending, Outcome, Settings, end_agents};

/// Messages of agents that wait for the conductor: a window of each of a hundred agents.
const INBOX: usize = 4_096;
/// How long a local agent may take to end when asked, before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// Plays a scenario.
pub fn start(options: &cli::Start) -> anyhow::Result<ExitCode> {
    let mut prepared = match prepare(&options.place) {
        Ok(prepared) => prepared,
        Err(Unprepared::Mistakes(mistakes, source)) => {
            print(&mistakes, &source);
            return Ok(ExitCode::Usage);
        }
        Err(Unprepared::Failed(error)) => return Err(error),
    };
    print(&prepared.warnings, &prepared.source);
    if let Some(count) = options.agents {
        (prepared.environment.agents.launch, prepared.environment.agents.count) = (Launch::Local, count);
    }
    if let Some(refusal) = refusal(&prepared, options) {
        let _ = writeln!(std::io::stderr(), "error: {refusal}");
        return Ok(ExitCode::Usage);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.context("starting a runtime")?.block_on(play(prepared, options))
}

/// What cannot be started though it is no mistake in the scenario.
fn refusal(prepared: &Prepared, options: &cli::Start) -> Option<&'static str> {
    if prepared.environment_name == "production" && !options.yes {
        return Some("the environment is production: say --yes if you mean it");
    }
    match prepared.environment.agents.launch {
        Launch::Local => None,
        Launch::Ec2 => Some("agents.launch = \"ec2\" is not built yet: use local"),
        Launch::Join => Some("agents.launch = \"join\" is not built yet: use local"),
    }
}

async fn play(prepared: Prepared, options: &cli::Start) -> anyhow::Result<ExitCode> {
    let started_at = SystemTime::now();
    let run_id = new_id(started_at.into(), rand::rng().random());
    let folder = Folder::create(&options.out, &run_id)?;
    let target = Target::open(&prepared.environment).await?;
    let seed = options.seed.unwrap_or_else(|| rand::rng().random());
    let clock = Arc::new(RunClock::starting_at(Instant::now()));
    let mut setup = setup(&prepared, &target, seed);
    write_sources(&folder, &prepared)?;

    let director = Director::start(setup.clone(), Arc::clone(&clock)).await?;
    match set_up(&director).await? {
        Ok(common) => setup.common = common,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "error: setup() failed, so nothing was started: {failure}");
            target.close().await;
            return Ok(ExitCode::Failed);
        }
    }
    let outcome = conduct(&prepared, &setup, &run_id, &folder, director.clone(), clock).await?;
    if let Some(Some(failure)) = director.call("teardown", None).await?.map(|outcome| outcome.failure) {
        let _ = writeln!(std::io::stderr(), "warning: teardown() failed: {failure}");
    }
    let counted = counters::compare(&target, &outcome.timeline).await;
    let code = conclude(&prepared, &run_id, started_at, &outcome, &counted, &folder);
    end_agents(outcome.launcher).await?;
    target.close().await;
    code
}

/// Calls `setup()`, if there is one; its value becomes `common` everywhere.
async fn set_up(director: &Director) -> anyhow::Result<Result<serde_json::Value, String>> {
    let Some(outcome) = director.call("setup", None).await? else { return Ok(Ok(serde_json::Value::Null)) };
    if let Some(failure) = outcome.failure {
        return Ok(Err(failure.to_string()));
    }
    let common = outcome.returned.map_err(|error| format!("its value cannot be shared: {error}"));
    if let Ok(common) = &common {
        director.share(common.clone()).await?;
    }
    Ok(common)
}

/// Launches agents and plays the plan with them.
async fn conduct(
    prepared: &Prepared,
    setup: &Setup,
    run_id: &str,
    folder: &Folder,
    director: Director,
    clock: Arc<RunClock>,
) -> anyhow::Result<Outcome> {
    let agents = &prepared.environment.agents;
    let (arrivals, inbox) = mpsc::channel(INBOX);
    let services = Services::start(run_id, agents.count, Arc::clone(&clock), arrivals).await?;
    let (mut launcher, exits) = Local::new(LocalOptions {
        program: std::env::current_exe().context("finding this program")?,
        args: vec!["agent".into(), "--tied-to-stdin".into()],
        folder: folder.path().to_owned(),
        grace: GRACE,
    });
    launcher.launch(&Order { agents: agents.count, join: services.blob.to_string() }).await?;
    let settings = Settings {
        run_id: run_id.to_owned(),
        plan: setup.plan.clone(),
        seed: setup.seed,
        assignment: assignment(setup, run_id, agents.count)?,
        agents: agents.count as usize,
        weights: agents.weights.clone(),
    };
    let outcome = Conductor::new(settings, clock, director, launcher).run(inbox, exits).await;
    services.stop();
    outcome
}

/// What every agent gets; the conductor fills in its name.
fn assignment(setup: &Setup, run_id: &str, agents: u32) -> anyhow::Result<Assignment> {
    let json = |what: &str, value: serde_json::Result<String>| {
        value.map(Arc::from).with_context(|| format!("writing the {what} as JSON"))
    };
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    Ok(Assignment {
        run: run_id.to_owned(),
        agent_id: String::new(),
        region: String::new(),
        seed: setup.seed,
        // Local agents share the machine's cores.
        threads: (cores / agents.max(1)).max(1),
        scenario: Arc::from(setup.source.text.as_str()),
        environment: json("environment", serde_json::to_string(&setup.environment))?,
        plan: json("plan", serde_json::to_string(&setup.plan))?,
        common: json("value of setup()", serde_json::to_string(&setup.common))?,
        data: Arc::default(),
    })
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

/// Judges the run, writes its files, prints the summary.
fn conclude(
    prepared: &Prepared,
    run_id: &str,
    started_at: SystemTime,
    outcome: &Outcome,
    counted: &anyhow::Result<Option<Comparison>>,
    folder: &Folder,
) -> anyhow::Result<ExitCode> {
    if let Ending::Fault(text) = &outcome.ending
        && outcome.started.is_none()
    {
        bail!("the run did not start: {text}; logs of the agents are in {}", folder.path().display());
    }
    let judged = judge_run(prepared, run_id, started_at, outcome, counted)?;
    let summary = judged.report.to_json().context("writing the summary as JSON")?;
    folder.write("summary.json", summary.as_bytes())?;
    let mut hlog = Vec::new();
    write_hlog(&outcome.timeline, started_at, &mut hlog).context("writing the interval log")?;
    folder.write("timeline.hlog", &hlog)?;
    let mut stdout = std::io::stdout();
    let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // Whoever reads may have gone; the verdict stands all the same.
    if let Err(error) = write!(stdout, "{}", text::render(&judged.report, colour)) {
        let _ = writeln!(std::io::stderr(), "warning: printing the summary failed: {error}");
    }
    let _ = writeln!(std::io::stderr(), "\n{}", folder.path().display());
    Ok(judged.code)
}
