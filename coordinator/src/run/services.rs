//! The two listeners of a coordinator: joining (token for certificate) and the link (mutual TLS).
//!
//! They decide only who may speak; what is said goes to the conductor's inbox.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rehearsal_engine::RunClock;
use rehearsal_fleet::{Authority, Door, Guest, GuestList, InstanceId, Token};
use rehearsal_link::{Session, ToCoordinator};
use rehearsal_metrics::Interval;
use rehearsal_plan::AgentNumber;
use rehearsal_proto::tls::{SERVER_NAME, join_server, link_server};
use rehearsal_proto::v1::{self, join_server::JoinServer, link_server::LinkServer};
use rehearsal_proto::{LARGEST_MESSAGE, join::JoinBlob};
use rehearsal_relay::Incoming;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::Server;
use tonic::transport::server::{Connected, Router};
use tonic::{Request, Response, Status, Streaming};

use super::authority::{AUTHORITY, SharedAuthority, now_unix};
use crate::fleet::Advertised;
use crate::serve::log;

/// Messages to one agent that wait for its network; an agent that falls behind by this much is cut off.
const WAITING: usize = 256;
/// How long an agent waits at the door for its launcher to know it. Then it asks again.
const AT_THE_DOOR: Duration = Duration::from_secs(5);
/// Joins a second. A fleet of a thousand joins in ten seconds, and guessing tokens is hopeless anyway.
const JOINS_PER_SECOND: u32 = 100;

/// What the services tell the conductor.
pub(crate) enum Arrival {
    /// An agent was admitted by token, or was admitted to the fleet before and comes for this run; it is told so when that
    /// is written down.
    Joined { agent: AgentNumber, guest: Guest, stored: oneshot::Sender<()> },
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
    /// The fleet's authority.
    authority: SharedAuthority,
    stop: Vec<oneshot::Sender<()>>,
}

/// Both ports before anybody is served on them.
pub(crate) struct Listeners {
    join: TcpListener,
    link: TcpListener,
    /// Where agents come in by way of a relay, too: those who join, and those who dial.
    relayed: Option<[Incoming; 2]>,
}

impl Listeners {
    /// Listens at addresses that agents know already, or on ports of the system's choice: for agents of this machine, or, if
    /// agents elsewhere are to reach it, on all its addresses.
    pub(crate) async fn open(known: Option<[SocketAddr; 2]>, is_public: bool) -> anyhow::Result<Self> {
        let host = if is_public { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
        let [join, link] = known.unwrap_or([SocketAddr::from((host, 0)); 2]);
        let listen = async |address| {
            let why = if known.is_some() { ", where they look for it; does another run play with them?" } else { "" };
            TcpListener::bind(address).await.with_context(|| format!("listening for agents at {address}{why}"))
        };
        Ok(Self { join: listen(join).await?, link: listen(link).await?, relayed: None })
    }

    /// The same for agents that come through a relay.
    pub(crate) fn and_relayed(self, incoming: [Incoming; 2]) -> Self {
        Self { relayed: Some(incoming), ..self }
    }

    /// Where agents join, and where they dial.
    pub(crate) fn addresses(&self) -> anyhow::Result<[SocketAddr; 2]> {
        let of = |listener: &TcpListener| listener.local_addr().context("listening for agents");
        Ok([of(&self.join)?, of(&self.link)?])
    }
}

/// A fleet as agents meet it at the door.
pub(crate) struct Fleet<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Where its authority is kept, or is to be kept.
    pub(crate) folder: &'a Path,
    /// By which host, and at which ports, agents reach this coordinator, if it is not at this machine's own.
    pub(crate) advertised: Option<&'a Advertised>,
    /// Whether its agents wait for another run when one is over.
    pub(crate) stays: bool,
    /// For whom the blob is; none if all agents have theirs.
    pub(crate) invited: Option<Invited>,
}

/// For whom a token is.
pub(crate) struct Invited {
    /// How many agents it admits.
    pub(crate) uses: u32,
    /// For how long.
    pub(crate) holds: Duration,
}

