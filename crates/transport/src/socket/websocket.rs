//! WebSockets (RFC 6455), with small buffers: most of the time a viewer's socket is silent, and there are 300,000 of them.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::header::{CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderValue, Uri};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use url::{Position, Url};

use super::commands::{Command, Commands, Outgoing};
use super::{ABNORMAL, By, Closed, Message, NO_STATUS, NORMAL, Opened, Socket, SocketEvent, SocketOptions, Transport};
use crate::failure::{Failure, FailureKind};
use crate::http::{Client, deadline};
use crate::network::{Origin, Stream};

/// Bytes that an idle socket keeps for reading: 2 KiB make 5.7 KiB a socket, the library's default 129 KiB.
const READ_BUFFER: usize = 2048;

/// How long the other side may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long a write may wait for a server that does not read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// An open WebSocket.
#[derive(Debug)]
pub(super) struct Connection {
    stream: WebSocketStream<Stream>,
}

/// Opens a WebSocket with the user's cookies, on a connection of its own, and keeps the cookies of the answer.
///
/// # Errors
/// When there is no connection or the server does not upgrade it; [`Failure::status`] then has the server's status.
pub async fn open(client: &Client, options: SocketOptions) -> Result<Opened, Failure> {
    let opening = Box::pin(open_in_time(client, &options));
    let result = timeout_at(deadline(options.timeout), opening).await;
    result.unwrap_or_else(|_| Err(Failure::timeout(&format!("opening the websocket {}", options.url))))
}

async fn open_in_time(client: &Client, options: &SocketOptions) -> Result<Opened, Failure> {
    let queued = Instant::now();
    let origin = Origin::of(&options.url)?;
    let request = upgrade_request(client, &origin, options)?;
    let stream = client.network().open(&origin).await?.stream;
    let sent = Instant::now();
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(options.max_message))
        .max_frame_size(Some(options.max_message));
    let (stream, answer) = client_async_with_config(request, stream, Some(config))
        .await
        .map_err(|error| refused(client, &options.url, error))?;
    client.keep_cookies(&options.url, answer.headers());
    let socket = Socket { transport: Transport::WebSocket(Box::new(Connection { stream })) };
    Ok(Opened { socket, status: answer.status().as_u16(), queued, sent, ended: Instant::now() })
}

fn upgrade_request(client: &Client, origin: &Origin, options: &SocketOptions) -> Result<http::Request<()>, Failure> {
    let url = &options.url;
    let scheme = if origin.secure { "wss" } else { "ws" };
    // The whole URI, since the library wants to see the scheme; on the wire goes only the path.
    let uri = format!("{scheme}:{}", &url[Position::AfterScheme..Position::AfterQuery][1..]);
    let uri = Uri::try_from(uri)
        .map_err(|error| Failure::new(FailureKind::Url, format!("opening the websocket {url}: {error}")))?;
    let mut request = http::Request::new(());
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    *headers = client.headers(origin, url, &options.headers);
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    let key = HeaderValue::try_from(generate_key()).expect("the key is base64");
    headers.insert(SEC_WEBSOCKET_KEY, key);
    Ok(request)
}

fn refused(client: &Client, url: &Url, error: Error) -> Failure {
    let doing = format!("opening the websocket {url}");
    match error {
        Error::Http(answer) => {
            client.keep_cookies(url, answer.headers());
            let status = answer.status().as_u16();
            let message = format!("{doing}: the server answered {status}");
            Failure { status: Some(status), ..Failure::new(FailureKind::Protocol, message) }
        }
        Error::Io(error) => Failure::from_connection(&doing, &error),
        Error::Protocol(ProtocolError::HandshakeIncomplete) => {
            Failure::new(FailureKind::Closed, format!("{doing}: the server closed the connection"))
        }
        other => Failure::new(FailureKind::Protocol, format!("{doing}: {other}")),
    }
}

/// Who wants the socket to end.
enum Ending {
    ByUser(u16),
    ByServer(Option<CloseFrame>),
    /// It has ended already.
    Done(Closed),
}

