//! One HTTP/1.1 connection that is driven by whoever waits for its answer.
//!
//! hyper separates the sender of requests from the driver that moves the bytes, and usually the driver becomes a task. Here both
//! stay together: no task to spawn, wake and abort, a dropped call closes its connection at once, and an idle connection
//! can be taken apart to give its buffers back.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::future::poll_fn;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use crate::failure::{Failure, FailureKind};
use crate::network::Stream;

/// The largest head of an answer, and how far the read buffer may grow on a fast download, in bytes.
const MAX_BUFFER: usize = 64 * 1024;

/// How failures on an open connection begin their message.
const DOING: &str = "waiting for the answer";

/// A connection with its buffers, ready for requests one after the other.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: http1::Connection<TokioIo<Stream>, Full<Bytes>>,
    /// The driver has returned and must not be polled again.
    ended: bool,
}

/// A request that got no answer.
pub(super) struct Unanswered {
    pub failure: Failure,
    /// Not a byte of the request was written.
    pub unsent: bool,
}

impl Connection {
    /// Gives a stream the buffers and the state machine that speak HTTP.
    pub async fn new(stream: Stream) -> Result<Box<Self>, Failure> {
        let opened = http1::Builder::new().max_buf_size(MAX_BUFFER).handshake(TokioIo::new(stream)).await;
        let (sender, driver) = opened.map_err(|error| Failure::from_connection("opening the connection", &error))?;
        Ok(Box::new(Self { sender, driver, ended: false }))
    }

    /// Sends a request and waits for the head of its answer.
    pub async fn request(
        &mut self,
        request: http::Request<Full<Bytes>>,
    ) -> Result<http::Response<Incoming>, Unanswered> {
        let mut answer = pin!(self.sender.send_request(request));
        let (driver, ended) = (&mut self.driver, &mut self.ended);
        poll_fn(|cx| {
            let driven = drive(driver, ended, cx);
            match (answer.as_mut().poll(cx), driven) {
                (Poll::Ready(Ok(answer)), _) => Poll::Ready(Ok(answer)),
                (Poll::Ready(Err(error)), _) => Poll::Ready(Err(unanswered(&error))),
                (Poll::Pending, Driven::On) => Poll::Pending,
                (Poll::Pending, Driven::Ended) => Poll::Ready(Err(closed(DOING).into())),
                (Poll::Pending, Driven::Failed(error)) => Poll::Ready(Err(unanswered(&error))),
            }
        })
        .await
    }

    /// Reads a body to its end, at most `limit` bytes. `received` counts along, so that it is right also if the future is dropped.
    pub async fn read(&mut self, mut body: Incoming, limit: u64, received: &mut u64) -> Result<Bytes, Failure> {
        let too_large = || Failure::new(FailureKind::Body, format!("reading the body: more than {limit} bytes"));
        if body.size_hint().lower() > limit {
            return Err(too_large());
        }
        // Most bodies come in one frame, which is then passed on without copying it.
        let mut first = Bytes::new();
        let mut whole = BytesMut::new();
        while let Some(frame) = self.frame(&mut body).await {
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            *received += data.len() as u64;
            if *received > limit {
                return Err(too_large());
            }
            if first.is_empty() {
                first = data;
            } else {
                if whole.is_empty() {
                    whole.extend_from_slice(&first);
                }
                whole.extend_from_slice(&data);
            }
        }
        Ok(if whole.is_empty() { first } else { whole.freeze() })
    }

    async fn frame(&mut self, body: &mut Incoming) -> Option<Result<Frame<Bytes>, Failure>> {
        let failed = |error: hyper::Error| Failure::from_connection("reading the body", &error);
        if body.is_end_stream() {
            return None;
        }
        poll_fn(|cx| {
            // Asking first tells the driver that there is somebody to read for.
            if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) {
                return Poll::Ready(frame.map(|frame| frame.map_err(failed)));
            }
            let driven = drive(&mut self.driver, &mut self.ended, cx);
            match (Pin::new(&mut *body).poll_frame(cx), driven) {
                (Poll::Ready(frame), _) => Poll::Ready(frame.map(|frame| frame.map_err(failed))),
                (Poll::Pending, Driven::On) => Poll::Pending,
                (Poll::Pending, Driven::Ended) => Poll::Ready(Some(Err(closed("reading the body")))),
                (Poll::Pending, Driven::Failed(error)) => Poll::Ready(Some(Err(failed(error)))),
            }
        })
        .await
    }

    /// Lets the driver finish what it is about, and says whether the connection can take another request.
    pub fn settle(&mut self, cx: &mut Context<'_>) -> bool {
        matches!(drive(&mut self.driver, &mut self.ended, cx), Driven::On) && self.sender.is_ready()
    }

    /// Gives buffers and state back and keeps the stream. `None` if the server sent what nobody asked for.
    pub fn into_stream(self) -> Option<Stream> {
        let parts = self.driver.into_parts();
        parts.read_buf.is_empty().then(|| parts.io.into_inner())
    }
}

enum Driven {
    On,
    Ended,
    Failed(hyper::Error),
}

fn drive(
    driver: &mut http1::Connection<TokioIo<Stream>, Full<Bytes>>,
    ended: &mut bool,
    cx: &mut Context<'_>,
) -> Driven {
    if *ended {
        return Driven::Ended;
    }
    match Pin::new(driver).poll(cx) {
        Poll::Pending => Driven::On,
        Poll::Ready(result) => {
            *ended = true;
            result.map_or_else(Driven::Failed, |()| Driven::Ended)
        }
    }
}

fn closed(doing: &str) -> Failure {
    Failure::new(FailureKind::Closed, format!("{doing}: the server closed the connection"))
}

fn unanswered(error: &hyper::Error) -> Unanswered {
    Unanswered { failure: Failure::from_connection(DOING, error), unsent: error.is_canceled() }
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self { failure, unsent: false }
    }
}
