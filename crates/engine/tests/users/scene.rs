//! One user of one script, played to its end.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rehearsal_demo::Demo;
use rehearsal_engine::{RunClock, Setup, Solo, Tracer};
use rehearsal_metrics::{Limits, UserState};
use rehearsal_plan::{AgentNumber, Data, Environment, Load, Plan, Scenario};
use rehearsal_script::Source;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use url::Url;

use crate::told::Told;

/// The longest that a test waits for anything.
pub const BOUND: Duration = Duration::from_secs(30);
/// The one agent of all tests.
pub const AGENT: AgentNumber = AgentNumber(3);
/// Stack of the thread of a single user, as user threads have it.
const STACK: usize = 64 << 20;
/// The name under which scripts report their lines.
pub const FILE: &str = "scenario.rhai";

/// A script and where it is played.
pub struct Scene {
    text: String,
    target: String,
    /// To be changed before the scene is played.
    pub environment: Environment,
    /// The functions that users run, one a scenario.
    pub runs: Vec<&'static str>,
    /// Whether users of a lost agent come back, and over which time.
    pub restore: Option<Duration>,
    /// The rows that users draw from.
    pub data: Arc<Data>,
}

/// What one user did.
pub struct Played {
    /// How it left.
    pub end: UserState,
    /// What was counted.
    pub told: Told,
    /// The tracer's lines.
    pub log: Vec<String>,
}

/// Starts the demo system.
pub fn demo() -> Demo {
    Demo::start(rehearsal_demo::Options::default()).unwrap()
}

/// Takes a script's text, to be played against a system under test.
pub fn scene(text: impl Into<String>, system: SocketAddr) -> Scene {
    let environment = Environment::from_layers(&[], &BTreeMap::new(), &[]).unwrap();
    Scene {
        text: text.into(),
        target: format!("http://{system}/"),
        environment,
        runs: vec!["user"],
        restore: None,
        data: Arc::default(),
    }
}

/// Plays `fn user()` of a script against a system under test.
pub async fn play(text: impl Into<String>, system: SocketAddr) -> Played {
    scene(text, system).play().await
}

/// Does something on a thread as users have it.
pub async fn on_user_thread<T: Send + 'static>(work: impl AsyncFnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = oneshot::channel();
    let on_thread = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Nobody waits any more only when the test has failed already.
        let _ = done.send(runtime.block_on(work()));
    };
    thread::Builder::new().name("solo".into()).stack_size(STACK).spawn(on_thread).unwrap();
    timeout(BOUND * 2, outcome).await.expect("the user's thread hangs").expect("the user's thread has panicked")
}

impl Scene {
    /// Plays user 0 on a thread of its own.
    pub async fn play(self) -> Played {
        on_user_thread(async move || self.play_here().await).await
    }

    async fn play_here(&self) -> Played {
        let log = Rc::new(RefCell::new(Vec::new()));
        let lines = Rc::clone(&log);
        let tracer: Tracer = Rc::new(move |_, line| lines.borrow_mut().push(line));
        let clock = Arc::new(RunClock::starting_at(Instant::now()));
        let solo = Solo::new(self.setup(&[]), clock, Some(tracer)).unwrap();
        let end = timeout(BOUND, solo.play(self.runs[0], 0, None)).await.expect("the user never leaves");
        Played { end, told: Told::of(&solo), log: log.take() }
    }

    /// What a worker needs; one load a scenario.
    pub fn setup(&self, loads: &[Load]) -> Arc<Setup> {
        let scenarios = loads.iter().zip(&self.runs);
        let scenarios = scenarios.map(|(load, run)| Scenario {
            name: format!("{run}s"),
            run: (*run).to_owned(),
            load: load.clone(),
        });
        Arc::new(Setup {
            source: Source { name: FILE.to_owned(), text: self.text.clone() },
            environment: self.environment.clone(),
            target: Url::parse(&self.target).unwrap(),
            instances: None,
            plan: Plan { scenarios: scenarios.collect(), restore: self.restore, ..Plan::default() },
            common: serde_json::Value::Null,
            data: Arc::clone(&self.data),
            seed: 7,
            agent: AGENT,
            agent_id: "agent-3".to_owned(),
            region: "here".to_owned(),
            limits: Limits::default(),
        })
    }
}

impl Played {
    /// The user must have left as the scenario meant, without any error, and all its checks must have passed.
    pub fn must_be_fine(&self, sentence: &str) {
        let errors: Vec<_> = self.told.whole().errors.iter().collect();
        assert!(errors.is_empty(), "{sentence}: {errors:?}");
        self.must_pass(sentence);
    }

    /// The user must have left as the scenario meant, and all its checks must have passed.
    pub fn must_pass(&self, sentence: &str) {
        assert_eq!(self.end, UserState::Finished, "{sentence}: {:#?}", self.log);
        let (passed, all) = self.told.ratio("checks", &[]);
        assert_eq!(passed, all, "{sentence}: {:#?}", self.log);
    }
}
