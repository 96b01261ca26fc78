//! The two listeners of a coordinator: joining (token for certificate) and the link (mutual TLS).
//!
//! They decide only who may speak; what is said goes to the conductor's inbox.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rehearsal_engine::RunClock;
use rehearsal_fleet::Authority;
use rehearsal_link::{Session, ToCoordinator};
use rehearsal_metrics::Interval;
use rehearsal_plan::AgentNumber;
use rehearsal_proto::tls::{SERVER_NAME, join_server, link_server};
use rehearsal_proto::v1::{self, join_server::JoinServer, link_server::LinkServer};
use rehearsal_proto::{LARGEST_MESSAGE, join::JoinBlob};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::authority::{AUTHORITY, SharedAuthority, now_unix};

/// Messages to one agent that wait for its network; an agent that falls behind by this much is cut off.
const WAITING: usize = 256;
/// How long a token is good. A run's agents join in its first minute.
const TOKEN_S: u64 = 3_600;
/// Joins a second. A fleet of a thousand joins in ten seconds, and guessing tokens is hopeless anyway.
const JOINS_PER_SECOND: u32 = 100;

/// What the services tell the conductor.
pub(crate) enum Arrival {
    /// An agent was admitted by token; it is told so when that is written down.
    Joined { agent: AgentNumber, instance: String, stored: oneshot::Sender<()> },
    /// A connection of an admitted agent; messages to it go through `outgoing`.
    Connected { session: Session, outgoing: mpsc::Sender<Result<v1::CoordinatorMessage, Status>> },
    /// An agent said something.
    Said { session: Session, message: ToCoordinator<Interval> },
    /// A connection is gone.
    Disconnected { session: Session },
}

/// Both listeners.
pub(crate) struct Services {
    /// What agents need to come.
    pub(crate) blob: JoinBlob,
    stop: Vec<oneshot::Sender<()>>,
}

/// Both ports before anybody is served on them.
pub(crate) struct Listeners {
    join: TcpListener,
    link: TcpListener,
}

impl Listeners {
    /// Listens at addresses that agents know already, or on ports of the system's choice: for agents of this machine, or, if
    /// agents elsewhere are to reach it, on all its addresses.
    pub(crate) async fn open(known: Option<[SocketAddr; 2]>, is_public: bool) -> anyhow::Result<Self> {
        let host = if is_public { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
        let [join, link] = known.unwrap_or([SocketAddr::from((host, 0)); 2]);
        let listen = async |address| {
            TcpListener::bind(address).await.with_context(|| format!("listening for agents at {address}"))
        };
        Ok(Self { join: listen(join).await?, link: listen(link).await? })
    }

    /// Where agents join, and where they dial.
    pub(crate) fn addresses(&self) -> anyhow::Result<[SocketAddr; 2]> {
        let of = |listener: &TcpListener| listener.local_addr().context("listening for agents");
        Ok([of(&self.join)?, of(&self.link)?])
    }
}

/// For whom the services are.
pub(crate) struct Guests<'a> {
    /// The fleet's name.
    pub(crate) fleet: &'a str,
    /// Where its authority is kept, or is to be kept.
    pub(crate) folder: &'a Path,
    /// How many agents the token of the blob admits.
    pub(crate) uses: u32,
    /// The host by which agents reach this coordinator, if it is not this machine's own.
    pub(crate) advertise: Option<&'a str>,
}

