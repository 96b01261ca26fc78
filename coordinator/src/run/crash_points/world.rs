//! The world around a coordinator: agents, an operator, a disk, and time, which goes on whether a coordinator lives or not.
//!
//! Each life of the coordinator has a runtime of its own, whose clock is virtual: with it go all tasks of that life.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _};
use rehearsal_engine::{RunClock, Setup};
use rehearsal_fleet::GuestList;
use rehearsal_link::{Assignment, LeaseTerms};
use rehearsal_metrics::Limits;
use rehearsal_plan::{AgentNumber, Cue, CueTime, Data, Environment, Load, Plan, RunTime, Scenario, Spacing, Stay};
use rehearsal_report::view::RunNow;
use rehearsal_script::Source;
use rehearsal_store::{About, Options, Store, is_being_written};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::agent::{Agent, Way};
use super::operator::{BY_HAND, Operator, Show, since};
use super::{Crash, begin_life};
use crate::fleet::Crew;
use crate::run::board::Board;
use crate::run::director::Director;
use crate::run::past::Past;
use crate::run::services::Arrival;
use crate::run::{Conductor, Doors, Ears, Gathering, Keeper, Outcome, Settings, Showing};
use crate::scaler::Watching;

/// The run's seed.
pub(super) const SEED: u64 = 7;
/// The cue that the plan fires.
pub(super) const BY_PLAN: &str = "by_plan";
/// Users before the load is scaled.
const USERS: u64 = 50;
const AGENTS: u32 = 3;
/// The agent that goes, and when after the start.
pub(super) const DRAINED: AgentNumber = AgentNumber(3);
const DRAINS_AFTER: Duration = Duration::from_millis(2_800);
/// How often agents and operator do something.
const STEP: Duration = Duration::from_millis(20);
/// A run that has not ended by then never will.
const LONGEST: RunTime = RunTime(300_000_000);

/// What is left when the run is over.
pub(super) struct Over {
    pub(super) agents: Vec<Agent>,
    pub(super) operator: Operator,
    pub(super) outcome: Outcome,
    /// How often the coordinator has died.
    pub(super) deaths: u32,
    _folder: TempDir,
}

/// All but the coordinator.
pub(super) struct World {
    show: Show,
    random: StdRng,
    now: RunTime,
    folder: TempDir,
    agents: Vec<Agent>,
    operator: Operator,
    has_drained: bool,
    deaths: u32,
}

/// A coordinator as the world sees it.
struct Coordinator<'a> {
    inbox: &'a mpsc::Sender<Arrival>,
    door: &'a mpsc::Sender<crate::run::control::Order>,
    sessions: u64,
}

/// How a life of a coordinator ended.
enum End {
    Over(Box<Outcome>),
    Crashed,
}

impl World {
    pub(super) fn new(show: Show, mut random: StdRng) -> Self {
        // Memory, if the machine has it as a folder: a crash of a process loses nothing that was written.
        let folder = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a temporary folder can be made");
        let now = RunTime::ZERO;
        let agents = (1..=AGENTS).map(|number| Agent::new(AgentNumber(number), random.next_u64(), now)).collect();
        Self { show, random, now, folder, agents, operator: Operator::new(show), has_drained: false, deaths: 0 }
    }

    /// Plays the run to its end, with as many coordinators as it takes.
    pub(super) fn play(mut self) -> Over {
        let store = Store::create(&self.database(), &about()).expect("the folder is empty");
        let mut begun = (store, None);
        loop {
            match self.live(begun.0, begun.1) {
                End::Over(outcome) => {
                    self.end();
                    let Self { agents, operator, folder, deaths, .. } = self;
                    return Over { agents, operator, outcome: *outcome, deaths, _folder: folder };
                }
                End::Crashed => {
                    self.deaths += 1;
                    self.go_on_alone();
                    let mut store = Store::resume(&self.database()).expect("the former coordinator is dead");
                    let past = Past::take_over(&mut store).expect("what it left is whole");
                    begun = (store, Some(past));
                }
            }
        }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("run.db")
    }

