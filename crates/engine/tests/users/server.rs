//! Systems under test that do what the test wants: one answer a request, decided by a function.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role};

use crate::scene::BOUND;

/// What becomes of one request.
pub enum Act {
    /// A status and a body.
    Reply(u16, &'static str),
    /// The same with one more header line.
    With(u16, String),
    /// Something else after a while.
    After(Duration, Box<Act>),
    /// Nothing, on an open connection.
    Hang,
    /// These bytes and the end of the connection.
    Cut(&'static str),
    /// A WebSocket that says these texts, and then?
    Socket(Vec<String>, Fate),
}

impl Act {
    /// Status 200 after a while.
    pub fn late(wait: Duration) -> Self {
        Self::After(wait, Box::new(Self::Reply(200, "late")))
    }
}

/// How a WebSocket goes on.
pub enum Fate {
    Stays,
    /// The connection is cut without a word.
    Vanishes,
    Closes(u16),
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    pub at: Instant,
    pub path: String,
    headers: BTreeMap<String, String>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What has happened so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub requests: Vec<Request>,
    /// What came over WebSockets; closings as `close 1000`.
    pub frames: Vec<String>,
    /// Connections that are open.
    pub open: usize,
    /// Most requests that waited for their answer at one instant.
    pub most_at_once: usize,
    waiting: usize,
}

type Decide = dyn Fn(&Request, usize) -> Act + Send + Sync;

/// A server on a free port of loopback; dropping it ends it.
pub struct Server {
    pub address: SocketAddr,
    seen: watch::Receiver<Seen>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Starts a server that asks `decide` about each request, with how many there were before.
    pub async fn start(decide: impl Fn(&Request, usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seeing, seen) = watch::channel(Seen::default());
        let accepting = tokio::spawn(accept(listener, Arc::new(seeing), Arc::new(decide)));
        Self { address, seen, accepting }
    }

    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Waits until a condition of what was seen holds.
    pub async fn until(&self, what: &str, condition: impl FnMut(&Seen) -> bool) {
        let mut seen = self.seen.clone();
        let in_time = timeout(BOUND, seen.wait_for(condition)).await.is_ok();
        assert!(in_time, "waited in vain until {what}: {:#?}", self.seen());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Sends one JSON body by POST, as a director would; must be accepted.
pub async fn post(address: SocketAddr, path: &str, body: &serde_json::Value) {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
}

async fn accept(listener: TcpListener, seeing: Arc<watch::Sender<Seen>>, decide: Arc<Decide>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (seeing, decide) = (Arc::clone(&seeing), Arc::clone(&decide));
        connections.spawn(async move {
            seeing.send_modify(|seen| seen.open += 1);
            serve(stream, &seeing, &*decide).await;
            seeing.send_modify(|seen| seen.open -= 1);
        });
    }
}

/// Serves one connection to its end, whoever wants it.
async fn serve(stream: TcpStream, seeing: &watch::Sender<Seen>, decide: &Decide) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        let mut act = decide(&request, seeing.borrow().requests.len());
        let key = request.header("sec-websocket-key").map(|key| derive_accept_key(key.as_bytes()));
        seeing.send_modify(|seen| {
            seen.requests.push(request);
            seen.waiting += 1;
            seen.most_at_once = seen.most_at_once.max(seen.waiting);
        });
        while let Act::After(wait, then) = act {
            sleep(wait).await;
            act = *then;
        }
        let answer = match act {
            Act::Reply(status, body) => answer(status, "", body),
            Act::With(status, header) => answer(status, &header, ""),
            Act::After(..) => unreachable!("it was waited for"),
            Act::Hang => {
                let _ = stream.read_u8().await; // comes back when the client gives up
                String::new()
            }
            Act::Cut(bytes) => {
                let _ = stream.write_all(bytes.as_bytes()).await;
                return;
            }
            Act::Socket(says, fate) => {
                let accept = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {}\r\n\r\n",
                    key.unwrap()
                );
                let _ = stream.write_all(accept.as_bytes()).await;
                return talk(stream.into_inner(), says, fate, seeing).await;
            }
        };
        seeing.send_modify(|seen| seen.waiting -= 1);
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(status: u16, header: &str, body: &str) -> String {
    let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
    format!("HTTP/1.1 {status} Whatever\r\n{header}content-length: {}\r\n\r\n{body}", body.len())
}

async fn talk(stream: TcpStream, says: Vec<String>, fate: Fate, seeing: &watch::Sender<Seen>) {
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    for text in says {
        let _ = socket.send(Message::text(text)).await;
    }
    match fate {
        Fate::Stays => {}
        Fate::Vanishes => return,
        Fate::Closes(code) => {
            let _ = socket.close(Some(CloseFrame { code: code.into(), reason: "".into() })).await;
        }
    }
    while let Some(Ok(message)) = socket.next().await {
        let line = match message {
            Message::Close(frame) => format!("close {}", frame.map_or(0, |frame| frame.code.into())),
            message => message.to_text().unwrap_or_default().to_owned(),
        };
        seeing.send_modify(|seen| seen.frames.push(line));
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        match stream.read_line(&mut line).await {
            Ok(0) | Err(_) => return None,
            Ok(_) if line.trim().is_empty() => break,
            Ok(_) => lines.push(line.trim().to_owned()),
        }
    }
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    let headers = lines[1..].iter().filter_map(|line| line.split_once(": "));
    let headers: BTreeMap<_, _> = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    stream.read_exact(&mut vec![0; length]).await.ok()?;
    Some(Request { at: Instant::now(), path, headers })
}
