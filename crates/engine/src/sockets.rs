//! The sockets of one user: who hears which message, what waits in the inbox, and what is counted.
//!
//! Each open socket is one task that owns its connection. A message goes to the first that wants it: a `receive()` that
//! waits for it, the handler of its event, the handler of all messages; else into a bounded inbox until one of them comes.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use rehearsal_script::{Answer, Handler, Hears, Received, SocketId, Stop, Transport, Value, from_json, socket_handle};
use rehearsal_transport::socket::{By, Closed, Commands, Message, Outgoing, SocketEvent};
use tokio::sync::oneshot;

use crate::fiber::Reply;
use crate::user::{Flow, User};

/// Messages that wait for somebody to want them; a further one pushes out the oldest, which is counted.
const INBOX: usize = 64;
/// The close code of a user who is done (RFC 6455 §7.4.1).
const NORMAL: u16 = 1000;

/// A `receive()` that waits.
struct Waiter {
    event: Option<String>,
    deliver: oneshot::Sender<Received>,
}

struct Slot {
    transport: Transport,
    /// There while the socket is open.
    commands: Option<Rc<Commands>>,
    /// The script has closed it; the farewell is under way.
    closing: bool,
    events: Vec<(Box<str>, Handler)>,
    any: Option<Handler>,
    on_close: Option<Handler>,
    inbox: VecDeque<Message>,
    /// Events of the messages on their way out, in their order; messages without one are nameless.
    sending: VecDeque<String>,
    waiters: Vec<Waiter>,
}

/// All sockets of one user, by number.
#[derive(Default)]
pub(crate) struct Sockets {
    slots: RefCell<Vec<Slot>>,
    tasks: Cell<usize>,
}

impl Sockets {
    /// Sockets whose connection is open or being opened again.
    pub(crate) fn open_count(&self) -> usize {
        self.tasks.get()
    }

    /// A socket that is not open yet.
    pub(crate) fn add(&self, transport: Transport) -> SocketId {
        let mut slots = self.slots.borrow_mut();
        slots.push(Slot::new(transport));
        SocketId(slots.len() as u32 - 1)
    }

    /// A connection carries the socket from now on.
    pub(crate) fn attach(&self, id: SocketId, commands: &Rc<Commands>) {
        self.slots.borrow_mut()[id.0 as usize].commands = Some(Rc::clone(commands));
    }

    /// The event of the message that has just been sent.
    fn sent(&self, id: SocketId) -> String {
        let sent = self.slots.borrow_mut().get_mut(id.0 as usize).and_then(|slot| slot.sending.pop_front());
        sent.unwrap_or_default()
    }

    /// A task keeps a socket.
    pub(crate) fn begun(&self) {
        self.tasks.set(self.tasks.get() + 1);
    }

    /// That task has ended.
    pub(crate) fn ended(&self) {
        self.tasks.set(self.tasks.get() - 1);
    }

    pub(crate) fn is_open(&self, id: SocketId) -> bool {
        self.slots.borrow().get(id.0 as usize).is_some_and(|slot| slot.commands.is_some() && !slot.closing)
    }

    pub(crate) fn close(&self, id: SocketId) {
        if let Some(Slot { commands: Some(commands), closing, .. }) = self.slots.borrow_mut().get_mut(id.0 as usize) {
            commands.close(NORMAL);
            *closing = true;
        }
    }

    pub(crate) fn close_all(&self) {
        for slot in &mut *self.slots.borrow_mut() {
            slot.commands.iter().for_each(|commands| commands.close(NORMAL));
            // Handlers may capture what holds them; a user that leaves lets go of all.
            slot.events.clear();
            (slot.any, slot.on_close) = (None, None);
        }
    }

    /// The transport of the first open socket, and whether one is open with somebody who hears the event.
    pub(crate) fn hearing(&self, event: &str) -> (Option<Transport>, Option<Transport>) {
        let slots = self.slots.borrow();
        let mut open = slots.iter().filter(|slot| slot.commands.is_some());
        let first = open.clone().next().map(|slot| slot.transport);
        (first, open.find(|slot| slot.hears(event)).map(|slot| slot.transport))
    }
}

impl Slot {
    fn new(transport: Transport) -> Self {
        Self {
            transport,
            commands: None,
            closing: false,
            events: Vec::new(),
            any: None,
            on_close: None,
            inbox: VecDeque::new(),
            sending: VecDeque::new(),
            waiters: Vec::new(),
        }
    }