impl Services {
    /// Serves agents. The authority is the folder's, so that agents of a former life of this coordinator, or of a former run
    /// with the same fleet, are known. Who comes is told to `inbox`; who may come, `list` says.
    pub(crate) async fn start(
        listeners: Listeners,
        fleet: Fleet<'_>,
        list: watch::Receiver<GuestList>,
        clock: Arc<RunClock>,
        inbox: mpsc::Sender<Arrival>,
    ) -> anyhow::Result<Self> {
        let Fleet { name, folder, advertised, stays, invited } = fleet;
        let mut authority = match folder.join(AUTHORITY).exists() {
            true => Authority::load(folder)?,
            false => Authority::create(name, now_unix()).context("making the fleet's authority")?,
        };
        let token = match invited {
            Some(Invited { uses, holds }) => authority.token(now_unix() + holds.as_secs(), uses)?,
            None => Token { secret: String::new(), expires_unix: 0 },
        };
        let names = [SERVER_NAME.to_owned(), "localhost".to_owned(), Ipv4Addr::LOCALHOST.to_string()];
        let certificate = authority.server_certificate(&names, now_unix())?;
        let ca = authority.certificate().to_vec();
        authority.save(folder)?;
        let authority = SharedAuthority::new(authority, folder);
        let own = listeners.addresses()?;
        let ports = advertised.and_then(Advertised::listeners).unwrap_or(own).map(|address| address.port());
        let [join_address, link_address] = match advertised {
            Some(Advertised { host, .. }) => ports.map(|port| format!("{host}:{port}")),
            None => own.map(|address| address.to_string()),
        };

        let pace = Arc::new(Mutex::new(Pace::new()));
        let join = JoinService { authority: authority.clone(), list, inbox: inbox.clone(), pace };
        let join = Server::builder()
            .tls_config(join_server(&certificate.chain, &certificate.key))?
            .add_service(JoinServer::new(join));
        let link = LinkService { authority: authority.clone(), inbox, clock, sessions: AtomicU64::new(1) };
        let link =
            LinkServer::new(link).max_decoding_message_size(LARGEST_MESSAGE).max_encoding_message_size(LARGEST_MESSAGE);
        let tls = link_server(&ca, &certificate.chain, &certificate.key);
        let link = Server::builder().tcp_nodelay(true).tls_config(tls)?.add_service(link);
        let mut stop = vec![
            serve(join.clone(), TcpListenerStream::new(listeners.join)),
            serve(link.clone(), TcpListenerStream::new(listeners.link)),
        ];
        if let Some([joining, dialling]) = listeners.relayed {
            stop.extend([serve(join, joining), serve(link, dialling)]);
        }
        let blob = JoinBlob {
            coordinators: vec![join_address],
            link: vec![link_address],
            ca_der: ca,
            token: token.secret,
            expires_unix: token.expires_unix,
            fleet: name.to_owned(),
            stays,
        };
        Ok(Self { blob, authority, stop })
    }

    /// The fleet's authority.
    pub(crate) fn authority(&self) -> &SharedAuthority {
        &self.authority
    }

    /// Stops listening; open connections end when the agents hang up.
    pub(crate) fn stop(self) {
        for stop in self.stop {
            let _ = stop.send(()); // the server may have ended already
        }
    }
}

/// Serves whoever comes in, until it is told to stop.
fn serve<I>(router: Router, incoming: impl Stream<Item = std::io::Result<I>> + Send + 'static) -> oneshot::Sender<()>
where
    I: AsyncRead + AsyncWrite + Connected<ConnectInfo: Clone + Send + Sync> + Unpin + Send + 'static,
{
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let until_stopped = async {
            let _ = stopped.await;
        };
        // An accept that fails is retried inside; the server ends only with its listener.
        let _ = router.serve_with_incoming_shutdown(incoming, until_stopped).await;
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
    list: watch::Receiver<GuestList>,
    inbox: mpsc::Sender<Arrival>,
    pace: Arc<Mutex<Pace>>,
}

impl JoinService {
    /// Where an agent runs, if its launcher vouches for it.
    #[allow(clippy::result_large_err)] // tonic's own type
    async fn vouched(&self, instance: &InstanceId, from: IpAddr) -> Result<Option<String>, Status> {
        let mut list = self.list.clone();
        let decided = list.wait_for(|list| list.door(instance, from) != Door::NotYet);
        let door = match timeout(AT_THE_DOOR, decided).await {
            Ok(Ok(list)) => list.door(instance, from),
            Ok(Err(_)) | Err(_) => Door::NotYet,
        };
        match door {
            Door::Open(region) => Ok(region),
            Door::NotYet => {
                Err(Status::unavailable(format!("{instance} is not known yet as one of the fleet's: try again")))
            }
            Door::Shut => {
                log(&format!(
                    "warning: {from} was refused: it has the fleet's token and says that it is {instance}, which is elsewhere"
                ));
                Err(Status::permission_denied(format!("admitting an agent: {instance} does not come from {from}")))
            }
        }
    }
}

#[tonic::async_trait]
impl v1::join_server::Join for JoinService {
    async fn join(&self, request: Request<v1::JoinRequest>) -> Result<Response<v1::JoinReply>, Status> {
        let wait = self.pace.lock().await.wait(Instant::now());
        if wait > Duration::from_secs(5) {
            return Err(Status::resource_exhausted("too many agents are joining: try again"));
        }
        tokio::time::sleep(wait).await;
        let from = request.remote_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
        let v1::JoinRequest { token, public_key, build, instance, region, .. } = request.into_inner();
        check_build(&build)?;
        // Strangers wait for nothing.
        self.authority.check(&token)?;
        let is_vouched = matches!(*self.list.borrow(), GuestList::Named(_));
        let known = self.vouched(&InstanceId(instance.clone()), from).await?;
        let guest = Guest { instance, region: known.unwrap_or(region), is_vouched };
        let issued = self.authority.admit(&token, &public_key, &guest)?;
        enter(&self.inbox, AgentNumber(issued.agent), guest).await?;
        Ok(Response::new(reply(issued)))
    }
}

/// Has an agent entered into the run. One that got no answer asks again and is the same one; one that nobody remembers
/// would never play.
async fn enter(inbox: &mpsc::Sender<Arrival>, agent: AgentNumber, guest: Guest) -> Result<(), Status> {
    let (stored, is_stored) = oneshot::channel();
    let over = || Status::unavailable("the run is over");
    inbox.send(Arrival::Joined { agent, guest, stored }).await.map_err(|_| over())?;
    is_stored.await.map_err(|_| over())
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
    let holds_s = issued.expires_unix.saturating_sub(now_unix());
    v1::JoinReply { certificate_chain: issued.chain, agent: issued.agent, expires_unix: issued.expires_unix, holds_s }
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
        // It may have been admitted long before this run.
        enter(&self.inbox, agent, self.authority.guest(agent.0)).await?;
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