impl Connection {
    /// Runs the socket to its end.
    pub async fn run(mut self: Box<Self>, commands: &Commands, on_event: &mut impl FnMut(SocketEvent)) -> Closed {
        match self.live(commands, on_event).await {
            Ending::Done(closed) => closed,
            Ending::ByUser(code) => {
                let frame = CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::default() };
                let farewell = self.farewell(Some(frame), on_event);
                // A server that does not answer is left behind; the user has closed the socket either way.
                let _ = Box::pin(timeout(FAREWELL, farewell)).await;
                Closed::new(By::User, code, "")
            }
            Ending::ByServer(frame) => {
                let _ = Box::pin(timeout(FAREWELL, self.farewell(None, on_event))).await;
                let (code, reason) = frame.map_or((NO_STATUS, Utf8Bytes::default()), |f| (f.code.into(), f.reason));
                Closed::new(By::Server, code, reason.as_str())
            }
        }
    }

    /// Passes messages both ways until one side wants to end.
    async fn live(&mut self, commands: &Commands, on_event: &mut impl FnMut(SocketEvent)) -> Ending {
        loop {
            tokio::select! {
                // The server said something.
                incoming = self.stream.next() => match incoming {
                    Some(Ok(tungstenite::Message::Close(frame))) => return Ending::ByServer(frame),
                    Some(Ok(message)) => pass_on(message, on_event),
                    Some(Err(error)) => return Ending::Done(broken(&error)),
                    None => return Ending::Done(Closed::new(By::Network, ABNORMAL, "the connection ended")),
                },
                // The script said something.
                command = commands.next() => match command {
                    Command::Close(code) => return Ending::ByUser(code),
                    Command::Send(message) => match self.send(message).await {
                        Ok(()) => on_event(SocketEvent::Sent),
                        Err(closed) => return Ending::Done(closed),
                    },
                },
            }
        }
    }

    async fn send(&mut self, message: Outgoing) -> Result<(), Closed> {
        let message = match message {
            Outgoing::Text(text) => tungstenite::Message::text(text),
            Outgoing::Binary(bytes) => tungstenite::Message::Binary(bytes),
            Outgoing::Pong(bytes) => tungstenite::Message::Pong(bytes),
        };
        match timeout(WRITE_TIMEOUT, self.stream.send(message)).await {
            Ok(sent) => sent.map_err(|error| broken(&error)),
            Err(_) => Err(Closed::new(By::Network, ABNORMAL, "the server did not read for 30 s")),
        }
    }

    /// Sends our part of the closing handshake, if it is not under way already, and waits for the server's; what still comes is passed on.
    async fn farewell(&mut self, frame: Option<CloseFrame>, on_event: &mut impl FnMut(SocketEvent)) {
        if frame.is_some() && self.stream.close(frame).await.is_err() {
            return;
        }
        while let Some(Ok(message)) = self.stream.next().await {
            pass_on(message, on_event);
        }
    }
}

fn pass_on(message: tungstenite::Message, on_event: &mut impl FnMut(SocketEvent)) {
    let at = Instant::now();
    match message {
        tungstenite::Message::Text(text) => on_event(SocketEvent::Message(Message::parse(Bytes::from(text), at))),
        tungstenite::Message::Binary(bytes) => on_event(SocketEvent::Message(Message::binary(bytes, at))),
        // The library answers pings by itself, and the rest carries nothing for a script.
        _ => {}
    }
}

/// Says who is to blame for an error on an open socket, with the close code that names it best.
fn broken(error: &Error) -> Closed {
    let (by, code) = match error {
        Error::ConnectionClosed => (By::Server, NORMAL),
        Error::Capacity(CapacityError::MessageTooLong { .. }) => (By::Server, CloseCode::Size.into()),
        Error::Utf8(_) => (By::Server, CloseCode::Invalid.into()),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => (By::Network, ABNORMAL),
        Error::Protocol(_) => (By::Server, CloseCode::Protocol.into()),
        _ => (By::Network, ABNORMAL),
    };
    Closed::new(by, code, error.to_string())
}
