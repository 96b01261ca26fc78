//! One hop: get a connection, send the request, read the answer, and write down when each of these happened.

use std::rc::Rc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::poll_fn;
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Uri};
use http_body_util::Full;
use tokio::time::{Instant, timeout_at};
use url::Position;

use super::call::{Hop, HopEvent, Request};
use super::client::Client;
use super::connection::{Connection, Unanswered};
use super::decode;
use super::idle::Kept;
use super::pool::Host;
use crate::failure::{Failure, FailureKind};

/// The answer to one hop.
pub(super) struct Answer {
    pub head: http::response::Parts,
    /// Decoded.
    pub body: Bytes,
}

/// What is known of a hop so far; it outlives the future that fills it in, which a timeout may end anywhere.
#[derive(Default)]
struct Progress {
    sent: Option<Instant>,
    connect: Option<Duration>,
    tls: Option<Duration>,
    first_byte: Option<Duration>,
    body_end: Option<Instant>,
    received_bytes: u64,
}

impl Client {
    /// Performs one hop, tells about its begin and its end, and keeps the cookies of its answer.
    pub(super) async fn hop(
        &self,
        hop: u32,
        request: &Request,
        deadline: Instant,
        on_hop: &dyn Fn(HopEvent<'_>),
    ) -> Result<Answer, Failure> {
        let queued = Instant::now();
        let (method, url) = (&request.method, &request.url);
        on_hop(HopEvent::Begun { hop, method, url, at: queued });
        let mut progress = Progress::default();
        let result = timeout_at(deadline, self.exchange(request, &mut progress)).await;
        let result = result.unwrap_or_else(|_| Err(Failure::timeout(&format!("requesting {url}"))));
        let ended = progress.body_end.unwrap_or_else(Instant::now);
        if let Ok(answer) = &result {
            self.keep_cookies(url, &answer.head.headers);
        }
        on_hop(HopEvent::Ended(&Hop {
            hop,
            method,
            url,
            queued,
            sent: progress.sent.unwrap_or(ended),
            connect: progress.connect,
            tls: progress.tls,
            first_byte: progress.first_byte,
            ended,
            outcome: result.as_ref().map(|answer| answer.head.status.as_u16()).map_err(|failure| failure.kind),
            received_bytes: progress.received_bytes,
        }));
        result
    }

    async fn exchange(&self, request: &Request, progress: &mut Progress) -> Result<Answer, Failure> {
        let host = self.pool.host(&request.url, self.options.max_per_host)?;
        let _turn = host.turn().await;
        let mut reused = host.take(&self.network, self.options.keep_alive).await;
        loop {
            let was_kept = reused.is_some();
            let (kept, mut connection) = match reused.take() {
                Some(reused) => reused,
                None => self.connect(&host, progress).await?,
            };
            let message = self.compose(&host, request)?;
            let sent = Instant::now();
            progress.sent = Some(sent);
            match connection.request(message).await {
                Ok(head) => {
                    progress.first_byte = Some(sent.elapsed());
                    return self.finish(&host, (kept, connection), head, progress).await;
                }
                // The server gave up the idle connection while the request was on its way: not the system's failure but
                // an accident of keeping connections, which browsers hide in the same way.
                Err(lost) if was_kept && may_resend(&lost, &request.method) => {}
                Err(lost) => return Err(lost.failure),
            }
        }
    }

    /// Reads the body, hands the connection back, and decodes what was read.
    async fn finish(
        &self,
        host: &Host,
        (kept, mut connection): (Rc<Kept>, Box<Connection>),
        answer: http::Response<hyper::body::Incoming>,
        progress: &mut Progress,
    ) -> Result<Answer, Failure> {
        let (head, body) = answer.into_parts();
        let limit = self.options.max_body;
        let body = connection.read(body, limit, &mut progress.received_bytes).await?;
        let ended = Instant::now();
        progress.body_end = Some(ended);
        let reusable = poll_fn(|cx| std::task::Poll::Ready(connection.settle(cx))).await;
        if reusable && !self.closed.get() {
            kept.put(connection, ended);
            self.network.cooling.list(&kept, ended);
            host.put(kept);
        }
        let body = decode::decode(&head.headers, body, limit)?;
        Ok(Answer { head, body })
    }

    /// Opens a connection. Boxed: it is rare, and its lookups and handshakes would make the future of every call large.
    async fn connect(&self, host: &Host, progress: &mut Progress) -> Result<(Rc<Kept>, Box<Connection>), Failure> {
        let opened = Box::pin(self.network.open(&host.origin)).await?;
        progress.connect = Some(opened.connect);
        progress.tls = opened.tls;
        Ok((Kept::new(opened.instance), Connection::new(opened.stream).await?))
    }

    fn compose(&self, host: &Host, request: &Request) -> Result<http::Request<Full<Bytes>>, Failure> {
        let url = &request.url;
        let path = PathAndQuery::try_from(&url[Position::BeforePath..Position::AfterQuery])
            .map_err(|error| Failure::new(FailureKind::Url, format!("requesting {url}: {error}")))?;
        let mut headers = self.headers(&host.origin, url, &request.headers);
        if let Some((user, password)) = &request.auth {
            headers.insert(AUTHORIZATION, basic(user, password));
        }
        if request.body.is_empty() && matches!(request.method, Method::POST | Method::PUT | Method::PATCH) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut message = http::Request::new(Full::new(request.body.clone()));
        *message.method_mut() = request.method.clone();
        *message.uri_mut() = Uri::from(path);
        *message.headers_mut() = headers;
        Ok(message)
    }
}

/// Whether a request whose kept connection broke may be sent again without doing twice what the user did once.
fn may_resend(lost: &Unanswered, method: &Method) -> bool {
    let broke = matches!(lost.failure.kind, FailureKind::Closed | FailureKind::Reset);
    broke && (lost.unsent || method.is_idempotent())
}

fn basic(user: &str, password: &str) -> HeaderValue {
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    let mut value = HeaderValue::try_from(format!("Basic {encoded}")).expect("base64 is visible ASCII");
    value.set_sensitive(true);
    value
}
