//! Opening sockets, and opening them again: every attempt is counted, and a failed one gives a closed socket.

use std::rc::Rc;
use std::time::Duration;

use rehearsal_script::{Answer, OpenCall, SocketId, Stop, Transport};
use rehearsal_transport::socket::{Commands, Opened, Socket, SocketOptions, polling, websocket};
use tokio::time::Instant;
use url::Url;

use crate::calls::{explain_opening, headers, resolve};
use crate::fiber::Reply;
use crate::sockets::{on_closed, on_event};
use crate::user::{Flow, GRACE, User};

/// Outgoing messages that wait for the connection.
const OUTBOX: usize = 64;

/// Opens a socket for a script. A failed opening gives a closed socket, counted.
pub(crate) async fn open(user: &Rc<User>, flow: &Flow, call: OpenCall) -> Reply {
    let intended = flow.take_intended();
    let id = user.sockets.add(call.transport);
    let opened = tokio::select! {
        biased;
        opened = connect(user, id, &call, intended) => opened,
        () = user.cut_off() => return Err(Stop),
    };
    if opened.is_some() || (call.reconnect.is_some() && !user.is_leaving()) {
        let commands = opened.is_some().then(|| attach(user, id));
        user.sockets.begun();
        let user = Rc::clone(user);
        tokio::task::spawn_local(async move {
            keep(&user, id, call, opened.zip(commands)).await;
            user.sockets.ended();
            user.note_change();
        });
    }
    if user.is_leaving() { Err(Stop) } else { Ok(Answer::Socket(id)) }
}

/// A socket that opens while its user leaves is closed in order, and counted as one.
fn attach(user: &User, id: SocketId) -> Rc<Commands> {
    let commands = Commands::new(OUTBOX);
    user.sockets.attach(id, &commands);
    if user.is_leaving() {
        user.sockets.close(id);
    }
    commands
}

/// Runs a socket to its end, and opens it again when the script asked for that.
async fn keep(user: &Rc<User>, id: SocketId, call: OpenCall, mut open: Option<(Socket, Rc<Commands>)>) {
    let mut failures = 0;
    loop {
        if let Some((socket, commands)) = open.take() {
            failures = 0;
            let listener = Rc::clone(user);
            let closed = Box::pin(socket.run(commands, move |event| on_event(&listener, id, event))).await;
            if on_closed(user, id, &closed) {
                return;
            }
        }
        let Some(reconnect) = call.reconnect else { return };
        tokio::select! {
            biased;
            () = user.gone() => return,
            () = user.world.alarms.wait(backoff(user, reconnect, failures)) => {}
        }
        failures += 1;
        open = tokio::select! {
            biased;
            opened = connect(user, id, &call, None) => opened.map(|socket| (socket, attach(user, id))),
            () = out_of_patience(user) => return,
        };
    }
}

/// Comes back when an opening that is under way must end: like a call in flight, it outlasts its user by the grace.
async fn out_of_patience(user: &User) {
    user.gone().await;
    tokio::select! {
        () = tokio::time::sleep(GRACE) => {}
        () = user.cut_off() => {}
    }
}

fn backoff(user: &User, reconnect: rehearsal_script::Reconnect, failures: u32) -> Duration {
    use rand::RngExt;
    use rehearsal_script::Host;
    let wait = reconnect.first.saturating_mul(1 << failures.min(16)).min(reconnect.max);
    wait.mul_f64(1.0 + reconnect.jitter * user.user().random.borrow_mut().random_range(0.0..=1.0))
}

/// One attempt to open, counted either way.
async fn connect(user: &Rc<User>, id: SocketId, call: &OpenCall, intended: Option<Instant>) -> Option<Socket> {
    let began = intended.unwrap_or_else(Instant::now);
    let options = match options(user, id, call) {
        Ok(options) => options,
        Err(message) => {
            refused(user, call.transport, "url", &message);
            return None;
        }
    };
    let url = options.url.clone();
    let opened = match call.transport {
        Transport::WebSocket => Box::pin(websocket::open(&user.client, options)).await,
        Transport::Polling => Box::pin(polling::open(&user.client, options)).await,
    };
    match opened {
        Ok(opened) => Some(accepted(user, call.transport, &url, began, opened)),
        Err(failure) => {
            let kind = failure.status.map_or(failure.kind.as_str(), |_| "status");
            refused(user, call.transport, kind, &explain_opening(&url, &failure));
            None
        }
    }
}

fn options(user: &User, id: SocketId, call: &OpenCall) -> Result<SocketOptions, String> {
    let mut options = SocketOptions::new(resolve(user, &call.url)?);
    options.headers = headers(&call.headers)?;
    options.timeout = call.timeout.unwrap_or(user.world.setup.environment.http.timeout);
    options.seed = user.world.setup.seed ^ user.number().rotate_left(20) ^ u64::from(id.0);
    Ok(options)
}

fn accepted(user: &User, transport: Transport, url: &Url, began: Instant, opened: Opened) -> Socket {
    user.world.now();
    let took = opened.ended.saturating_duration_since(began);
    let mut scribe = user.world.scribe.borrow_mut();
    let status = opened.status.to_string();
    scribe.duration(user.tags(), "socket.connect", &[("transport", transport.as_str()), ("status", &status)], took);
    scribe.ratio(user.tags(), "socket.failed", &[("transport", transport.as_str())], false);
    user.world.trace(|| format!("socket {} {url} open in {:.1} ms", transport.as_str(), took.as_secs_f64() * 1e3));
    opened.socket
}

fn refused(user: &User, transport: Transport, kind: &str, explanation: &str) {
    user.world.now();
    let mut scribe = user.world.scribe.borrow_mut();
    scribe.ratio(user.tags(), "socket.failed", &[("transport", transport.as_str()), ("kind", kind)], true);
    scribe.error(user.tags(), &format!("socket {kind}"), explanation);
    user.world.trace(|| format!("socket {explanation}"));
}
