//! A coordinator of a few lines, over the real wire: admits agents, arms them, acknowledges at once, and remembers everything.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rehearsal_engine::RunClock;
use rehearsal_fleet::Authority;
use rehearsal_link::{Assignment, Epoch, LeaseTerms, Leaving, Readiness, StopKind, ToAgent, ToCoordinator, Welcome};
use rehearsal_metrics::{Interval, UserState};
use rehearsal_plan::{AgentNumber, Environment, Load, Plan, RunTime, Scenario, SlotTable, Target, Versions};
use rehearsal_proto::join::JoinBlob;
use rehearsal_proto::tls::{SERVER_NAME, join_server, link_server};
use rehearsal_proto::v1::{self, join_server::JoinServer, link_server::LinkServer};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

/// The longest that a test waits for anything.
pub const BOUND: Duration = Duration::from_secs(40);
const SEED: u64 = 5;

type Outgoing = mpsc::Sender<Result<v1::CoordinatorMessage, Status>>;

/// What is to be played, by how many, under which lease.
#[derive(Clone)]
pub struct Part {
    pub scenario: &'static str,
    pub load: Load,
    pub agents: usize,
    pub lease: LeaseTerms,
}

/// What agents have said.
#[derive(Default)]
pub struct Heard {
    armed: BTreeMap<u32, Outgoing>,
    pub intervals: Vec<Interval>,
    pub leaving: Vec<Leaving>,
    pub drained: usize,
    pub applied: BTreeSet<u32>,
}

impl Heard {
    pub fn count_armed(&self) -> usize {
        self.armed.len()
    }

    pub fn moved(&self, from: UserState, to: UserState) -> u64 {
        self.intervals.iter().flat_map(|interval| interval.users.values()).map(|moved| moved.get(from, to)).sum()
    }
}

struct State {
    part: Part,
    clock: RunClock,
    authority: Mutex<Authority>,
    heard: Mutex<Heard>,
    changed: watch::Sender<()>,
}

/// Ends with its value, with all its connections, as a process that is killed does.
pub struct Coordinator {
    pub blob: String,
    state: Arc<State>,
    kill: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Coordinator {
    pub fn start(part: Part) -> Self {
        let now = unix_now();
        let mut authority = Authority::create("test", now).unwrap();
        let token = authority.token(now + 600, part.agents as u32).unwrap();
        let shown = authority.server_certificate(&[SERVER_NAME.to_owned()], now).unwrap();
        let ca_der = authority.certificate().to_vec();
        let clock = RunClock::starting_at(Instant::now());
        let (authority, changed) = (Mutex::new(authority), watch::Sender::new(()));
        let state = Arc::new(State { part, clock, authority, heard: Mutex::default(), changed });
        let tls = [join_server(&shown.chain, &shown.key), link_server(&ca_der, &shown.chain, &shown.key)];
        let listeners = [(); 2].map(|()| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let [join, link] = [0, 1].map(|which: usize| vec![listeners[which].local_addr().unwrap().to_string()]);
        let (kill, killed) = oneshot::channel();
        let serving = Arc::clone(&state);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(serving, tls, listeners, killed));
        });
        let (token, expires_unix) = (token.secret, token.expires_unix);
        let blob = JoinBlob { coordinators: join, link, ca_der, token, expires_unix, fleet: "test".to_owned() };
        Self { blob: blob.to_string(), state, kill: Some(kill), thread: Some(thread) }
    }

    pub fn heard(&self) -> MutexGuard<'_, Heard> {
        self.state.heard.lock().unwrap()
    }

    /// Waits until a condition of what was heard holds.
    pub async fn until(&self, what: &str, condition: impl Fn(&Heard) -> bool) {
        let mut changes = self.state.changed.subscribe();
        let holds = async {
            while !condition(&self.heard()) {
                changes.changed().await.unwrap();
            }
        };
        assert!(timeout(BOUND, holds).await.is_ok(), "waited in vain until {what}: {:?}", self.heard().leaving);
    }

    /// Ends the load.
    pub fn stop(&self) {
        self.state.tell_all(&ToAgent::Stop(StopKind::Graceful));
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        drop(self.kill.take());
        let _ = self.thread.take().map(thread::JoinHandle::join); // a panic of it was printed
    }
}

async fn serve(
    state: Arc<State>,
    [join_tls, link_tls]: [ServerTlsConfig; 2],
    listeners: [std::net::TcpListener; 2],
    killed: oneshot::Receiver<()>,
) {
    let [join_listener, link_listener] = listeners.map(|listener| {
        listener.set_nonblocking(true).unwrap();
        TcpListenerStream::new(TcpListener::from_std(listener).unwrap())
    });
    let join = JoinServer::new(Service(Arc::clone(&state)));
    let link = LinkServer::new(Service(state));
    let join = Server::builder().tls_config(join_tls).unwrap().add_service(join).serve_with_incoming(join_listener);
    let link = Server::builder().tls_config(link_tls).unwrap().add_service(link).serve_with_incoming(link_listener);
    tokio::select! {
        ended = join => ended.unwrap(),
        ended = link => ended.unwrap(),
        _ = killed => {}
    }
}

