//! One run, from a prepared scenario to its verdict, whoever asked for it: `start` on the command line or `serve` from a
//! dashboard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rehearsal_engine::{RunClock, Setup};
use rehearsal_link::{Assignment, LeaseTerms};
use rehearsal_metrics::Limits;
use rehearsal_plan::AgentNumber;
use rehearsal_report::view::{EventRow, RunNow, RunState};
use rehearsal_store::{Batch, Options, Store};
use tokio::sync::mpsc;

use crate::conclusion::{conclude, print};
use crate::exit::ExitCode;
use crate::fleet::{Crew, Party, Wish};
use crate::judged::Judged;
use crate::opening::Wishes;
use crate::prepare::Prepared;
use crate::run::anchor::Anchor;
use crate::run::authority::AUTHORITY;
use crate::run::board::Board;
use crate::run::control::Order;
use crate::run::director::Director;
use crate::run::folder::Folder;
use crate::run::past::{Past, STAGE, Stage};
use crate::run::services::{Listeners, Services};
use crate::run::target::Target;
use crate::run::{Conductor, Doors, Ears, Followed, Interrupts, Keeper, Outcome, Settings, Showing, Terminal};
use crate::scaler::{Watching, sources};
use crate::serve::log;
use crate::studio::Studio;
use crate::{archive, counters};

/// Messages of agents that wait for the conductor: a window of each of a hundred agents.
const INBOX: usize = 4_096;
/// How long `teardown()` may take.
const TEARDOWN: Duration = Duration::from_secs(60);

/// A run that has its id and its folder.
pub struct Run {
    pub(crate) prepared: Prepared,
    pub(crate) wishes: Wishes,
    pub(crate) id: String,
    pub(crate) seed: u64,
    pub(crate) folder: Folder,
    pub(crate) store: Store,
    /// What a former life of the coordinator left of it.
    pub(crate) past: Option<Past>,
    pub(crate) board: Arc<Board>,
    pub(crate) orders: mpsc::Receiver<Order>,
}

impl Run {
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
        let Self { prepared, wishes, id, seed, folder, mut store, past, board, orders } = self;
        // Of a run whose coordinator died before it had launched anything, nothing is left to go on with.
        let past = past.filter(|past| past.stage.is_some());
        let former = past.as_ref().and_then(|past| past.stage.clone());
        let target = Target::open(&prepared.environment, former.as_ref().map(|stage| stage.target.as_str())).await?;
        let anchor = former.as_ref().map_or_else(Anchor::now, |stage| stage.anchor.clone());
        let clock = Arc::new(anchor.clock());
        let mut setup = setup(&prepared, &target, seed);
        let followed = target.following().map(Followed::of);
        let director = Director::new(setup.clone(), Arc::clone(&clock));
        let mut doors = Doors::new(orders, wishes.at_terminal.then(Interrupts::new).transpose()?);
        let set_up = match &former {
            Some(stage) => {
                director.share(stage.common.clone());
                Ok(stage.common.clone())
            }
            None => match doors.unless_stopped(set_up(&director)).await {
                Some(set_up) => set_up?,
                None => Err("it was stopped before it had returned".to_owned()),
            },
        };
        match set_up {
            Ok(common) => setup.common = common,
            Err(failure) => {
                target.close().await;
                let error = anyhow::anyhow!("setup() failed, so nothing was started: {failure}");
                log(&format!("error: {error}"));
                let run = board.run();
                board.publish(|_| failed(run, &error));
                archive::store_failure(&mut store);
                return Ok(if doors.is_stopped() { ExitCode::Stopped } else { ExitCode::Failed });
            }
        }
        let wish = match &former {
            Some(stage) => {
                Wish { standing: stage.fleet.clone(), advertised: stage.advertised.clone(), ..Wish::default() }
            }
            None => wishes.agents.clone(),
        };
        let party = Party::of(&prepared.environment.agents, &wish, &id, &folder, former.is_some()).await?;
        let (known, is_public) = party.listeners();
        let known = former.as_ref().map(|stage| stage.listeners).or(known);
        let is_public = former.as_ref().map_or(is_public, |stage| stage.is_public);
        let listeners = Listeners::open(known, is_public).await?;
        let stage = Stage {
            anchor,
            target: target.url().to_string(),
            common: setup.common.clone(),
            listeners: listeners.addresses()?,
            is_public,
            advertised: wish.advertised.clone(),
            fleet: wish.standing.clone(),
        };
        let fact = (STAGE.to_owned(), serde_json::to_value(&stage).context("writing the stage as JSON")?);
        store.commit(&Batch { facts: vec![fact], ..Batch::default() })?;
        let agents = &prepared.environment.agents;
        let settings = Settings {
            run_id: id.clone(),
            plan: setup.plan.clone(),
            seed,
            assignment: assignment(&setup, &prepared.data_files, &id, party.threads)?,
            gathering: party.gathering,
            cores: party.cores,
            weights: agents.weights.clone(),
            lease: LeaseTerms { lease: agents.lease, drain: agents.drain },
            hosts_demo: target.is_demo(),
        };
        let terminal = wishes.at_terminal.then(|| Terminal::new(wishes.dashboard.clone()));
        let keeper = Keeper::start(store, Options { slow: wishes.slow_disk });
        let was_resumed = past.is_some();
        let admin = prepared.environment.admin_url(target.url().as_str());
        let sources = sources(&prepared.environment, &admin).map_err(|problems| {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("observing the autoscaler: {}", all.join("; "))
        })?;
        let watching = Watching::start(sources, &setup.plan.guards);
        let scene = Scene {
            folder: &folder,
            keeper,
            doors: &mut doors,
            director: director.clone(),
            clock,
            past,
            followed,
            watching,
        };
        let showing = Showing::new(Arc::clone(&board), terminal);
        let Some(outcome) = conduct(scene, listeners, party, settings, showing).await? else {
            target.close().await;
            return Ok(ExitCode::Stopped);
        };
        // A demo that was started anew has forgotten what it had counted before.
        let counted = if was_resumed { Ok(None) } else { counters::compare(&target, &outcome.timeline).await };
        let (crew, ended) = conclude(&prepared, &id, &folder, &board, outcome, &counted);
        if let (Ok(Judged { report, .. }), true) = (&ended, wishes.at_terminal) {
            print(report, &folder);
        }
        let gone = dismiss(crew, &mut doors).await;
        Party::forget(&folder);
        // The verdict is there: whatever the scenario does now cannot take it away.
        tear_down(&director, &mut doors).await;
        target.close().await;
        gone?;
        Ok(ended?.code)
    }
}

