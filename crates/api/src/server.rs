//! The server: listens, serves until it is stopped, and stops within a bound.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::routes::{Shared, router};
use crate::{Desk, Token};

/// How long requests in hand get when the server stops.
const STOP_WAIT: Duration = Duration::from_secs(2);
/// Connections that may wait to be accepted: screens, not load.
const BACKLOG: u32 = 128;
/// What the kernel may hold for a reader that does not read, in bytes. Snapshots that lie there grow old; left to itself the
/// kernel takes megabytes.
const SEND_BUFFER: u32 = 128 * 1024;

/// Where to listen.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The address; port 0 takes a free one, see [`Server::address`].
    pub address: SocketAddr,
    /// The command line's option that sets it, such as `--dashboard`; named when the address cannot be had.
    pub option: &'static str,
    /// From where it may be reached.
    pub reach: Reach,
}

/// From where a server may be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// From this machine only: any other address is refused.
    Loopback,
    /// From wherever the address can be reached. Nothing is encrypted: a proxy with TLS belongs in front.
    Network {
        /// The host names, besides IP addresses and `localhost`, under which requests are answered.
        names: Vec<String>,
    },
}

/// One of the dashboard's files.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// The path of its address: `/` for the page, `/assets/app.js`.
    pub path: &'static str,
    /// Its media type, such as `text/javascript; charset=utf-8`.
    pub content_type: &'static str,
    /// Its content.
    pub body: &'static [u8],
}

/// A running server. Dropping it ends it too, but waits for nothing.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    /// Everything that runs watches this, and ends when it is dropped.
    stop: watch::Sender<()>,
    serving: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Starts a server on the current tokio runtime, which needs I/O and time.
    ///
    /// # Errors
    /// When the address cannot be listened on, or is not loopback though it should be; the message says what to do.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(listen: Listen, desk: Arc<dyn Desk>, token: Token, assets: Vec<Asset>) -> io::Result<Self> {
        let names = match &listen.reach {
            Reach::Loopback if !listen.address.ip().is_loopback() => return Err(not_loopback(&listen)),
            Reach::Loopback => Vec::new(),
            Reach::Network { names } => names.clone(),
        };
        let listener = bind(listen.address).map_err(|error| not_bound(&listen, &error))?;
        let address = listener.local_addr()?;
        let (stop, mut stopping) = watch::channel(());
        let shared = Shared { desk, token, assets, names, stopping: stopping.clone() };
        let told = async move {
            // The channel never carries a value: this is its end.
            let _ = stopping.changed().await;
        };
        // Answers are small and somebody waits for them. If this fails, serving will find out that the connection is broken.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let serving = axum::serve(listener, router(Arc::new(shared))).with_graceful_shutdown(told);
        Ok(Self { address, stop, serving: tokio::spawn(serving.into_future()) })
    }

    /// Returns the address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, ends the open streams and waits until requests in hand are answered, at most 2 s; a connection that
    /// is stuck then is left to end with the process.
    pub async fn stop(mut self) {
        drop(self.stop);
        if timeout(STOP_WAIT, &mut self.serving).await.is_err() {
            self.serving.abort();
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that was restarted must get its port again while old connections are still fading.
    socket.set_reuseaddr(true)?;
    // Connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn not_loopback(listen: &Listen) -> io::Error {
    let Listen { address, option, .. } = listen;
    let told = format!("listening on {address} would let other machines in: choose a loopback address with {option}");
    io::Error::new(io::ErrorKind::PermissionDenied, told)
}

fn not_bound(listen: &Listen, error: &io::Error) -> io::Error {
    let Listen { address, option, .. } = listen;
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there, perhaps another run; port 0 takes a free one",
        _ => "it must be an address of this machine",
    };
    let told = format!("listening on {address} failed: {error} ({advice}; choose another address with {option})");
    io::Error::new(error.kind(), told)
}
