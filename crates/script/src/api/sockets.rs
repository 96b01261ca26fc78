//! `websocket(url, options?)`, `polling(url, options?)` and the socket they give. Scripts cannot tell the transports apart.

use rhai::{Dynamic, Engine, FnPtr, ImmutableString, Map};

use super::{Fallible, bounded_captures, detach_handles};
use crate::call::{Answer, Call, Hears, OpenCall, Reconnect, SocketId, TimerId, Transport};
use crate::current::{ask, require};
use crate::options::{Options, RECONNECT, SOCKET};
use crate::value::{duration_of, plain_text_of, to_json};

/// A socket as scripts hold it.
#[derive(Clone, Copy)]
pub(crate) struct Socket {
    id: SocketId,
    transport: Transport,
}

/// A value that only names something of the user's, so that a copy is as good as the original.
pub(super) fn is_handle(value: &Dynamic) -> bool {
    value.read_lock::<Socket>().is_some() || value.read_lock::<TimerId>().is_some()
}

/// The handle of a socket, to be given to its handlers.
pub fn handle(id: SocketId, transport: Transport) -> Dynamic {
    Dynamic::from(Socket { id, transport })
}

pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Socket>("Socket");
    for (name, transport) in [("websocket", Transport::WebSocket), ("polling", Transport::Polling)] {
        engine.register_fn(name, move |url: ImmutableString| open(transport, &url, Map::new()));
        engine.register_fn(name, move |url: ImmutableString, options: Map| open(transport, &url, options));
    }
    register_listening(engine);
    register_sending(engine);
}

fn open(transport: Transport, url: &str, options: Map) -> Fallible<Socket> {
    let mut options = Options::new("sockets", options, SOCKET)?;
    let call = OpenCall {
        transport,
        url: url.to_owned(),
        headers: options.pairs("headers")?,
        timeout: options.duration("timeout")?,
        reconnect: options.map("reconnect")?.map(reconnect).transpose()?,
    };
    match ask(transport.as_str(), Call::Open(call.into()))? {
        Answer::Socket(id) => Ok(Socket { id, transport }),
        _ => Err("the opening was not answered".into()),
    }
}

fn reconnect(map: Map) -> Result<Reconnect, String> {
    let mut options = Options::new("reconnect", map, RECONNECT)?;
    let first = options.duration("first")?.unwrap_or(std::time::Duration::from_secs(1));
    let max = options.duration("max")?.unwrap_or(std::time::Duration::from_secs(30)).max(first);
    Ok(Reconnect { first, max, jitter: options.share("jitter")?.unwrap_or(0.5) })
}

fn register_listening(engine: &mut Engine) {
    engine.register_fn("on", |socket: &mut Socket, event: ImmutableString, handler: FnPtr| {
        listen(socket, Hears::Event(event.to_string()), handler)
    });
    engine.register_fn("on_message", |socket: &mut Socket, handler: FnPtr| listen(socket, Hears::Any, handler));
    engine.register_fn("on_close", |socket: &mut Socket, handler: FnPtr| listen(socket, Hears::Close, handler));
    engine.register_fn(
        "receive",
        |socket: &mut Socket, event: ImmutableString, timeout: Dynamic| -> Fallible<Dynamic> {
            Ok(receive(socket, Some(event.to_string()), &timeout)?.map_or(Dynamic::UNIT, |message| message.data))
        },
    );
    engine.register_fn("receive_any", |socket: &mut Socket, timeout: Dynamic| -> Fallible<Dynamic> {
        let Some(message) = receive(socket, None, &timeout)? else { return Ok(Dynamic::UNIT) };
        let mut map = Map::new();
        map.insert("event".into(), message.event.map_or(Dynamic::UNIT, Dynamic::from));
        map.insert("data".into(), message.data);
        Ok(map.into())
    });
    engine.register_get("is_open", |socket: &mut Socket| -> Fallible<bool> {
        Ok(require("is_open")?.is_open(socket.id))
    });
}

fn listen(socket: &Socket, hears: Hears, handler: FnPtr) -> Fallible<()> {
    bounded_captures(&handler)?;
    require("a handler")?.listen(socket.id, hears, detach_handles(handler));
    Ok(())
}

fn receive(socket: &Socket, event: Option<String>, timeout: &Dynamic) -> Fallible<Option<crate::call::Received>> {
    let timeout = duration_of(timeout)?;
    match ask("receive()", Call::Receive { socket: socket.id, event, timeout })? {
        Answer::Message(message) => Ok(message),
        _ => Err("receive() was not answered".into()),
    }
}

fn register_sending(engine: &mut Engine) {
    engine.register_fn("send", |socket: &mut Socket, value: Dynamic| -> Fallible<()> {
        let text = match plain_text_of(&value) {
            Some(text) => text,
            None => to_json(&value)?.to_string(),
        };
        send(socket, None, text)
    });
    engine.register_fn("emit", |socket: &mut Socket, event: ImmutableString| emit(socket, &event, Dynamic::UNIT));
    engine.register_fn("emit", |socket: &mut Socket, event: ImmutableString, data: Dynamic| emit(socket, &event, data));
    engine.register_fn("close", |socket: &mut Socket| -> Fallible<()> {
        ask("close()", Call::Close { socket: socket.id }).map(|_| ())
    });
    engine.register_fn("to_string", |socket: &mut Socket| {
        format!("{} socket {}", socket.transport.as_str(), socket.id.0)
    });
}

fn emit(socket: &Socket, event: &str, data: Dynamic) -> Fallible<()> {
    let text = serde_json::json!({ "event": event, "data": to_json(&data)? }).to_string();
    send(socket, Some(event.to_owned()), text)
}

fn send(socket: &Socket, event: Option<String>, text: String) -> Fallible<()> {
    if socket.transport == Transport::Polling {
        return Err("a plain polling socket cannot send: use http::post".into());
    }
    ask("send()", Call::Send { socket: socket.id, event, text }).map(|_| ())
}