/// What a conductor works with.
struct Scene<'a> {
    folder: &'a Folder,
    keeper: Keeper,
    doors: &'a mut Doors,
    director: Director,
    clock: Arc<RunClock>,
    past: Option<Past>,
    followed: Option<Followed>,
    watching: Watching,
}

/// Ends whom this coordinator launched. Whoever cannot wait has `fleet sweep`, and instances that end themselves.
async fn dismiss(crew: Crew, doors: &mut Doors) -> anyhow::Result<()> {
    doors.unless_stopped(crew.end()).await.unwrap_or_else(|| {
        log("warning: nobody looks whether the fleet has ended: `coordinator fleet sweep` does");
        Ok(())
    })
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

/// Launches agents, finds those of a former life, or waits for those that come by themselves; plays the plan with them.
/// Whoever was launched is ended if that fails. Nothing comes of it if it is stopped during the launch.
async fn conduct(
    scene: Scene<'_>,
    listeners: Listeners,
    mut party: Party,
    settings: Settings,
    showing: Showing,
) -> anyhow::Result<Option<Outcome>> {
    let Scene { folder, keeper, doors, director, clock, past, followed, watching } = scene;
    let has_started = past.as_ref().is_some_and(Past::has_started);
    let authority = party.home().path().join(AUTHORITY);
    if has_started && !authority.exists() {
        bail!("taking the run up: {} is missing, without which its agents cannot come back", authority.display());
    }
    let (arrivals, inbox) = mpsc::channel(INBOX);
    let alive = if past.is_some() { party.crew.found().await? } else { None };
    let came = async {
        let listeners = party.open_way(listeners).await?;
        let addresses = listeners.addresses()?;
        let fleet = party.fleet(has_started);
        let services = Services::start(listeners, fleet, party.crew.guests(), Arc::clone(&clock), arrivals).await?;
        if !has_started {
            party.gather(&services, addresses, folder).await?;
        }
        anyhow::Ok(services)
    };
    let services = match doors.unless_stopped(came).await {
        Some(Ok(services)) => services,
        failed => {
            dismiss(party.crew, doors).await?;
            return failed.map_or(Ok(None), |failed| failed.map(|_| None));
        }
    };
    let _held = party.hold();
    let Party { crew, exits, spending, gathering, .. } = party;
    let settings = Settings { gathering, ..settings };
    let ears = Ears { inbox, exits, spending, doors, followed };
    let conductor = Conductor::new(settings, clock, director, crew, keeper, showing, watching);
    let conductor = match past {
        Some(past) => conductor.resume(past, alive.as_deref()),
        None => conductor,
    };
    let outcome = conductor.run(ears).await;
    services.stop();
    outcome.map(Some)
}

/// What every agent gets; the conductor fills in its name.
fn assignment(
    setup: &Setup,
    data_files: &Arc<BTreeMap<String, String>>,
    run_id: &str,
    threads: u32,
) -> anyhow::Result<Assignment> {
    let json = |what: &str, value: serde_json::Result<String>| {
        value.map(Arc::from).with_context(|| format!("writing the {what} as JSON"))
    };
    Ok(Assignment {
        run: run_id.to_owned(),
        agent_id: String::new(),
        region: String::new(),
        seed: setup.seed,
        threads,
        scenario: Arc::from(setup.source.text.as_str()),
        environment: json("environment", serde_json::to_string(&setup.environment))?,
        plan: json("plan", serde_json::to_string(&setup.plan))?,
        common: json("value of setup()", serde_json::to_string(&setup.common))?,
        data: Arc::clone(data_files),
    })
}

fn setup(prepared: &Prepared, target: &Target, seed: u64) -> Setup {
    Setup {
        source: prepared.source.clone(),
        environment: target.environment(&prepared.environment),
        target: target.url().clone(),
        instances: target.instances(),
        plan: prepared.plan.clone(),
        data: Arc::clone(&prepared.data),
        common: serde_json::Value::Null,
        seed,
        agent: AgentNumber(0),
        agent_id: "coordinator".to_owned(),
        region: "local".to_owned(),
        limits: Limits::default(),
    }
}
