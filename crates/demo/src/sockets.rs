//! WebSockets: how they are opened, hear broadcasts, and are closed.
//!
//! All sockets read one ring of the last [`QUEUE`] events, so an event is kept once however many
//! listen, and a broadcast waits for nobody. A socket that falls behind the ring is closed.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};

use crate::Shared;
use crate::caller::{Caller, unix_second};
use crate::counters::{Ledger, OTHER};
use crate::ends::{Ends, Told};
use crate::presence::Visit;
use crate::refusal::Refusal;
use crate::routes::MAX_BODY;
use crate::scaling::{Line, Member, asked_to_leave};
use crate::session::Viewer;

/// Events that a socket may be behind before it is closed.
const QUEUE: usize = 64;

/// How often a write that does not end looks whether the socket has fallen behind.
const STALL_CHECK: Duration = Duration::from_millis(250);

/// How long a client gets to answer that it is closed.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// The event that a client may send to have it sent back.
const ECHO: &str = "echo";

/// What goes over raw sockets and into `/admin/broadcast`: `{"event": …, "data": …}`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Envelope {
    event: String,
    #[serde(default)]
    data: Value,
}

/// An event for clients, written once for all of them.
#[derive(Debug, PartialEq)]
pub(crate) struct Event {
    name: String,
    text: Utf8Bytes,
}

impl Event {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl From<Envelope> for Event {
    fn from(envelope: Envelope) -> Self {
        let text = serde_json::to_string(&envelope).expect("a string and a JSON value can be written");
        Self { name: envelope.event, text: text.into() }
    }
}

/// Everybody who listens on a WebSocket.
#[derive(Debug)]
pub(crate) struct Sockets {
    events: broadcast::Sender<Arc<Event>>,
}

impl Sockets {
    pub(crate) fn new() -> Self {
        let events = broadcast::Sender::new(QUEUE);
        Self { events }
    }

    /// Hands an event to all sockets; returns how many there were.
    pub(crate) fn publish(&self, event: Arc<Event>) -> usize {
        // The only error is that nobody listens.
        self.events.send(event).unwrap_or(0)
    }

    pub(crate) fn open_now(&self) -> usize {
        self.events.receiver_count()
    }
}

/// Where a request handler leaves the socket that it accepted, for the task of its connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Takeover(Arc<Mutex<Option<Accepted>>>);

/// A WebSocket that is about to open. It listens already, so that nothing is missed between the
/// answer to the handshake and the first read.
#[derive(Debug)]
pub(crate) struct Accepted {
    upgrade: OnUpgrade,
    events: broadcast::Receiver<Arc<Event>>,
    agent: Option<Arc<str>>,
    /// Its user is there until the socket has ended.
    visit: Option<Visit>,
}

impl Takeover {
    pub(crate) fn take(&self) -> Option<Accepted> {
        self.slot().take()
    }

    fn slot(&self) -> MutexGuard<'_, Option<Accepted>> {
        self.0.lock().expect("nothing panics while it holds the slot")
    }
}

/// Answers `GET /socket`.
pub(crate) async fn open(
    State(shared): State<Arc<Shared>>,
    _: Viewer,
    caller: Caller,
    mut request: Request,
) -> Result<Response, Refusal> {
    let response = create_response_with_body(&request, Body::empty).map_err(Refusal::Handshake)?;
    let upgrade = hyper::upgrade::on(&mut request);
    let takeover = request
        .extensions_mut()
        .remove::<Takeover>()
        .expect("the connection adds it to every request with an upgrade header");
    let events = shared.sockets.events.subscribe();
    let visit = shared.presence.enter(&caller);
    shared.ledger.websocket_opened(caller.agent(), unix_second());
    *takeover.slot() = Some(Accepted { upgrade, events, agent: caller.agent, visit });
    Ok(response)
}