impl Services {
    /// Serves agents. The authority is the folder's, so that agents of a former life of this coordinator are known.
    pub(crate) async fn start(
        listeners: Listeners,
        guests: Guests<'_>,
        clock: Arc<RunClock>,
        inbox: mpsc::Sender<Arrival>,
    ) -> anyhow::Result<Self> {
        let Guests { fleet, folder, uses, advertise } = guests;
        let mut authority = match folder.join(AUTHORITY).exists() {
            true => Authority::load(folder)?,
            false => Authority::create(fleet, now_unix()).context("making the fleet's authority")?,
        };
        let token = authority.token(now_unix() + TOKEN_S, uses)?;
        let names = [SERVER_NAME.to_owned(), "localhost".to_owned(), Ipv4Addr::LOCALHOST.to_string()];
        let certificate = authority.server_certificate(&names, now_unix())?;
        let ca = authority.certificate().to_vec();
        authority.save(folder)?;
        let authority = SharedAuthority::new(authority, folder);
        let reached = |address: SocketAddr| match advertise {
            Some(host) => format!("{host}:{}", address.port()),
            None => address.to_string(),
        };
        let [join_address, link_address] = listeners.addresses()?.map(reached);

        let join = JoinService { authority: authority.clone(), inbox: inbox.clone(), pace: Mutex::new(Pace::new()) };
        let join = Server::builder()
            .tls_config(join_server(&certificate.chain, &certificate.key))?
            .add_service(JoinServer::new(join));
        let link = LinkService { authority, inbox, clock, sessions: AtomicU64::new(1) };
        let link =
            LinkServer::new(link).max_decoding_message_size(LARGEST_MESSAGE).max_encoding_message_size(LARGEST_MESSAGE);
        let tls = link_server(&ca, &certificate.chain, &certificate.key);
        let link = Server::builder().tcp_nodelay(true).tls_config(tls)?.add_service(link);
        let stop_join = serve(join, listeners.join);
        let stop_link = serve(link, listeners.link);
        let blob = JoinBlob {
            coordinators: vec![join_address],
            link: vec![link_address],
            ca_der: ca,
            token: token.secret,
            expires_unix: token.expires_unix,
            fleet: fleet.to_owned(),
        };
        Ok(Self { blob, stop: vec![stop_join, stop_link] })
    }

    /// Stops listening; open connections end when the agents hang up.
    pub(crate) fn stop(self) {
        for stop in self.stop {
            let _ = stop.send(()); // the server may have ended already
        }
    }
}

fn serve(router: tonic::transport::server::Router, listener: TcpListener) -> oneshot::Sender<()> {
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let until_stopped = async {
            let _ = stopped.await;
        };
        // An accept that fails is retried inside; the server ends only with its listener.
        let _ = router.serve_with_incoming_shutdown(TcpListenerStream::new(listener), until_stopped).await;
    });
    stop
}

/// Spaces joins evenly.
struct Pace {
    next: Instant,
}

impl Pace {
    fn new() -> Self {
        Self { next: Instant::now() }
    }

    /// How long this join has to wait.
    fn wait(&mut self, now: Instant) -> Duration {
        let at = self.next.max(now);
        self.next = at + Duration::from_secs(1) / JOINS_PER_SECOND;
        at.duration_since(now)
    }
}

struct JoinService {
    authority: SharedAuthority,
    inbox: mpsc::Sender<Arrival>,
    pace: Mutex<Pace>,
}

#[tonic::async_trait]
impl v1::join_server::Join for JoinService {
    async fn join(&self, request: Request<v1::JoinRequest>) -> Result<Response<v1::JoinReply>, Status> {
        let wait = self.pace.lock().await.wait(Instant::now());
        if wait > Duration::from_secs(5) {
            return Err(Status::resource_exhausted("too many agents are joining: try again"));
        }
        tokio::time::sleep(wait).await;
        let request = request.into_inner();
        check_build(&request.build)?;
        let issued = self.authority.admit(&request.token, &request.public_key)?;
        let (stored, is_stored) = oneshot::channel();
        let joined = Arrival::Joined { agent: AgentNumber(issued.agent), instance: request.instance, stored };
        let over = || Status::unavailable("the run is over");
        self.inbox.send(joined).await.map_err(|_| over())?;
        // An agent that got no answer asks again and is the same one; one that nobody remembers would never play.
        is_stored.await.map_err(|_| over())?;
        Ok(Response::new(reply(issued)))
    }
}

/// A cluster of different builds would measure different things.
#[allow(clippy::result_large_err)] // tonic's own type
fn check_build(build: &str) -> Result<(), Status> {
    let own = env!("CARGO_PKG_VERSION");
    match build == own {
        true => Ok(()),
        false => {
            Err(Status::failed_precondition(format!("the agent is of build {build}, the coordinator of build {own}")))
        }
    }
}

