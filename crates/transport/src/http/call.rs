//! The words of the HTTP client: what is asked, what comes back, and what is told about each hop on the way.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::time::Instant;
use url::Url;

use crate::failure::FailureKind;

/// One call, with all the redirects that it may lead to.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    pub url: Url,
    /// Sent as they are and in place of the client's own headers of the same names; the lengths of bodies and connection
    /// management stay the client's business.
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Bounds the whole exchange: waiting for a connection, every hop and every body.
    pub timeout: Duration,
    /// How many redirects are followed. With 0 the redirecting answer itself is the response; with more, exceeding them is a failure.
    pub follow: u32,
    /// User and password for basic authentication; not sent to other origins.
    pub auth: Option<(String, String)>,
}

impl Request {
    /// Makes a request without headers and body that may take 60 s and 10 redirects.
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: Duration::from_secs(60),
            follow: 10,
            auth: None,
        }
    }

    /// Makes a `GET` request; see [`Request::new`].
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }
}

/// The last hop's answer.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    /// The body with its content encoding undone.
    pub body: Bytes,
    /// Where the answer came from, after redirects.
    pub url: Url,
}

/// Tells about one hop of a call. Every `Begun` is followed by exactly one `Ended` unless the call's future is dropped.
#[derive(Debug)]
pub enum HopEvent<'a> {
    Begun {
        /// 0 for the call itself, 1 for its first redirect.
        hop: u32,
        method: &'a Method,
        url: &'a Url,
        /// When the hop wanted to start; waiting for a free connection comes after.
        at: Instant,
    },
    Ended(&'a Hop<'a>),
}

/// What happened in one hop, and when.
#[derive(Debug)]
pub struct Hop<'a> {
    /// 0 for the call itself, 1 for its first redirect.
    pub hop: u32,
    pub method: &'a Method,
    pub url: &'a Url,
    /// When the hop wanted to start.
    pub queued: Instant,
    /// When the request was written, on an open connection; equal to `ended` if it never was.
    pub sent: Instant,
    /// Name lookup and TCP handshake, if the hop opened a connection.
    pub connect: Option<Duration>,
    /// TLS handshake, if the hop made one.
    pub tls: Option<Duration>,
    /// From `sent` to the head of the answer.
    pub first_byte: Option<Duration>,
    /// When the last byte of the body had arrived, or the hop failed.
    pub ended: Instant,
    /// The status, or why there was no answer.
    pub outcome: Result<u16, FailureKind>,
    /// Bytes of the body as they came, before decoding.
    pub received_bytes: u64,
}
