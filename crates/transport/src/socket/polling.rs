//! Long polling: what a viewer's browser falls back to where WebSockets are not let through.
//!
//! A request without a cursor opens the socket; each further one names the cursor that the answer before it gave, hangs until there is something,
//! and brings the events since then. A poll that fails is repeated with the same cursor, so no event is lost or seen twice.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::backoff::Backoff;
use super::commands::{Commands, SendError};
use super::{By, Closed, Message, Opened, PollSample, Socket, SocketEvent, SocketOptions, Transport};
use crate::failure::{Failure, FailureKind};
use crate::http::{Client, HopEvent, Request};

/// How long a poll may hang; servers answer after 25 s even if there is nothing.
const POLL_TIMEOUT: Duration = Duration::from_secs(60);

/// How much longer a poll may hang that the user leaves behind: an answer that is on its way is still counted and heard.
const FAREWELL: Duration = Duration::from_millis(250);

/// An empty answer that comes faster than this is followed by a pause, so that no server can make us ask in a hot loop.
const TOO_SOON: Duration = Duration::from_secs(1);

/// An open polling socket.
#[derive(Debug)]
pub(super) struct Session {
    poller: Poller,
    cursor: u64,
    backoff: Backoff,
}

/// Asks one URL for batches of events.
struct Poller {
    client: Rc<Client>,
    options: SocketOptions,
}

impl std::fmt::Debug for Poller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poller").field("url", &self.options.url.as_str()).finish_non_exhaustive()
    }
}

/// The answer to a poll.
#[derive(Deserialize)]
struct Batch {
    cursor: u64,
    events: Vec<Box<RawValue>>,
}

/// Opens a polling socket with the user's own client: its cookies, its connections.
///
/// # Errors
/// When the server gives no usable answer; [`Failure::status`] has its status if it gave one.
pub async fn open(client: &Rc<Client>, mut options: SocketOptions) -> Result<Opened, Failure> {
    options.url = as_http(options.url)?;
    let seed = options.seed;
    let poller = Poller { client: client.clone(), options };
    let (sample, result) = Box::pin(poller.ask(None)).await;
    let (status, batch) = result?;
    let session = Session { poller, cursor: batch.cursor, backoff: Backoff::new(seed) };
    let socket = Socket { transport: Transport::Polling(Box::new(session)) };
    Ok(Opened { socket, status, queued: sample.queued, sent: sample.sent, ended: sample.ended })
}

/// Takes WebSocket URLs too, so that a script can use one URL for both transports.
fn as_http(mut url: Url) -> Result<Url, Failure> {
    let scheme = match url.scheme() {
        "ws" => "http",
        "wss" => "https",
        _ => return Ok(url),
    };
    match url.set_scheme(scheme) {
        Ok(()) => Ok(url),
        Err(()) => Err(Failure::new(FailureKind::Url, format!("polling {url}: it cannot be an http url"))),
    }
}

impl Session {
    /// Polls until the user closes the socket or the server refuses it.
    pub async fn run(mut self: Box<Self>, commands: &Commands, on_event: &mut impl FnMut(SocketEvent)) -> Closed {
        commands.refuse(SendError::ReceiveOnly);
        let by_user = |code| Closed::new(By::User, code, "");
        loop {
            let mut poll = pin!(self.poll(on_event));
            let (polled, left) = tokio::select! {
                biased;
                // Dropping the poll in the end closes its connection, as leaving a page does.
                code = commands.closing() => (timeout(FAREWELL, &mut poll).await.ok(), Some(code)),
                polled = &mut poll => (Some(polled), None),
            };
            match (polled, left) {
                (Some(Err(closed)), _) => return closed,
                (_, Some(code)) => return by_user(code),
                (Some(Ok(Some(pause))), None) => tokio::select! {
                    () = sleep(pause) => {}
                    code = commands.closing() => return by_user(code),
                },
                (Some(Ok(None)) | None, None) => {}
            }
        }
    }

    /// Makes one poll, passes on what it brought and returns how long to wait before the next.
    ///
    /// # Errors
    /// When the server refuses any more: the end of the socket.
    async fn poll(&mut self, on_event: &mut impl FnMut(SocketEvent)) -> Result<Option<Duration>, Closed> {
        let (sample, result) = self.poller.ask(Some(self.cursor)).await;
        let took = sample.ended - sample.queued;
        let at = sample.ended;
        on_event(SocketEvent::Poll(sample));
        match result {
            Ok((_, batch)) => Ok(self.take(batch, at, took, on_event)),
            Err(Failure { status: Some(status @ 400..500), message, .. }) => {
                Err(Closed::new(By::Server, status, message))
            }
            Err(_) => Ok(Some(self.backoff.next())),
        }
    }

    /// Passes a batch on and returns how long to wait before the next poll.
    fn take(
        &mut self,
        batch: Batch,
        at: Instant,
        took: Duration,
        on_event: &mut impl FnMut(SocketEvent),
    ) -> Option<Duration> {
        let brought_something = !batch.events.is_empty();
        for event in batch.events {
            let text = Bytes::from(String::from(Box::<str>::from(event)));
            on_event(SocketEvent::Message(Message::parse(text, at)));
        }
        self.cursor = batch.cursor;
        if brought_something || took >= TOO_SOON {
            self.backoff.reset();
            return None;
        }
        Some(self.backoff.next())
    }
}

impl Poller {
    /// Makes one poll and returns what to count and what it brought, with its status.
    async fn ask(&self, cursor: Option<u64>) -> (PollSample, Result<(u16, Batch), Failure>) {
        let mut request = Request::get(self.options.url.clone());
        if let Some(cursor) = cursor {
            request.url.query_pairs_mut().append_pair("cursor", &cursor.to_string());
        }
        request.headers = self.options.headers.clone();
        request.timeout = if cursor.is_some() { POLL_TIMEOUT } else { self.options.timeout };
        request.follow = 0;
        let queued = Instant::now();
        let times = Cell::new((queued, queued));
        let on_hop = |event: HopEvent<'_>| {
            if let HopEvent::Ended(hop) = event {
                times.set((hop.sent, hop.ended));
            }
        };
        let answer = self.client.send(request, &on_hop).await;
        let answer = answer.and_then(|response| self.read(cursor, response.status, &response.body));
        let (sent, ended) = times.get();
        let status = match &answer {
            Ok((status, _)) => Ok(*status),
            // A server's refusal has a status; an answer that nobody can use is a failure although it has one.
            Err(failure) => failure.status.filter(|status| *status != 200).ok_or(failure.kind),
        };
        (PollSample { queued, sent, ended, status }, answer)
    }

    fn read(&self, cursor: Option<u64>, status: u16, body: &[u8]) -> Result<(u16, Batch), Failure> {
        let refuse = |why: String| {
            let message = format!("polling {}: {why}", self.options.url);
            Failure { status: Some(status), ..Failure::new(FailureKind::Protocol, message) }
        };
        if status != 200 {
            return Err(refuse(format!("the server answered {status}")));
        }
        let batch: Batch = serde_json::from_slice(body).map_err(|error| refuse(error.to_string()))?;
        if !batch.events.is_empty() && cursor == Some(batch.cursor) {
            return Err(refuse("the answer has events but repeats the cursor".into()));
        }
        Ok((status, batch))
    }
}