fn reply(issued: rehearsal_fleet::IssuedCertificate) -> v1::JoinReply {
    v1::JoinReply { certificate_chain: issued.chain, agent: issued.agent, expires_unix: issued.expires_unix }
}

struct LinkService {
    authority: SharedAuthority,
    inbox: mpsc::Sender<Arrival>,
    clock: Arc<RunClock>,
    sessions: AtomicU64,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl LinkService {
    /// The agent whose certificate made this connection.
    #[allow(clippy::result_large_err)] // tonic's own type
    fn caller<T>(&self, request: &Request<T>) -> Result<(AgentNumber, Vec<u8>), Status> {
        let certificates = request.peer_certs().ok_or_else(|| Status::unauthenticated("no certificate was shown"))?;
        let own = certificates.first().ok_or_else(|| Status::unauthenticated("no certificate was shown"))?;
        let agent = self.authority.agent_of(own.as_ref());
        let agent =
            agent.ok_or_else(|| Status::permission_denied("the certificate is not of this fleet, or has ended"))?;
        Ok((AgentNumber(agent), own.as_ref().to_vec()))
    }
}

#[tonic::async_trait]
impl v1::link_server::Link for LinkService {
    type SessionStream = ReceiverStream<Result<v1::CoordinatorMessage, Status>>;
    type ClockStream = Answers<v1::ProbeAnswer>;

    async fn session(
        &self,
        request: Request<Streaming<v1::AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (agent, _) = self.caller(&request)?;
        let session = Session(self.sessions.fetch_add(1, Ordering::Relaxed));
        let (outgoing, messages) = mpsc::channel(WAITING);
        let connected = Arrival::Connected { session, outgoing: outgoing.clone() };
        self.inbox.send(connected).await.map_err(|_| Status::unavailable("the run is over"))?;
        tokio::spawn(listen(session, agent, request.into_inner(), self.inbox.clone(), outgoing));
        Ok(Response::new(ReceiverStream::new(messages)))
    }

    async fn clock(&self, request: Request<Streaming<v1::Probe>>) -> Result<Response<Self::ClockStream>, Status> {
        use tokio_stream::StreamExt as _;
        self.caller(&request)?;
        let clock = Arc::clone(&self.clock);
        let answers = request.into_inner().map(move |probe| {
            let received_us = clock.now().0;
            probe.map(|probe| v1::ProbeAnswer { sent_us: probe.sent_us, received_us, answered_us: clock.now().0 })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn renew(&self, request: Request<v1::RenewRequest>) -> Result<Response<v1::JoinReply>, Status> {
        let (_, certificate) = self.caller(&request)?;
        let issued = self.authority.renew(&certificate, &request.into_inner().public_key)?;
        Ok(Response::new(reply(issued)))
    }
}

/// Hands on what an agent says, until it stops or says what cannot be understood.
async fn listen(
    session: Session,
    agent: AgentNumber,
    mut incoming: Streaming<v1::AgentMessage>,
    inbox: mpsc::Sender<Arrival>,
    outgoing: mpsc::Sender<Result<v1::CoordinatorMessage, Status>>,
) {
    while let Ok(Some(message)) = incoming.message().await {
        let message = match understand(agent, message) {
            Ok(message) => message,
            Err(status) => {
                let _ = outgoing.send(Err(*status)).await; // it may have hung up itself
                break;
            }
        };
        if inbox.send(Arrival::Said { session, message }).await.is_err() {
            break;
        }
    }
    let _ = inbox.send(Arrival::Disconnected { session }).await; // the run may be over
}

/// A certificate speaks for one agent: a hello in another's name is refused.
fn understand(agent: AgentNumber, message: v1::AgentMessage) -> Result<ToCoordinator<Interval>, Box<Status>> {
    let message = ToCoordinator::try_from(message).map_err(|error| Status::invalid_argument(error.to_string()))?;
    match &message {
        ToCoordinator::Hello(hello) if hello.agent != agent => {
            Err(Status::permission_denied(format!("agent {} spoke in the name of agent {}", agent.0, hello.agent.0))
                .into())
        }
        _ => Ok(message),
    }
}
