//! What all users of one thread share: the compiled scenario, the network, the clock, the scribe.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rehearsal_metrics::{Limits, Tags};
use rehearsal_plan::{AgentNumber, Data, Environment, Instances, Plan, RunTime};
use rehearsal_script::{Env, Program, Source};
use rehearsal_transport::http::ClientOptions;
use rehearsal_transport::{Network, NetworkOptions, ServiceOptions};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use url::Url;

use crate::alarm::Alarms;
use crate::allow::AllowList;
use crate::clock::RunClock;
use crate::cues::Cues;
use crate::scribe::{Scribe, TagsId};
use crate::user::User;

/// Everything that a thread needs to run users; the same for all threads of an agent.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The scenario.
    pub source: Source,
    /// The environment as resolved by the coordinator.
    pub environment: Environment,
    /// Where relative addresses lead.
    pub target: Url,
    /// The instances behind the target's name, if it is a service that is followed.
    pub instances: Option<watch::Receiver<Arc<Instances>>>,
    /// What the plan says; loads come with the versions.
    pub plan: Plan,
    /// What `setup()` returned.
    pub common: serde_json::Value,
    /// The rows that users draw from, parsed once for all threads.
    pub data: Arc<Data>,
    /// Seeds the random numbers of all users.
    pub seed: u64,
    /// This agent in the slot tables.
    pub agent: AgentNumber,
    /// This agent in headers and reports.
    pub agent_id: String,
    /// A tag on everything.
    pub region: String,
    /// Names, series and errors per thread.
    pub limits: Limits,
}

/// Lines that scripts may log on one thread.
const MOST_LOGGED: u32 = 1_000;

/// A line of `validate --trace`: what one user did, and how long it took.
pub type Tracer = Rc<dyn Fn(Duration, String)>;

/// One thread's world.
pub(crate) struct World {
    pub(crate) setup: Arc<Setup>,
    pub(crate) program: Program,
    pub(crate) network: Rc<Network>,
    pub(crate) client_options: Rc<ClientOptions>,
    pub(crate) clock: Arc<RunClock>,
    pub(crate) alarms: Rc<Alarms>,
    pub(crate) scribe: RefCell<Scribe>,
    pub(crate) cues: RefCell<Cues>,
    /// The users that are live, by number.
    pub(crate) users: RefCell<HashMap<u64, Rc<User>>>,
    /// One computing fiber at a time gets a slice.
    pub(crate) slices: Semaphore,
    pub(crate) tracer: Option<Tracer>,
    /// When the first request of a function on the coordinator was sent.
    pub(crate) first_sent: Cell<Option<Instant>>,
    /// Lines that scripts have logged on this thread.
    logged: Cell<u32>,
    base_tags: Vec<TagsId>,
    user_header: Option<http::HeaderName>,
}

