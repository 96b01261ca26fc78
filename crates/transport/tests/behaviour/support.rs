//! Servers on free local ports whose every byte the test decides, and a client with a recorder of hops.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use rehearsal_transport::http::{Client, ClientOptions, HopEvent, Request};
use rehearsal_transport::{Failure, Network, NetworkOptions};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};
use url::Url;

/// No test may take longer, whatever it waits for.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test as the transport runs: on one thread, with local tasks.
pub fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bounded = async { tokio::time::timeout(PATIENCE, test).await.expect("the test hangs") };
    LocalSet::new().block_on(&runtime, bounded);
}

/// Runs a test on virtual time, which jumps ahead whenever everybody waits.
pub fn run_paused(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

/// A listening server; counts the connections that it accepted.
pub struct Server {
    pub address: SocketAddr,
    pub connections: Rc<Cell<usize>>,
}

impl Server {
    /// Starts a server that gives each connection and its number, from 1 on, to `handle`.
    pub async fn start<F: Future<Output = ()> + 'static>(handle: impl Fn(usize, TcpStream) -> F + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Rc::new(Cell::new(0));
        let counter = connections.clone();
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.set(counter.get() + 1);
                spawn_local(handle(counter.get(), stream));
            }
        });
        Self { address, connections }
    }

    /// Starts a server that keeps connections and answers each request's text with what `answer` makes of it.
    pub async fn answering(answer: impl Fn(&str) -> Vec<u8> + 'static) -> Self {
        let answer = Rc::new(answer);
        Self::start(move |_, mut stream| {
            let answer = answer.clone();
            async move {
                while let Some(request) = read_request(&mut stream).await {
                    if stream.write_all(&answer(&request)).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await
    }

    /// Starts a server that reads one request of each connection, sends `bytes` and closes.
    pub async fn sending(bytes: Vec<u8>) -> Self {
        Self::start(move |_, mut stream| {
            let bytes = bytes.clone();
            async move {
                read_request(&mut stream).await;
                // Large answers meet a client that has given up already.
                let _ = stream.write_all(&bytes).await;
            }
        })
        .await
    }

    pub fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.address)).unwrap()
    }
}

/// Reads a request's head and, if it tells a length, its body. `None` when the client has closed.
pub async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(text).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(head + std::str::from_utf8(&body).unwrap())
}

/// An answer with a length.
pub fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Waits until the other side has closed the connection.
pub async fn closed(stream: &mut TcpStream) {
    let mut bytes = [0; 1024];
    while matches!(stream.read(&mut bytes).await, Ok(1..)) {}
}

/// Waits for a condition that other tasks bring about.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let reached = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("never: {what}"));
}

pub fn client() -> Rc<Client> {
    client_with(ClientOptions::default(), NetworkOptions::default())
}

pub fn client_with(options: ClientOptions, network: NetworkOptions) -> Rc<Client> {
    Rc::new(Client::new(Network::new(network).unwrap(), Rc::new(options), Box::default()))
}

/// Writes hops down as `0 GET /path` when they begin and `0 200` or `0 kind` when they end.
#[derive(Default)]
pub struct Recorder {
    lines: RefCell<Vec<String>>,
    /// Hops that opened a connection.
    pub connects: Cell<usize>,
    /// Body bytes of all hops.
    pub received: Cell<u64>,
}

impl Recorder {
    pub fn note(&self, event: HopEvent<'_>) {
        let line = match event {
            HopEvent::Begun { hop, method, url, .. } => format!("{hop} {method} {}", url.path()),
            HopEvent::Ended(hop) => {
                assert!(hop.queued <= hop.sent && hop.sent <= hop.ended);
                self.connects.set(self.connects.get() + usize::from(hop.connect.is_some()));
                self.received.set(self.received.get() + hop.received_bytes);
                hop.outcome.map_or_else(|kind| format!("{} {kind}", hop.hop), |status| format!("{} {status}", hop.hop))
            }
        };
        self.lines.borrow_mut().push(line);
    }

    pub fn take(&self) -> Vec<String> {
        self.lines.take()
    }
}

/// Makes a call and returns its status and body.
pub async fn call(client: &Client, request: Request) -> Result<(u16, String), Failure> {
    let response = client.send(request, &|_| ()).await?;
    Ok((response.status, String::from_utf8(response.body.to_vec()).unwrap()))
}

/// Makes a call that must fail, and returns the kind of its failure.
pub async fn failing(client: &Client, request: Request) -> &'static str {
    call(client, request).await.expect_err("the call should have failed").kind.as_str()
}
