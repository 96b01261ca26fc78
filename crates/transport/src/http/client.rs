//! One user's HTTP client: follows redirects, keeps cookies and connections, and tells about every hop.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, TRANSFER_ENCODING, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use url::Url;

use super::call::{HopEvent, Request, Response};
use super::cookies::Jar;
use super::pool::Pool;
use super::{decode, redirect};
use crate::failure::{Failure, FailureKind};
use crate::network::{Network, Origin};

/// How far ahead a deadline lies at most, so that adding a timeout cannot overflow: longer than any run.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// What all users of a scenario have in common; one copy for all of them.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// How long an idle connection is kept, unless the server closes it first.
    pub keep_alive: Duration,
    /// Connections to one origin at a time; further calls wait in their order.
    pub max_per_host: usize,
    /// The largest body in bytes, as received and as decoded.
    pub max_body: u64,
    pub user_agent: HeaderValue,
    /// Sent with every request, such as the header that names the agent.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Default for ClientOptions {
    /// What a browser does: 60 s, 6 connections; bodies up to 64 MiB.
    fn default() -> Self {
        Self {
            keep_alive: Duration::from_secs(60),
            max_per_host: 6,
            max_body: 64 << 20,
            user_agent: HeaderValue::from_static(concat!("rehearsal/", env!("CARGO_PKG_VERSION"))),
            headers: Vec::new(),
        }
    }
}

/// The HTTP client of one user, with a cookie jar and connections of its own.
///
/// Dropping it closes the idle connections, and dropping the future of a call closes the connection that it uses.
pub struct Client {
    pub(super) network: Rc<Network>,
    pub(super) options: Rc<ClientOptions>,
    /// Sent with every request of this user, such as the header with the user's number.
    own_headers: Box<[(HeaderName, HeaderValue)]>,
    pub(super) pool: Pool,
    /// Empty until the first cookie comes.
    jar: RefCell<Option<Box<Jar>>>,
    pub(super) closed: Cell<bool>,
}

impl Client {
    /// Makes a user's client, which has no connection and no cookie yet. `own_headers` go with every request besides those of `options`.
    pub fn new(
        network: Rc<Network>,
        options: Rc<ClientOptions>,
        own_headers: Box<[(HeaderName, HeaderValue)]>,
    ) -> Self {
        let (pool, jar, closed) = (Pool::default(), RefCell::default(), Cell::default());
        Self { network, options, own_headers, pool, jar, closed }
    }

    /// Makes a call and follows its redirects, telling `on_hop` about each hop.
    ///
    /// A redirect that is not followed, because there were too many or it leads nowhere, fails the call though its hop was answered.
    ///
    /// # Errors
    /// When there is no final answer; an answer with an error status is an answer.
    pub async fn send(&self, mut request: Request, on_hop: &dyn Fn(HopEvent<'_>)) -> Result<Response, Failure> {
        let deadline = deadline(request.timeout);
        let mut hop = 0;
        loop {
            let answer = self.hop(hop, &request, deadline, on_hop).await?;
            let (status, headers) = (answer.head.status, answer.head.headers);
            let next = if request.follow == 0 { None } else { redirect::target(status, &headers, &request.url)? };
            let Some(next) = next else {
                return Ok(Response { status: status.as_u16(), headers, body: answer.body, url: request.url });
            };
            if hop == request.follow {
                let message = format!("following redirects to {next}: more than {hop} of them");
                return Err(Failure::new(FailureKind::Redirects, message));
            }
            redirect::follow(&mut request, status, next);
            hop += 1;
        }
    }

    /// Closes idle connections that are older than `keep_alive` at `now` or that their servers have closed. Uses find out for themselves;
    /// this is for users who pause for long.
    pub fn reap(&self, now: Instant) {
        self.pool.reap(&self.network, now, self.options.keep_alive);
    }

    /// Closes all idle connections, and those in use when their call ends. Cookies stay.
    pub fn close(&self) {
        self.closed.set(true);
        self.pool.clear();
    }

    /// Counts the idle connections that are kept.
    pub fn idle_connections(&self) -> usize {
        self.pool.idle()
    }

    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// Returns the headers of a request to `url`: the client's, then the request's own, then cookies.
    pub(crate) fn headers(&self, origin: &Origin, url: &Url, own: &HeaderMap) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(HOST, origin.header.clone());
        headers.insert(USER_AGENT, self.options.user_agent.clone());
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(decode::ACCEPTED));
        for (name, value) in self.options.headers.iter().chain(&self.own_headers) {
            headers.insert(name, value.clone());
        }
        for name in own.keys() {
            headers.remove(name);
        }
        for (name, value) in own {
            // How long a message is and what becomes of the connection follows from what we send, not from what a script says.
            if ![CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION].contains(name) {
                headers.append(name, value.clone());
            }
        }
        if let Some(jar) = &*self.jar.borrow()
            && !headers.contains_key(COOKIE)
            && let Some(cookies) = jar.header(url, unix_seconds())
        {
            headers.insert(COOKIE, cookies);
        }
        headers
    }

    /// Keeps the cookies that an answer from `url` sets.
    pub(crate) fn keep_cookies(&self, url: &Url, headers: &HeaderMap) {
        if headers.contains_key(http::header::SET_COOKIE) {
            self.jar.borrow_mut().get_or_insert_default().keep(url, headers, unix_seconds());
        }
    }
}

/// Returns the instant at which something that starts now and may take `timeout` must have ended.
pub(crate) fn deadline(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(FAR)
}

/// Cookies expire by the calendar, not by the run's clock.
fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
