//! A coordinator of a few lines, over the real wire: admits agents, arms them, acknowledges at once, and remembers everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use rehearsal_engine::RunClock;
use rehearsal_link::{
    Assignment, Epoch, Incarnation, LeaseTerms, Leaving, Readiness, StopKind, ToAgent, ToCoordinator, Welcome,
};
use rehearsal_metrics::{Interval, UserState};
use rehearsal_plan::{AgentNumber, Environment, Load, Plan, RunTime, Scenario, SlotTable, Target, Versions};
use rehearsal_proto::v1::{self, join_server::JoinServer, link_server::LinkServer};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

use crate::fleet::Fleet;

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
    pub joined: Vec<v1::JoinRequest>,
    pub renewed: usize,
    /// The certificates that sessions were opened with.
    pub shown: Vec<Vec<u8>>,
    pub lives: BTreeSet<Incarnation>,
    pub intervals: Vec<Interval>,
    pub leaving: Vec<Leaving>,
    pub drained: usize,
    /// Agents that have heard goodbye.
    pub farewells: usize,
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
    fleet: Arc<Fleet>,
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
    /// The coordinator of a fleet that has no other.
    pub fn start(part: Part) -> Self {
        Self::of(&Fleet::new(part.agents, false), part)
    }

    pub fn of(fleet: &Arc<Fleet>, part: Part) -> Self {
        let (fleet, clock) = (Arc::clone(fleet), RunClock::starting_at(Instant::now()));
        let (blob, tls, listeners) = (fleet.blob.to_string(), fleet.tls(), fleet.listeners());
        let changed = watch::Sender::new(());
        let state = Arc::new(State { part, clock, fleet, heard: Mutex::default(), changed });
        let (kill, killed) = oneshot::channel();
        let serving = Arc::clone(&state);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(serving, tls, listeners, killed));
        });
        Self { blob, state, kill: Some(kill), thread: Some(thread) }
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

    /// Cuts all sessions.
    pub fn cut(&self) {
        for agent in self.heard().armed.values() {
            agent.try_send(Err(Status::aborted("cut by the test"))).expect("a test says little");
        }
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
                heard.lives.insert(hello.incarnation);
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
                heard.armed.remove(agent);
                answer(ToAgent::Goodbye);
            }
            ToCoordinator::Farewell => heard.farewells += 1,
            ToCoordinator::Stopping(_) => {}
        }
    }
}

fn say(agent: &Outgoing, message: ToAgent) {
    agent.try_send(Ok(message.into())).expect("a test says little");
}

struct Service(Arc<State>);

#[tonic::async_trait]
impl v1::join_server::Join for Service {
    async fn join(&self, request: Request<v1::JoinRequest>) -> Result<Response<v1::JoinReply>, Status> {
        let request = request.into_inner();
        let reply = self.0.fleet.admit(&request.token, &request.public_key)?;
        self.0.heard.lock().unwrap().joined.push(request);
        self.0.changed.send_replace(());
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
        let certificate = request.peer_certs().expect("the link asks for one")[0].to_vec();
        let mut heard = self.0.heard.lock().unwrap();
        if heard.drained == self.0.part.agents {
            return Err(Status::unavailable("the run is over"));
        }
        heard.shown.push(certificate);
        drop(heard);
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

    async fn renew(&self, request: Request<v1::RenewRequest>) -> Result<Response<v1::JoinReply>, Status> {
        let certificate = request.peer_certs().expect("the link asks for one")[0].to_vec();
        let reply = self.0.fleet.renew(&certificate, &request.into_inner().public_key)?;
        self.0.heard.lock().unwrap().renewed += 1;
        self.0.changed.send_replace(());
        Ok(Response::new(reply))
    }
}
