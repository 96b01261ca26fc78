//! The demo system: a small interactive TV show that can be loaded without any other machine.
//!
//! It is the system under test of the scenarios that come with Rehearsal, and of its end-to-end
//! tests. Viewers sign in, read the programme, hold a WebSocket or a long poll, hear what the
//! director broadcasts and vote. It counts what it answered ([`Counters`]), so that a report can
//! be held against the truth, and knows which users it saw from more than one agent ([`Users`]):
//! requests say whose they are in `x-rehearsal-agent` and `x-rehearsal-user`. If asked it plays a
//! system of instances that an autoscaler adds and takes away ([`Scaling`]). It listens on one
//! address, keeps all in memory and forgets all at the end; it has no TLS and no protection
//! against abuse beyond bounds on what it buffers.
#![forbid(unsafe_code)]

mod caller;
mod counters;
mod ends;
mod polling;
mod presence;
mod refusal;
mod routes;
mod scaling;
mod seconds;
mod session;
mod sockets;
mod stays;

pub use counters::{AgentCounters, Counters, SocketsOpened};
pub use scaling::{Band, Behaviour, Overload, Scaling, ScalingError, UnknownBehaviour};
pub use seconds::{PerSecond, Seconds};
pub use stays::{LiveTwice, Stay, UserStays, Users};

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::header::UPGRADE;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use counters::Ledger;
use ends::{Ends, Told};
use polling::EventLog;
use presence::Presence;
use scaling::{Balancer, Member};
use session::Sessions;
use sockets::{Sockets, Takeover};

/// Connections that may wait to be accepted: a whole second of a steep arrival. The kernel cuts
/// it to `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// Most bytes that are read ahead of a request's end, the least that hyper allows: it is what an
/// idle kept connection costs, and no request here is longer.
const READ_AHEAD: usize = 8 * 1024;

/// How long accepting rests after it failed, which it does when the process is out of files:
/// trying again at once would take a whole core and free none.
const ACCEPT_REST: Duration = Duration::from_millis(20);

/// How long connections get to end in order when the demo stops; [`Demo::stop`] promises 1 s.
const STOP_WAIT: Duration = Duration::from_millis(700);

/// What can be chosen about a demo system.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one, see [`Demo::address`].
    pub listen: SocketAddr,
    /// How long a poll hangs before it is answered without events.
    pub poll_wait: Duration,
    /// How it is scaled; without, it has room for everybody and no `/admin/autoscaler/*`.
    pub autoscaler: Option<Scaling>,
}

impl Default for Options {
    /// A free port on loopback, polls that hang for 25 s, no autoscaler.
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { listen, poll_wait: Duration::from_secs(25), autoscaler: None }
    }
}

/// A running demo system. Dropping it ends it too, but waits for nothing.
#[derive(Debug)]
pub struct Demo {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Everything that runs watches this, and ends when it is dropped.
    stop: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Demo {
    /// Starts a demo system on the current tokio runtime, which needs I/O and time.
    ///
    /// # Errors
    /// When the address cannot be listened on, or it cannot be scaled as it is asked to
    /// ([`ScalingError`] as [`io::ErrorKind::InvalidInput`]).
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(options: Options) -> io::Result<Self> {
        if let Some(scaling) = &options.autoscaler {
            scaling.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        }
        let listener = listen(options.listen)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(options.poll_wait, options.autoscaler));
        let (stop, stopping) = watch::channel(());
        let accepting = tokio::spawn(run(listener, shared.clone(), stopping));
        Ok(Self { address, shared, stop, accepting })
    }

    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns what was counted so far, as `GET /admin/counters` would.
    pub fn counters(&self) -> Counters {
        self.shared.ledger.counters()
    }

    /// Returns which users were on more than one agent and when, as `GET /admin/users` would.
    pub fn users(&self) -> Users {
        self.shared.presence.users()
    }