    /// One life of the coordinator.
    fn live(&mut self, store: Store, past: Option<Past>) -> End {
        let runtime = runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime can be made").block_on(async {
            begin_life();
            let clock = Arc::new(RunClock::starting_at(Instant::now()));
            clock.set_offset(self.now.0);
            let (inbox, arrivals) = mpsc::channel(4_096);
            let (door, orders) = mpsc::channel(16);
            let mut coordinator = Coordinator { inbox: &inbox, door: &door, sessions: 0 };
            let conduct = conduct(store, past, Arc::clone(&clock), arrivals, orders);
            let mut conduct = pin!(until_crash(conduct));
            let mut step = tokio::time::interval(STEP);
            loop {
                tokio::select! {
                    biased;
                    end = &mut conduct => return end,
                    _ = step.tick() => {
                        self.now = clock.now();
                        assert!(self.now < LONGEST, "the run does not end: {}", self.told());
                        self.step(Some(&mut coordinator));
                    }
                }
            }
        })
    }

    /// Time without a coordinator, and until the dead one's files are closed.
    fn go_on_alone(&mut self) {
        self.agents.iter_mut().for_each(Agent::cut);
        let away = self.now + Duration::from_millis(self.random.random_range(20..1_500));
        while self.now < away {
            self.now = self.now + STEP;
            self.step(None);
        }
        while is_being_written(&self.database()) {
            std::thread::yield_now();
        }
    }

    /// Time until all agents have ended, too.
    fn end(&mut self) {
        while self.agents.iter().any(|agent| agent.exit.is_none()) {
            assert!(self.now < LONGEST, "agents do not end: {}", self.told());
            self.now = self.now + STEP;
            self.step(None);
        }
    }

    fn step(&mut self, mut coordinator: Option<&mut Coordinator<'_>>) {
        let since = since(self.started(), self.now);
        self.operator.step(since, coordinator.as_ref().map(|coordinator| coordinator.door));
        for agent in &mut self.agents {
            let way = coordinator.as_mut().map(|Coordinator { inbox, sessions, .. }| Way { inbox, sessions });
            agent.step(self.now, way);
        }
        if self.show.drains() && !self.has_drained && since.is_some_and(|since| since >= DRAINS_AFTER) {
            self.has_drained = true;
            self.agents.iter_mut().filter(|agent| agent.number == DRAINED).for_each(|agent| agent.drain(self.now));
        }
    }

    /// When the run has its first instant, as far as an agent knows.
    fn started(&self) -> Option<RunTime> {
        let versions = self.agents.iter().find_map(|agent| agent.versions.as_ref())?;
        versions.history().next().map(|first| first.at)
    }

    fn told(&self) -> String {
        let exits: Vec<_> = self.agents.iter().map(|agent| &agent.exit).collect();
        format!("{:?}, agents have ended: {exits:?}, ordered: {:?}", self.show, self.operator.ordered)
    }
}

/// Puts a conductor together and runs it, as a run's play does.
async fn conduct(
    store: Store,
    past: Option<Past>,
    clock: Arc<RunClock>,
    inbox: mpsc::Receiver<Arrival>,
    orders: mpsc::Receiver<crate::run::control::Order>,
) -> Outcome {
    let crew = Crew::Elsewhere(GuestList::Counted);
    let (exits, spending) = (mpsc::channel(1).1, mpsc::channel(1).1);
    let director = Director::new(setup(), Arc::clone(&clock));
    let showing = Showing::new(Arc::new(Board::new(RunNow::default(), 1)), None);
    let keeper = Keeper::start(store, Options::default());
    let conductor =
        Conductor::new(settings(), clock, director, crew, keeper, showing, Watching::start(Vec::new(), &[]));
    let conductor = match past {
        Some(past) => conductor.resume(past, None),
        None => conductor,
    };
    let mut doors = Doors::new(orders, None);
    conductor
        .run(Ears { inbox, exits, spending, doors: &mut doors, followed: None })
        .await
        .expect("a run has an outcome")
}

/// Polls until the end, or until a point unwinds it.
async fn until_crash(life: impl Future<Output = Outcome>) -> End {
    let mut life = pin!(life);
    let ended = std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| life.as_mut().poll(context))) {
        Ok(poll) => poll.map(|outcome| End::Over(Box::new(outcome))),
        Err(panic) => Poll::Ready(crashed(panic)),
    });
    ended.await
}

fn crashed(panic: Box<dyn Any + Send>) -> End {
    match panic.downcast::<Crash>() {
        Ok(_) => End::Crashed,
        Err(panic) => resume_unwind(panic),
    }
}

fn plan() -> Plan {
    let load = Load::Arrive {
        users: USERS,
        over: Duration::from_secs(4),
        spacing: Spacing::Even,
        stay: Stay::Each(Duration::from_millis(1_200)),
    };
    let cue = |name: &str, when| Cue { name: name.to_owned(), event: None, pointer: None, when };
    let by_plan = cue(BY_PLAN, CueTime::At(Duration::from_millis(2_400)));
    Plan {
        scenarios: vec![Scenario { name: "main".to_owned(), run: "user".to_owned(), load }],
        cues: vec![by_plan, cue(BY_HAND, CueTime::ByHand)],
        ..Plan::default()
    }
}

fn about() -> About {
    About {
        run_id: "crash points".to_owned(),
        scenario: "crash points".to_owned(),
        environment: "none".to_owned(),
        seed: SEED,
        started_at_us: None,
        plan: serde_json::to_value(plan()).expect("a plan is JSON"),
        settings: Value::Null,
        program: "test".to_owned(),
    }
}

fn settings() -> Settings {
    Settings {
        run_id: "crash points".to_owned(),
        plan: plan(),
        seed: SEED,
        assignment: Assignment {
            run: "crash points".to_owned(),
            agent_id: String::new(),
            region: String::new(),
            seed: SEED,
            threads: 1,
            scenario: "".into(),
            environment: "".into(),
            plan: "".into(),
            common: "".into(),
            data: Arc::default(),
        },
        gathering: Gathering::by_themselves(AGENTS as usize),
        cores: 1,
        weights: None,
        lease: LeaseTerms::default(),
        hosts_demo: false,
    }
}

/// The director never reads it: cues are acted.
fn setup() -> Setup {
    Setup {
        source: Source { name: String::new(), text: String::new() },
        environment: Environment::from_layers(&[], &BTreeMap::new(), &[]).expect("nothing in it is wrong"),
        target: "http://127.0.0.1/".parse().expect("it is an address"),
        instances: None,
        plan: plan(),
        data: Arc::new(Data::default()),
        common: Value::Null,
        seed: SEED,
        agent: AgentNumber(0),
        agent_id: String::new(),
        region: String::new(),
        limits: Limits::default(),
    }
}