impl State {
    fn tell_all(&self, message: &ToAgent) {
        self.heard.lock().unwrap().armed.values().for_each(|agent| say(agent, message.clone()));
    }

    /// All agents share the load from half a second ahead on.
    fn begin(&self) {
        let agents: Vec<_> = self.heard.lock().unwrap().armed.keys().map(|agent| (AgentNumber(*agent), 1)).collect();
        let at = self.clock.now() + Duration::from_millis(500);
        let slots = SlotTable::weighted(1_024, &agents);
        let versions = Versions::first(at, vec![self.part.load.clone()], slots, SEED);
        self.tell_all(&ToAgent::Version(Arc::new(versions.latest().clone())));
    }

    fn assignment(&self) -> Assignment {
        let Part { scenario, load, .. } = self.part.clone();
        let mut environment = Environment::from_layers(&[], &BTreeMap::new(), &[]).unwrap();
        environment.target = Target::Url("http://127.0.0.1:9/".to_owned());
        let played = Scenario { name: "users".to_owned(), run: "user".to_owned(), load };
        let plan = Plan { scenarios: vec![played], ..Plan::default() };
        Assignment {
            run: "run".to_owned(),
            agent_id: "agent".to_owned(),
            region: String::new(),
            seed: SEED,
            threads: 2,
            scenario: scenario.into(),
            environment: serde_json::to_string(&environment).unwrap().into(),
            plan: serde_json::to_string(&plan).unwrap().into(),
            common: "null".into(),
            data: Arc::default(),
        }
    }

    fn hear(&self, agent: &mut u32, message: ToCoordinator<Interval>, answers: &Outgoing) {
        let answer = |message| say(answers, message);
        let mut heard = self.heard.lock().unwrap();
        match message {
            ToCoordinator::Hello(hello) => {
                *agent = hello.agent.0;
                answer(ToAgent::Welcome(Welcome { epoch: Epoch(1), mark: 0, lease: self.part.lease }));
                if hello.readiness == Readiness::Unassigned {
                    answer(ToAgent::Assignment(Arc::new(self.assignment())));
                }
            }
            ToCoordinator::Armed => {
                heard.armed.insert(*agent, answers.clone());
                if heard.armed.len() == self.part.agents {
                    drop(heard);
                    self.begin();
                }
            }
            ToCoordinator::Heartbeat { sequence, .. } => answer(ToAgent::HeartbeatAnswer { sequence }),
            ToCoordinator::Interval { number, payload } => {
                heard.intervals.push(payload);
                answer(ToAgent::Ack { number });
            }
            ToCoordinator::Applied(_) => drop(heard.applied.insert(*agent)),
            ToCoordinator::Leaving(leaving) => heard.leaving.push(leaving),
            ToCoordinator::Drained => {
                heard.drained += 1;
                answer(ToAgent::Goodbye);
            }
            ToCoordinator::Stopping(_) => {}
        }
    }
}

fn say(agent: &Outgoing, message: ToAgent) {
    agent.try_send(Ok(message.into())).expect("a test says little");
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

struct Service(Arc<State>);

#[tonic::async_trait]
impl v1::join_server::Join for Service {
    async fn join(&self, request: Request<v1::JoinRequest>) -> Result<Response<v1::JoinReply>, Status> {
        let v1::JoinRequest { token, public_key, .. } = request.into_inner();
        let issued = self.0.authority.lock().unwrap().admit(&token, &public_key, unix_now());
        let issued = issued.map_err(|refused| Status::permission_denied(refused.to_string()))?;
        let reply =
            v1::JoinReply { certificate_chain: issued.chain, agent: issued.agent, expires_unix: issued.expires_unix };
        Ok(Response::new(reply))
    }
}

#[tonic::async_trait]
impl v1::link_server::Link for Service {
    type SessionStream = ReceiverStream<Result<v1::CoordinatorMessage, Status>>;
    type ClockStream = ReceiverStream<Result<v1::ProbeAnswer, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<v1::AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (answers, stream) = mpsc::channel(1_024);
        let (state, mut messages) = (Arc::clone(&self.0), request.into_inner());
        tokio::spawn(async move {
            let mut agent = 0;
            while let Ok(Some(message)) = messages.message().await {
                state.hear(&mut agent, message.try_into().unwrap(), &answers);
                state.changed.send_replace(());
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn clock(&self, request: Request<Streaming<v1::Probe>>) -> Result<Response<Self::ClockStream>, Status> {
        let (answers, stream) = mpsc::channel(4);
        let (state, mut probes) = (Arc::clone(&self.0), request.into_inner());
        tokio::spawn(async move {
            while let Ok(Some(v1::Probe { sent_us })) = probes.message().await {
                let RunTime(now) = state.clock.now();
                let answer = v1::ProbeAnswer { sent_us, received_us: now, answered_us: now };
                if answers.send(Ok(answer)).await.is_err() {
                    break;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn renew(&self, _: Request<v1::RenewRequest>) -> Result<Response<v1::JoinReply>, Status> {
        Err(Status::unimplemented("no test lasts so long"))
    }
}
