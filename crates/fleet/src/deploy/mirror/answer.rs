//! What a request is answered with, and the body that says how far the client has got.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::atomic::Ordering,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body, Frame, Incoming, SizeHint},
    header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER, VARY},
};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::timeout,
};

use super::{Shared, copies::Form};

/// How much is handed over at once. With the time for a piece this is the least speed that is served.
const PIECE: usize = 64 * 1024;
/// Seconds after which who was turned away should come again.
const COME_AGAIN_S: &str = "10";

/// How far a download has got, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    pub(super) handed: u64,
    /// 0 until it begins.
    pub(super) of: u64,
}

/// Answers a request, in case of a download when it is its turn.
pub(super) async fn answer(
    request: Request<Incoming>,
    shared: &Shared,
    progress: &watch::Sender<Progress>,
) -> Response<Pieces> {
    let takes_gzip = takes_gzip(request.headers());
    let found = shared.copies.find(request.uri().path(), takes_gzip);
    match (found, request.method()) {
        (None, _) => refuse(StatusCode::NOT_FOUND, "there is no such build of the agent here\n"),
        (Some(form), &Method::HEAD) => describe(&form, Pieces::text("")),
        (Some(form), &Method::GET) => download(form, shared, progress).await,
        (Some(_), _) => {
            let mut refused = refuse(StatusCode::METHOD_NOT_ALLOWED, "builds can only be read\n");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            refused
        }
    }
}

async fn download(form: Form, shared: &Shared, progress: &watch::Sender<Progress>) -> Response<Pieces> {
    let Ok(Ok(turn)) = timeout(shared.limits.line, shared.turns.clone().acquire_owned()).await else {
        shared.counters.turned_away.fetch_add(1, Ordering::Relaxed);
        let mut refused = refuse(StatusCode::SERVICE_UNAVAILABLE, "too many are downloading, come again\n");
        refused.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(COME_AGAIN_S));
        return refused;
    };
    progress.send_replace(Progress { handed: 0, of: form.bytes.len() as u64 });
    let under_way = UnderWay { progress: progress.clone(), _turn: turn };
    let body = Pieces { rest: form.bytes.clone(), under_way: Some(under_way) };
    describe(&form, body)
}

fn describe(form: &Form, body: Pieces) -> Response<Pieces> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, form.bytes.len().into());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if form.is_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn refuse(status: StatusCode, why: &'static str) -> Response<Pieces> {
    let mut response = Response::new(Pieces::text(why));
    *response.status_mut() = status;
    response
}

/// Whether the client names gzip and does not refuse it (RFC 9110, 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        is_gzip && weight.is_none_or(|weight| weight.parse().is_ok_and(|weight: f32| weight > 0.0))
    })
}

/// A body that is handed over piece by piece, as the client takes them.
pub(super) struct Pieces {
    rest: Bytes,
    under_way: Option<UnderWay>,
}

/// A download that has its turn; the turn ends with the last piece, or when the client is gone.
struct UnderWay {
    progress: watch::Sender<Progress>,
    _turn: OwnedSemaphorePermit,
}

impl Pieces {
    fn text(text: &'static str) -> Pieces {
        Pieces { rest: Bytes::from_static(text.as_bytes()), under_way: None }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    /// Asked for the next piece when the connection has room for it: that is the client's progress.
    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE));
        if let Some(under_way) = &this.under_way {
            under_way.progress.send_modify(|progress| progress.handed += piece.len() as u64);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_ask_for_it() {
        let check = |values: &[&'static str], expected: bool| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ACCEPT_ENCODING, HeaderValue::from_static(value));
            }
            assert_eq!(takes_gzip(&headers), expected, "{values:?}");
        };
        check(&[], false);
        check(&["deflate, gzip, br, zstd"], true);
        check(&["br", "GZIP ; q=0.5"], true);
        check(&["gzip;q=0"], false);
        check(&["gzip;q=0.000, identity"], false);
        check(&["gzip;q=much"], false);
        check(&["xgzip, *"], false);
    }
}
