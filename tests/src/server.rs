//! Systems under test that misbehave: the test decides about every byte that comes back.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Longest line of a request and longest body that are read: longer ones are a fault of ours.
const LONGEST: u64 = 64 * 1024;

/// What the server does about one request.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends the bytes and keeps the connection.
    Answer(Vec<u8>),
    /// The same, later.
    AnswerAfter(Duration, Vec<u8>),
    /// Keeps the connection and says nothing.
    Hang,
    /// Sends the bytes and closes.
    Cut(Vec<u8>),
    /// Sends the first bytes, and then the second ones again and again until the client has had
    /// enough.
    Flood(Vec<u8>, Vec<u8>),
    /// Accepts the upgrade to a WebSocket.
    Socket(SocketFate),
}

/// What becomes of a WebSocket.
#[derive(Clone, Debug)]
pub enum SocketFate {
    /// The connection is cut without a word.
    CutAfter(Duration),
    /// The bytes are sent, whatever they are, and nothing more.
    Sends(Vec<u8>),
}

/// One request's head.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// With names in lower case.
    headers: BTreeMap<String, String>,
}

impl Request {
    /// Returns a header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What the server saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub connections: u64,
    /// By method and path, without the query.
    pub requests: BTreeMap<String, u64>,
    /// Most requests that waited for their answers at one instant.
    pub most_at_once: u64,
    waiting: u64,
}

impl Seen {
    /// Counts all requests.
    pub fn request_count(&self) -> u64 {
        self.requests.values().sum()
    }
}

/// A server on a free port of loopback. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Starts a server that does what `decide` says.
    pub async fn start(decide: impl Fn(&Request) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listening on a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let seen = Arc::default();
        let accepting = tokio::spawn(accept(listener, Arc::new(decide), Arc::clone(&seen)));
        Self { address, seen, accepting }
    }

    /// Returns an address at which nobody listens.
    pub async fn nobody() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let address = listener.and_then(|listener| listener.local_addr());
        address.expect("a free port is found")
    }

    /// Returns what it saw so far.
    pub fn seen(&self) -> Seen {
        locked(&self.seen, |seen| seen.clone())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Makes a complete answer; `headers` end with a line break each.
pub fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

type Decide = dyn Fn(&Request) -> Act + Send + Sync;

/// Owns all connections: they end with it.
async fn accept(listener: TcpListener, decide: Arc<Decide>, seen: Arc<Mutex<Seen>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        locked(&seen, |seen| seen.connections += 1);
        let (decide, seen) = (Arc::clone(&decide), Arc::clone(&seen));
        // A client that goes away is no concern of the server's.
        connections.spawn(async move { serve(stream, &*decide, &seen).await.unwrap_or_default() });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, decide: &Decide, seen: &Mutex<Seen>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream).await? {
        locked(seen, |seen| {
            let path = request.path.split('?').next().unwrap_or_default();
            let call = format!("{} {path}", request.method);
            *seen.requests.entry(call).or_default() += 1;
            seen.waiting += 1;
            seen.most_at_once = seen.most_at_once.max(seen.waiting);
        });
        let act = decide(&request);
        if let Act::AnswerAfter(wait, _) = &act {
            tokio::time::sleep(*wait).await;
        }
        // Before the answer: who has it may have sent the next request before anything is counted here.
        locked(seen, |seen| seen.waiting -= 1);
        let performed = perform(act, &request, &mut stream).await;
        if let After::Close = performed? {
            break;
        }
    }
    Ok(())
}

/// What becomes of a connection after an act.
enum After {
    NextRequest,
    Close,
}

async fn perform(act: Act, request: &Request, stream: &mut BufReader<TcpStream>) -> io::Result<After> {
    match act {
        Act::Answer(bytes) | Act::AnswerAfter(_, bytes) => {
            stream.write_all(&bytes).await?;
            return Ok(After::NextRequest);
        }
        Act::Hang => closed(stream).await?,
        Act::Cut(bytes) => stream.write_all(&bytes).await?,
        Act::Flood(first, again) => {
            stream.write_all(&first).await?;
            loop {
                stream.write_all(&again).await?;
            }
        }
        Act::Socket(fate) => {
            stream.write_all(&upgraded(request)).await?;
            match fate {
                SocketFate::CutAfter(wait) => tokio::time::sleep(wait).await,
                SocketFate::Sends(bytes) => {
                    stream.write_all(&bytes).await?;
                    closed(stream).await?;
                }
            }
        }
    }
    Ok(After::Close)
}

fn upgraded(request: &Request) -> Vec<u8> {
    let key = request.header("sec-websocket-key").unwrap_or_default();
    let accept = derive_accept_key(key.as_bytes());
    let upgrade = "upgrade: websocket\r\nconnection: Upgrade\r\n";
    format!("HTTP/1.1 101 Switching Protocols\r\n{upgrade}sec-websocket-accept: {accept}\r\n\r\n").into_bytes()
}

/// Waits until the client has closed.
async fn closed(stream: &mut BufReader<TcpStream>) -> io::Result<()> {
    let mut bytes = [0; 1024];
    while stream.read(&mut bytes).await? > 0 {}
    Ok(())
}

/// Reads a request with its body; none when the client has closed.
async fn read_request(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let first = read_line(stream).await?;
    let mut words = first.split(' ').map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Ok(None);
    };
    let mut headers = BTreeMap::new();
    while let Some((name, value)) = read_line(stream).await?.split_once(':') {
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|n| n.parse().ok());
    let mut body = Vec::new();
    let length = length.unwrap_or(0).min(LONGEST);
    stream.take(length).read_to_end(&mut body).await?;
    Ok(Some(Request { method, path, headers }))
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    stream.take(LONGEST).read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}

fn locked<T>(seen: &Mutex<Seen>, work: impl FnOnce(&mut Seen) -> T) -> T {
    work(&mut seen.lock().expect("nothing panics while it counts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a request and reads until the server closes, or until `enough` bytes have come.
    async fn ask(server: &Server, path: &str, enough: u64) -> String {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        let request = format!("POST {path} HTTP/1.1\r\nContent-Length: 2\r\n{key}\r\n\r\nhi");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.take(enough).read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn every_act_does_what_it_says() {
        let server = Server::start(|request| match request.path.as_str() {
            "/answer?again" => Act::AnswerAfter(Duration::from_millis(1), answer("201 Created", "a: b\r\n", "{}")),
            "/cut" => Act::Cut(b"half".to_vec()),
            "/flood" => Act::Flood(b"a".to_vec(), b"b".to_vec()),
            _ => Act::Socket(SocketFate::CutAfter(Duration::ZERO)),
        })
        .await;
        let answered = "HTTP/1.1 201 Created\r\na: b\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(ask(&server, "/answer?again", answered.len() as u64).await, answered);
        assert_eq!(ask(&server, "/cut", LONGEST).await, "half");
        assert_eq!(ask(&server, "/flood", 4).await, "abbb");
        let upgraded = ask(&server, "/socket", LONGEST).await;
        // The example of RFC 6455, section 1.3.
        assert!(upgraded.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{upgraded}");
        let seen = server.seen();
        assert_eq!((seen.connections, seen.request_count(), seen.most_at_once > 0), (4, 4, true));
        assert_eq!(seen.requests["POST /answer"], 1);
    }
}