/// Why a world cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The scenario does not compile or its constants fail.
    #[error("compiling the scenario failed: {0}")]
    Scenario(#[from] rehearsal_script::Failure),
    /// The value of `setup()` cannot be used.
    #[error("the value that setup() returned cannot be shared: {0}")]
    Common(String),
    /// No TLS or resolver configuration.
    #[error("setting up the network failed")]
    Network(#[from] rehearsal_transport::NetworkError),
    /// A header name or value of the environment is not one.
    #[error("`http.{key}` of the environment is not a header: {value}")]
    Header {
        /// The key.
        key: &'static str,
        /// What it says.
        value: String,
    },
    /// The operating system refused a thread or a runtime.
    #[error("starting a user thread failed")]
    Thread(#[source] std::io::Error),
}

impl World {
    pub(crate) fn new(setup: Arc<Setup>, clock: Arc<RunClock>, tracer: Option<Tracer>) -> Result<Rc<Self>, WorldError> {
        let program = Program::compile(&setup.source, &Env::new(&setup.environment, setup.target.as_str()))?;
        program.set_common(setup.common.clone()).map_err(WorldError::Common)?;
        program.set_data(Arc::clone(&setup.data));
        let allowed = AllowList::new(&setup.environment, &setup.target, setup.instances.as_ref());
        let network = NetworkOptions {
            allow: Some(Box::new(move |host, ip| allowed.check(host, ip))),
            service: service(&setup),
            ..NetworkOptions::default()
        };
        let mut scribe = Scribe::new(setup.limits);
        let base_tags = base_tags(&setup, &mut scribe);
        Ok(Rc::new(Self {
            program,
            network: Network::new(network)?,
            client_options: Rc::new(client_options(&setup)?),
            clock,
            alarms: Alarms::new().map_err(WorldError::Thread)?,
            scribe: RefCell::new(scribe),
            cues: RefCell::default(),
            users: RefCell::default(),
            slices: Semaphore::new(1),
            tracer,
            first_sent: Cell::new(None),
            logged: Cell::new(0),
            base_tags,
            user_header: user_header(&setup)?,
            setup,
        }))
    }

    /// The tags that every user of a scenario starts with.
    pub(crate) fn base_tags(&self, scenario: usize) -> TagsId {
        self.base_tags[scenario.min(self.base_tags.len() - 1)]
    }

    /// Run time, told to the scribe so that what is recorded next falls into the right second.
    pub(crate) fn now(&self) -> RunTime {
        let now = self.clock.now();
        self.scribe.borrow_mut().roll(now);
        now
    }

    /// The headers of one user's requests, if the environment wants the number to be seen.
    pub(crate) fn user_headers(&self, number: u64) -> Box<[(http::HeaderName, http::HeaderValue)]> {
        self.user_header.iter().map(|name| (name.clone(), http::HeaderValue::from(number))).collect()
    }

    /// Writes a line of a script to standard error, which is an agent's log. 300,000 users would fill a disk, so there is an
    /// end to it, which is said.
    pub(crate) fn log(&self, user: u64, text: &str) {
        use std::io::Write as _;
        let logged = self.logged.replace(self.logged.get().saturating_add(1));
        let line = match logged {
            _ if self.tracer.is_some() => return,
            0..MOST_LOGGED => format!("user {user}: {text}"),
            MOST_LOGGED => format!("{MOST_LOGGED} lines were logged on this thread: the rest is left out"),
            _ => return,
        };
        let _ = writeln!(std::io::stderr(), "{line}"); // nobody may be left who reads it
    }

    /// Tells a tracing operator what happened.
    pub(crate) fn trace(&self, line: impl FnOnce() -> String) {
        if let Some(tracer) = &self.tracer {
            let now = Duration::from_micros(u64::try_from(self.clock.now().0).unwrap_or(0));
            tracer(now, line());
        }
    }
}

/// How the target's instances are found. Threads deal them in orders of their own: with one order for all, an agent with many
/// threads and few users would begin at the same instance with all of them.
fn service(setup: &Setup) -> Option<ServiceOptions> {
    let instances = setup.instances.clone()?;
    let (host, port) = (setup.target.host_str()?.to_owned(), setup.target.port_or_known_default()?);
    Some(ServiceOptions { host, port, instances, seed: rand::random() })
}

/// One tag set a scenario; one without a scenario if the plan has none (functions of the coordinator).
fn base_tags(setup: &Setup, scribe: &mut Scribe) -> Vec<TagsId> {
    let region = Tags::default().with("region", setup.region.as_str());
    let named = setup.plan.scenarios.iter().map(|scenario| region.with("scenario", scenario.name.as_str()));
    let sets: Vec<Tags> = named.collect();
    if sets.is_empty() { vec![scribe.tags(&region)] } else { sets.iter().map(|tags| scribe.tags(tags)).collect() }
}

fn user_header(setup: &Setup) -> Result<Option<http::HeaderName>, WorldError> {
    let Some(name) = &setup.environment.http.user_header else { return Ok(None) };
    name.parse().map(Some).map_err(|_| WorldError::Header { key: "user_header", value: name.clone() })
}

fn client_options(setup: &Setup) -> Result<ClientOptions, WorldError> {
    let http = &setup.environment.http;
    let mut headers = Vec::new();
    if let Some(name) = &http.agent_header {
        let wrong = || WorldError::Header { key: "agent_header", value: format!("{name}: {}", setup.agent_id) };
        let value = setup.agent_id.parse().map_err(|_| wrong())?;
        headers.push((name.parse().map_err(|_| wrong())?, value));
    }
    Ok(ClientOptions { keep_alive: http.keep_alive, max_body: http.max_body, headers, ..ClientOptions::default() })
}
