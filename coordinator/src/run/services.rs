//! The two listeners of a coordinator: joining (token for certificate) and the link (mutual TLS).
//!
//! They decide only who may speak; what is said goes to the conductor's inbox.

mod joining;
mod linking;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rehearsal_engine::RunClock;
use rehearsal_fleet::{Authority, Guest, GuestList, Token};
use rehearsal_link::{Session, ToCoordinator};
use rehearsal_metrics::Interval;
use rehearsal_plan::AgentNumber;
use rehearsal_proto::tls::{SERVER_NAME, join_server, link_server};
use rehearsal_proto::v1::{self, join_server::JoinServer, link_server::LinkServer};
use rehearsal_proto::{LARGEST_MESSAGE, join::JoinBlob};
use rehearsal_relay::Incoming;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Status;
use tonic::transport::Server;
use tonic::transport::server::{Connected, Router};

use super::authority::{AUTHORITY, SharedAuthority, now_unix};
use crate::fleet::Advertised;
use joining::JoinService;
use linking::LinkService;

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

        let join = JoinService::new(authority.clone(), list, inbox.clone());
        let join = Server::builder()
            .tls_config(join_server(&certificate.chain, &certificate.key))?
            .add_service(JoinServer::new(join));
        let link = LinkService::new(authority.clone(), inbox, clock);
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

/// Has an agent entered into the run. One that got no answer asks again and is the same one; one that nobody remembers
/// would never play.
async fn enter(inbox: &mpsc::Sender<Arrival>, agent: AgentNumber, guest: Guest) -> Result<(), Status> {
    let (stored, is_stored) = oneshot::channel();
    let over = || Status::unavailable("the run is over");
    inbox.send(Arrival::Joined { agent, guest, stored }).await.map_err(|_| over())?;
    is_stored.await.map_err(|_| over())
}

/// What an agent gets that is admitted, or admitted longer.
fn reply(issued: rehearsal_fleet::IssuedCertificate) -> v1::JoinReply {
    let holds_s = issued.expires_unix.saturating_sub(now_unix());
    v1::JoinReply { certificate_chain: issued.chain, agent: issued.agent, expires_unix: issued.expires_unix, holds_s }
}
