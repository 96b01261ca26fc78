//! Where instances download the agent's binary: a small HTTPS server of the coordinator's, open to anybody who can
//! reach it. What it serves is no secret, so nobody is asked for anything; what it has to lose is the coordinator's
//! uplink, memory and files, so everything that a client may take of these is bounded, in amount and in time.
//!
//! A thousand instances that boot in the same minute would each get a thousandth of the uplink and all be late. So a
//! few download at a time, the others wait in line with their requests in hand, and those who wait for too long are
//! told to come again, which user data does.

mod copies;
mod answer;
mod visit;

#[cfg(test)]
mod tests;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    task::{JoinHandle, JoinSet, spawn_blocking},
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

use super::{AgentBinary, Arch};
use crate::ServerCertificate;
use copies::Copies;

/// The path under which a mirror has the builds; `{arch}` stands for [`Arch::name`].
pub const PATH: &str = "/agent/{arch}";

/// How long accepting rests after it failed, which it does when the process is out of files: trying again at once would
/// take a whole core and free none.
const ACCEPT_REST: Duration = Duration::from_millis(20);

/// Serves builds of the agent until it is stopped or dropped.
#[derive(Debug)]
pub struct Mirror {
    address: SocketAddr,
    counters: Arc<Counters>,
    accepting: JoinHandle<()>,
}

/// What a mirror has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Builds that were handed over to their last byte.
    pub downloads: u64,
    /// Clients that did not get their turn in time and were told to come again.
    pub turned_away: u64,
    /// Clients that were cut off because they were silent or too slow.
    pub cut: u64,
    /// Bytes of builds that were handed over, as they went over the wire.
    pub bytes: u64,
}

/// Why there is no mirror.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// Instances could not choose.
    #[error("serving the agent's binary: two of the builds are for {0}; give one for each kind of processor")]
    Twice(Arch),
    /// The certificate cannot be shown.
    #[error("serving the agent's binary under the coordinator's certificate")]
    Certificate(#[source] rustls::Error),
    /// The builds could not be compressed, or the listener is none.
    #[error("preparing to serve the agent's binary")]
    Prepare(#[source] io::Error),
}

impl Mirror {
    /// Serves these builds under [`PATH`] to whoever connects to the listener; returns once they are compressed.
    ///
    /// # Errors
    /// If there are two builds for one kind of processor, or the certificate is not what it should be.
    pub async fn start(
        listener: TcpListener,
        binaries: Vec<AgentBinary>,
        certificate: &ServerCertificate,
    ) -> Result<Mirror, MirrorError> {
        Mirror::start_with(listener, binaries, certificate, Limits::USUAL).await
    }

    async fn start_with(
        listener: TcpListener,
        binaries: Vec<AgentBinary>,
        certificate: &ServerCertificate,
        limits: Limits,
    ) -> Result<Mirror, MirrorError> {
        let acceptor = acceptor(certificate).map_err(MirrorError::Certificate)?;
        let address = listener.local_addr().map_err(MirrorError::Prepare)?;
        // It computes for seconds, and the threads of the runtime have the link to serve.
        let copies =
            spawn_blocking(|| Copies::of(binaries)).await.map_err(|ended| MirrorError::Prepare(ended.into()))?;
        let copies = copies.map_err(MirrorError::Twice)?;
        let counters = Arc::new(Counters::default());
        let turns = Arc::new(Semaphore::new(limits.downloads));
        let shared = Shared { acceptor, copies, limits, turns, counters: counters.clone() };
        Ok(Mirror { address, counters, accepting: tokio::spawn(accept(listener, Arc::new(shared))) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has done so far.
    #[must_use]
    pub fn told(&self) -> Served {
        self.counters.read()
    }

    /// Stops listening and cuts off whoever is still there; returns when all of it has ended.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // It says that it was cancelled.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// How much of everything clients may take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// How many download at a time.
    downloads: usize,
    /// How many are connected at a time; others wait unaccepted, with the kernel.
    connections: usize,
    /// How long the handshake of TLS may take.
    handshake: Duration,
    /// How long the head of the request may take after that.
    head: Duration,
    /// How long a client waits for its turn before it is told to come again.
    line: Duration,
    /// How long each piece of a download may take.
    piece: Duration,
    /// How long all may take after the handshake.
    visit: Duration,
}

impl Limits {
    const USUAL: Limits = Limits {
        // At 100 Mbit/s each gets 190 KB a second, so that 10 MB are there within a minute.
        downloads: 64,
        // The thousand agents of one coordinator, twice.
        connections: 2_048,
        handshake: Duration::from_secs(10),
        head: Duration::from_secs(10),
        // Leaves enough of the visit for a download.
        line: Duration::from_secs(200),
        piece: Duration::from_secs(30),
        // So long does user data let one try take (`curl -m300`); after that there is nobody to serve.
        visit: Duration::from_secs(300),
    };
}

/// What all visits share.
struct Shared {
    acceptor: TlsAcceptor,
    copies: Copies,
    limits: Limits,
    /// One for each download; who has waited longest is next.
    turns: Arc<Semaphore>,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    downloads: AtomicU64,
    turned_away: AtomicU64,
    cut: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    fn read(&self) -> Served {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Served {
            downloads: read(&self.downloads),
            turned_away: read(&self.turned_away),
            cut: read(&self.cut),
            bytes: read(&self.bytes),
        }
    }
}

fn acceptor(certificate: &ServerCertificate) -> Result<TlsAcceptor, rustls::Error> {
    let chain = certificate.chain.iter().cloned().map(CertificateDer::from).collect();
    let key = PrivatePkcs8KeyDer::from(certificate.key.clone());
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key.into())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Owns the visits, each a task, from the first to the last: they end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut visits = JoinSet::new();
    loop {
        tokio::select! {
            // Somebody comes, and there is room.
            accepted = listener.accept(), if visits.len() < shared.limits.connections => match accepted {
                Ok((stream, _)) => { visits.spawn(visit::serve(stream, shared.clone())); }
                Err(_) => sleep(ACCEPT_REST).await,
            },
            // A visit has ended; its result is of no interest, but must be taken out.
            Some(_) = visits.join_next() => {}
        }
    }
}