    /// Stops listening and closes every connection, within 1 s: requests in hand are answered,
    /// polls without events, WebSockets are closed with 1001 (going away). Requests that wait for an
    /// overloaded instance are cut off.
    pub async fn stop(self) {
        drop(self.stop);
        // An error would say that the task panicked or was cancelled: either way it has ended.
        let _ = self.accepting.await;
    }
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    ledger: Ledger,
    presence: Arc<Presence>,
    sessions: Sessions,
    sockets: Sockets,
    log: EventLog,
    balancer: Option<Arc<Balancer>>,
}

impl Shared {
    fn new(poll_wait: Duration, autoscaler: Option<Scaling>) -> Self {
        Self {
            ledger: Ledger::default(),
            presence: Arc::default(),
            sessions: Sessions::default(),
            sockets: Sockets::new(),
            log: EventLog::new(poll_wait),
            balancer: autoscaler.map(Balancer::new),
        }
    }

    /// Returns how many WebSockets are open and polls hang at this instant.
    fn audience(&self) -> usize {
        self.sockets.open_now() + self.log.waiting_now()
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until the demo stops.
async fn run(listener: TcpListener, shared: Arc<Shared>, stopping: watch::Receiver<()>) {
    let serving = accept(listener, shared.clone(), stopping.clone());
    match &shared.balancer {
        Some(balancer) => {
            tokio::join!(serving, balancer.run(stopping));
        }
        None => serving.await,
    }
}

/// Owns the connections, each a task, from the first to the last.
async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stopping: watch::Receiver<()>) {
    let router = routes::router(shared.clone());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // Somebody connects.
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let member = shared.balancer.as_ref().map(Balancer::enter);
                    let ends = Ends { stopping: stopping.clone(), member };
                    connections.spawn(serve(stream, router.clone(), shared.clone(), ends));
                }
                Err(_) => sleep(ACCEPT_REST).await,
            },
            // A connection has ended; its result is of no interest, but must be taken out.
            Some(_) = connections.join_next() => {}
            // The demo stops, or was dropped: the channel never carries a value.
            _ = stopping.changed() => break,
        }
    }
    drop(listener);
    shared.log.close();
    let in_order = async { while connections.join_next().await.is_some() {} };
    // Who has not ended in order by then is cut off.
    let _ = timeout(STOP_WAIT, in_order).await;
    connections.shutdown().await;
}

/// Serves one connection to its end: requests, then the WebSocket if one asked for it. Both run
/// in this task, because a second one for each of 300,000 viewers would be felt.
async fn serve(stream: TcpStream, router: Router, shared: Arc<Shared>, mut ends: Ends) {
    // Answers are small and somebody measures them: none may wait for an acknowledgement. If
    // this fails the connection is already broken, which serving it will find out.
    let _ = stream.set_nodelay(true);
    let takeover = Takeover::default();
    if answer_requests(stream, router, &takeover, &mut ends).await.is_ok()
        && let Some(accepted) = takeover.take()
    {
        sockets::run(accepted, &shared.ledger, &mut ends).await;
    }
}

async fn answer_requests(stream: TcpStream, router: Router, takeover: &Takeover, ends: &mut Ends) -> hyper::Result<()> {
    let line = ends.member.as_ref().map(Member::line);
    let routes = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        if request.headers().contains_key(UPGRADE) {
            request.extensions_mut().insert(takeover.clone());
        }
        if let Some(line) = &line {
            request.extensions_mut().insert(line.clone());
        }
        routes.call(request)
    });
    let mut connection = pin!(
        http1::Builder::new().max_buf_size(READ_AHEAD).serve_connection(TokioIo::new(stream), service).with_upgrades()
    );
    tokio::select! {
        // The client is done, or takes the connection over for a WebSocket.
        ended = connection.as_mut() => ended,
        told = ends.told() => match told {
            // What is in hand is answered, nothing more is read.
            Told::Stop => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            // What is in hand never gets an answer.
            Told::Cut => Ok(()),
        }
    }
}
