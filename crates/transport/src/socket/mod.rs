//! A connection on which the server speaks first. WebSocket and long polling look alike from here, so that a
//! scenario can give each user the one that its browser would have chosen.
//!
//! [`websocket::open`] and [`polling::open`] give a [`Socket`]; [`Socket::run`] is one future that owns it, reads [`Commands`] and
//! reports [`SocketEvent`]s until the socket is closed. Dropping that future closes the connection without a farewell.

mod backoff;
mod commands;
mod message;
pub mod polling;
pub mod websocket;

use std::rc::Rc;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;
use url::Url;

use crate::failure::FailureKind;

pub use commands::{Commands, Outgoing, SendError};
pub use message::Message;

/// The largest message in bytes that is taken from a server, unless [`SocketOptions`] say otherwise.
const MAX_MESSAGE: usize = 1 << 20;

/// Close codes (RFC 6455, 7.4.1) that we give ourselves; polling uses them too.
const NORMAL: u16 = 1000;
const NO_STATUS: u16 = 1005;
const ABNORMAL: u16 = 1006;

/// Says what socket to open.
#[derive(Debug, Clone)]
pub struct SocketOptions {
    /// `ws`, `wss`, `http` and `https` all do, for both transports.
    pub url: Url,
    pub headers: HeaderMap,
    /// Bounds the opening.
    pub timeout: Duration,
    /// The largest message in bytes; for polling, the bound on a whole answer is the client's.
    pub max_message: usize,
    /// Seeds the jitter of retries, so that a run can be repeated.
    pub seed: u64,
}

impl SocketOptions {
    /// Makes options without headers, with 30 s to open and messages of at most 1 MiB.
    pub fn new(url: Url) -> Self {
        Self { url, headers: HeaderMap::new(), timeout: Duration::from_secs(30), max_message: MAX_MESSAGE, seed: 0 }
    }
}

/// A socket that was opened, and when.
#[derive(Debug)]
pub struct Opened {
    pub socket: Socket,
    /// The status with which the server agreed: 101 for a WebSocket, 200 for polling.
    pub status: u16,
    /// When the opening wanted to start.
    pub queued: Instant,
    /// When the request was written, on an open connection.
    pub sent: Instant,
    /// When the answer was there.
    pub ended: Instant,
}

/// An open socket; see [`Socket::run`].
#[derive(Debug)]
pub struct Socket {
    transport: Transport,
}

#[derive(Debug)]
enum Transport {
    WebSocket(Box<websocket::Connection>),
    Polling(Box<polling::Session>),
}

/// What happened on a socket.
#[derive(Debug)]
pub enum SocketEvent {
    Message(Message),
    /// One outgoing message was handed to the kernel.
    Sent,
    /// One poll ended.
    Poll(PollSample),
}

/// One request of a polling socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollSample {
    /// When the poll wanted to start.
    pub queued: Instant,
    /// When the request was written.
    pub sent: Instant,
    /// When the answer was complete, or the poll failed.
    pub ended: Instant,
    /// The status, or why there was no usable answer.
    pub status: Result<u16, FailureKind>,
}

/// Who ended a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// The script closed it.
    User,
    /// The server closed it, refused it, or broke the protocol.
    Server,
    /// The connection broke.
    Network,
}

impl By {
    /// Returns the name under which closings are counted.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Server => "server",
            Self::Network => "network",
        }
    }
}

/// How a socket ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub by: By,
    /// A WebSocket close code; for polling that a server refused, the HTTP status.
    pub code: u16,
    pub reason: String,
}

impl Closed {
    fn new(by: By, code: u16, reason: impl Into<String>) -> Self {
        Self { by, code, reason: reason.into() }
    }
}

impl Socket {
    /// Whether [`Outgoing`] messages can be sent on this transport.
    pub fn can_send(&self) -> bool {
        matches!(self.transport, Transport::WebSocket(_))
    }

    /// Runs the socket until it is closed by either side, reporting everything that happens in its order.
    ///
    /// `commands` refuses further messages when the socket has ended, and from the start on a transport that cannot send.
    pub async fn run(self, commands: Rc<Commands>, mut on_event: impl FnMut(SocketEvent)) -> Closed {
        let closed = match self.transport {
            Transport::WebSocket(connection) => connection.run(&commands, &mut on_event).await,
            // Boxed, because a poll is a whole HTTP exchange, and a WebSocket user should not carry room for one.
            Transport::Polling(session) => Box::pin(session.run(&commands, &mut on_event)).await,
        };
        commands.refuse(SendError::Closed);
        closed
    }
}