    fn hears(&self, event: &str) -> bool {
        let waits = self.waiters.iter().any(|waiter| waiter.event.as_deref().is_none_or(|wanted| wanted == event));
        waits || self.any.is_some() || self.events.iter().any(|(name, _)| **name == *event)
    }

    fn handler(&self, event: Option<&str>) -> Option<&Handler> {
        let named = event.and_then(|event| self.events.iter().find(|(name, _)| **name == *event));
        named.map(|(_, handler)| handler).or(self.any.as_ref())
    }
}

pub(crate) fn on_event(user: &Rc<User>, id: SocketId, event: SocketEvent) {
    user.world.now();
    let Some(transport) = user.sockets.slots.borrow().get(id.0 as usize).map(|slot| slot.transport) else { return };
    let mut scribe = user.world.scribe.borrow_mut();
    match event {
        SocketEvent::Sent => {
            let event = user.sockets.sent(id);
            scribe.count(user.tags(), "socket.sent", &[("transport", transport.as_str()), ("event", &event)], 1);
        }
        SocketEvent::Poll(poll) => {
            let took = poll.ended.saturating_duration_since(poll.queued);
            match poll.status {
                Ok(status) => {
                    let text = status.to_string();
                    let tags = [("transport", transport.as_str()), ("status", text.as_str())];
                    scribe.duration(user.tags(), "socket.poll", &tags, took);
                    if status >= 400 {
                        let tags = [("transport", transport.as_str()), ("kind", "status")];
                        scribe.ratio(user.tags(), "socket.failed", &tags, true);
                        scribe.error(
                            user.tags(),
                            "socket status",
                            &format!("a poll was answered with status {status}"),
                        );
                    }
                }
                Err(kind) => {
                    let explanation = format!("a poll failed: {kind}");
                    scribe.ratio(
                        user.tags(),
                        "socket.failed",
                        &[("transport", transport.as_str()), ("kind", kind.as_str())],
                        true,
                    );
                    scribe.error(user.tags(), &format!("socket {kind}"), &explanation);
                }
            }
        }
        SocketEvent::Message(message) => {
            let event = message.event.as_deref().unwrap_or("");
            scribe.count(user.tags(), "socket.received", &[("transport", transport.as_str()), ("event", event)], 1);
            drop(scribe);
            user.world.trace(|| format!("heard  {event} {}", message.data));
            crate::cues::hear(user, transport, &message);
            deliver(user, id, message);
        }
    }
}

/// Counts the end of a socket and tells its handler. Says whether it is for good: its own user wanted it.
pub(crate) fn on_closed(user: &Rc<User>, id: SocketId, closed: &Closed) -> bool {
    user.world.now();
    let handler = {
        let mut slots = user.sockets.slots.borrow_mut();
        let slot = &mut slots[id.0 as usize];
        slot.commands = None;
        slot.sending.clear();
        slot.waiters.clear();
        let (by, code) = (closed_by(user, closed), closed.code.to_string());
        let tags = [("transport", slot.transport.as_str()), ("by", by), ("code", &code)];
        user.world.scribe.borrow_mut().count(user.tags(), "socket.closed", &tags, 1);
        slot.on_close.clone().map(|handler| (handler, slot.transport))
    };
    user.world.trace(|| format!("socket closed by the {} with code {}", closed_by(user, closed), closed.code));
    if let Some((handler, transport)) = handler.filter(|_| !user.is_leaving()) {
        start_handler(user, handler, id, transport, None);
    }
    closed.by == By::User || user.is_leaving()
}

/// What a user closes because its agent has to go is neither the script's doing nor the system's.
fn closed_by(user: &User, closed: &Closed) -> &'static str {
    match closed.by {
        By::User if user.leaves_as_lost() => "agent",
        by => by.as_str(),
    }
}

/// Gives a message to whoever wants it first.
fn deliver(user: &Rc<User>, id: SocketId, message: Message) {
    let mut slots = user.sockets.slots.borrow_mut();
    let slot = &mut slots[id.0 as usize];
    let event = message.event.clone();
    let wants = |waiter: &Waiter| waiter.event.is_none() || waiter.event == event;
    while let Some(at) = slot.waiters.iter().position(wants) {
        let waiter = slot.waiters.remove(at);
        if !waiter.deliver.is_closed() {
            // Only this thread could close it, and it is here.
            let _ = waiter.deliver.send(received(user, message));
            return;
        }
    }
    if let Some(handler) = slot.handler(event.as_deref()).cloned() {
        let transport = slot.transport;
        drop(slots);
        start_handler(user, handler, id, transport, Some(message));
        return;
    }
    if slot.inbox.len() >= INBOX {
        slot.inbox.pop_front();
        let sample = format!("nobody wanted {INBOX} messages on a socket: the oldest was dropped");
        user.world.scribe.borrow_mut().error(user.tags(), "inbox", &sample);
    }
    slot.inbox.push_back(message);
}