/// Serves a WebSocket to its end.
pub(crate) async fn run(accepted: Accepted, ledger: &Ledger, ends: &mut Ends) {
    let line = ends.member.as_ref().map(Member::became_socket);
    let Ok(upgraded) = accepted.upgrade.await else {
        return;
    };
    let io = TokioIo::new(upgraded);
    let stream = WebSocketStream::from_raw_socket(io, Role::Server, Some(small_buffers())).await;
    let Accepted { events, agent, visit: _visit, .. } = accepted;
    let mut socket = Socket { stream, events, agent, ledger, line };
    if let Err(end) = socket.talk(ends).await {
        socket.close(end).await;
    }
}

/// An idle socket must cost little: the defaults would take 128 KiB each.
fn small_buffers() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(2048)
        .write_buffer_size(0)
        .max_message_size(Some(MAX_BODY))
        .max_frame_size(Some(MAX_BODY))
}

/// Why a socket's conversation ended.
enum End {
    /// The client closed, vanished or broke the protocol.
    Gone,
    /// The client fell behind by more than [`QUEUE`] events.
    Overrun,
    /// The demo stops.
    Stopping,
    /// The instance drains.
    Draining,
    /// The instance is killed.
    Cut,
}

impl From<tungstenite::Error> for End {
    fn from(_: tungstenite::Error) -> Self {
        Self::Gone
    }
}

impl From<Told> for End {
    fn from(told: Told) -> Self {
        match told {
            Told::Stop => Self::Stopping,
            Told::Cut => Self::Cut,
        }
    }
}

struct Socket<'a> {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    events: broadcast::Receiver<Arc<Event>>,
    agent: Option<Arc<str>>,
    ledger: &'a Ledger,
    line: Option<Line>,
}

impl Socket<'_> {
    async fn talk(&mut self, ends: &mut Ends) -> Result<(), End> {
        loop {
            tokio::select! {
                // The director speaks to everybody.
                event = self.events.recv() => match event {
                    Ok(event) => self.write(&event).await?,
                    Err(RecvError::Lagged(_)) => return Err(End::Overrun),
                    Err(RecvError::Closed) => return Err(End::Stopping),
                },
                // The client says something, or ends.
                message = self.stream.next() => self.hear(message.ok_or(End::Gone)??).await?,
                // The demo stops, or its instance is killed.
                told = ends.told() => return Err(told.into()),
                // Its instance drains, and it is this socket's time.
                () = asked_to_leave(&mut self.line) => return Err(End::Draining),
            }
        }
    }

    async fn write(&mut self, event: &Event) -> Result<(), End> {
        self.stream.feed(Message::Text(event.text.clone())).await?;
        loop {
            match timeout(STALL_CHECK, self.stream.flush()).await {
                Ok(flushed) => break flushed?,
                Err(_) if self.events.len() > QUEUE => return Err(End::Overrun),
                // Slow, but not yet too slow.
                Err(_) => {}
            }
        }
        self.ledger.delivered([event.name()], self.agent.as_deref(), unix_second());
        Ok(())
    }

    async fn hear(&mut self, message: Message) -> Result<(), End> {
        let text = match &message {
            Message::Text(text) => text.as_str(),
            Message::Binary(_) => "",
            // Tungstenite answers these itself.
            _ => return Ok(()),
        };
        match serde_json::from_str::<Envelope>(text) {
            Ok(envelope) => {
                self.ledger.received(&envelope.event);
                if envelope.event == ECHO {
                    self.write(&envelope.into()).await?;
                }
            }
            Err(_) => self.ledger.received(OTHER),
        }
        Ok(())
    }

    /// Says why and waits for the client to agree, but not for long.
    async fn close(&mut self, end: End) {
        let (code, reason) = match end {
            End::Gone | End::Cut => return,
            End::Overrun => (CloseCode::Again, "too slow"),
            End::Draining => (CloseCode::Restart, "the instance goes, another one is there"),
            End::Stopping => (CloseCode::Away, "the demo stops"),
        };
        let frame = CloseFrame { code, reason: reason.into() };
        let goodbye = async {
            if self.stream.close(Some(frame)).await.is_ok() {
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        };
        // A client that does not answer finds the connection gone.
        let _ = timeout(CLOSE_WAIT, goodbye).await;
    }
}