/// Handlers start in the order in which their messages arrived.
fn start_handler(user: &Rc<User>, handler: Handler, id: SocketId, transport: Transport, message: Option<Message>) {
    let socket = socket_handle(id, transport);
    let arguments = match message {
        Some(message) => vec![socket, received(user, message).data],
        None => vec![socket],
    };
    let world = Rc::clone(&user.world);
    user.start(Flow::intended_at(None), move || world.program.call(&handler, arguments));
}

/// A message as the script sees it: the data of an event, the text of anything else.
fn received(user: &User, message: Message) -> Received {
    let data = match &message.event {
        None => Value::from(String::from_utf8_lossy(&message.text).into_owned()),
        Some(_) => from_json(message.data).unwrap_or_else(|error| {
            user.world.scribe.borrow_mut().error(user.tags(), "json", &format!("reading a message failed: {error}"));
            Value::UNIT
        }),
    };
    Received { event: message.event, data }
}

/// Sets a handler; messages that waited for it are delivered in their order.
pub(crate) fn listen(user: &Rc<User>, id: SocketId, hears: Hears, handler: Handler) {
    let waiting: Vec<Message> = {
        let mut slots = user.sockets.slots.borrow_mut();
        let Some(slot) = slots.get_mut(id.0 as usize) else { return };
        match hears {
            Hears::Close => slot.on_close = Some(handler),
            Hears::Any => slot.any = Some(handler),
            Hears::Event(event) => {
                slot.events.retain(|(name, _)| **name != *event);
                slot.events.push((event.into(), handler));
            }
        }
        let (wanted, rest) =
            slot.inbox.drain(..).partition(|message| slot_wants(&slot.events, slot.any.is_some(), message));
        slot.inbox = rest;
        Vec::from(wanted)
    };
    for message in waiting {
        deliver(user, id, message);
    }
}

fn slot_wants(events: &[(Box<str>, Handler)], any: bool, message: &Message) -> bool {
    any || message.event.as_deref().is_some_and(|event| events.iter().any(|(name, _)| **name == *event))
}

/// Waits for a message; none when the time is up or the socket closes.
pub(crate) async fn receive(user: &Rc<User>, id: SocketId, event: Option<String>, timeout: Duration) -> Reply {
    let delivered = {
        let mut slots = user.sockets.slots.borrow_mut();
        let Some(slot) = slots.get_mut(id.0 as usize) else { return Ok(Answer::Message(None)) };
        let waiting = slot.inbox.iter().position(|message| event.is_none() || message.event == event);
        if let Some(message) = waiting.and_then(|at| slot.inbox.remove(at)) {
            return Ok(Answer::Message(Some(received(user, message))));
        }
        if slot.commands.is_none() {
            return Ok(Answer::Message(None));
        }
        let (deliver, delivered) = oneshot::channel();
        slot.waiters.push(Waiter { event, deliver });
        delivered
    };
    tokio::select! {
        biased;
        () = user.gone() => Err(Stop),
        message = tokio::time::timeout(timeout, delivered) => Ok(Answer::Message(message.ok().and_then(Result::ok))),
    }
}

/// Queues a text; what cannot be queued is an error of this user's, counted.
pub(crate) fn send(user: &User, id: SocketId, event: Option<String>, text: String) {
    let queued = match user.sockets.slots.borrow_mut().get_mut(id.0 as usize) {
        Some(Slot { commands: Some(commands), sending, .. }) => {
            let queued = commands.send(Outgoing::Text(text)).map_err(|error| error.to_string());
            if queued.is_ok() {
                sending.push_back(event.unwrap_or_default());
            }
            queued
        }
        _ => Err("sending on the socket: it is closed".to_owned()),
    };
    if let Err(message) = queued {
        user.world.now();
        user.world.scribe.borrow_mut().error(user.tags(), "send", &message);
    }
}
