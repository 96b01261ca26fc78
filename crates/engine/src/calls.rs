//! Answers the calls of a script: waits, opens, sends, and turns what happened into samples.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use rehearsal_metrics::{CallStep, UserState as State};
use rehearsal_script::{Answer, Call, Expect, HttpCall, Reply as ScriptReply, Stop};
use rehearsal_transport::http::{Hop, HopEvent, Request, Response};
use rehearsal_transport::{Failure, FailureKind};
use tokio::time::Instant;
use url::Url;

use crate::fiber::Reply;
use crate::names::default_name;
use crate::opening;
use crate::scribe::{HopSample, NameId, TagsId};
use crate::sockets;
use crate::user::{Flow, User};

/// Does what a script asked for. Boxed where the work is large, so that a user who only sleeps carries no room for it.
pub(crate) async fn answer(user: &Rc<User>, flow: &Flow, call: Call) -> Reply {
    if !user.world.clock.allows_users() {
        // Its agent has lost the right to make load: others may play it by now.
        user.leave(State::Lost);
        return Err(Stop);
    }
    match call {
        Call::Sleep(d) => {
            flow.take_intended(); // a pause of the script's own is no lateness of the system's
            tokio::select! {
                biased;
                () = user.gone() => Err(Stop),
                () = user.world.alarms.wait(d) => Ok(Answer::Done),
            }
        }
        Call::Http(calls) => Box::pin(http(user, flow, calls)).await,
        Call::Json(body) => Ok(Answer::Json(json(user, &body))),
        Call::Open(open) => Box::pin(opening::open(user, flow, *open)).await,
        Call::Receive { socket, event, timeout } => {
            flow.take_intended();
            sockets::receive(user, socket, event, timeout).await
        }
        Call::Send { socket, event, text } => {
            sockets::send(user, socket, event, text);
            Ok(Answer::Done)
        }
        Call::Close { socket } => {
            user.sockets.close(socket);
            Ok(Answer::Done)
        }
        Call::Leave => {
            user.leave(State::Finished);
            Err(Stop)
        }
        Call::LeaveForGood => {
            user.leave_for_good();
            Err(Stop)
        }
    }
}

fn json(user: &User, body: &[u8]) -> Result<serde_json::Value, String> {
    serde_json::from_slice(body).map_err(|error| {
        user.world.now();
        let begin = String::from_utf8_lossy(&body[..body.len().min(60)]);
        let message = format!("decoding {} bytes as JSON failed: {error}: {begin}", body.len());
        user.world.scribe.borrow_mut().error(user.tags(), "json", &message);
        message
    })
}

/// One call, or several at the same time. A user who leaves meanwhile still gets its samples, until it is cut off.
async fn http(user: &Rc<User>, flow: &Flow, mut calls: Vec<HttpCall>) -> Reply {
    let intended = flow.take_intended();
    let replies = async {
        match calls.pop() {
            Some(only) if calls.is_empty() => vec![one(user, intended, only).await],
            last => {
                calls.extend(last);
                let all = calls.into_iter().map(|call| one(user, intended, call));
                futures_util::future::join_all(all).await
            }
        }
    };
    let replies = tokio::select! {
        biased;
        replies = replies => replies,
        () = user.cut_off() => return Err(Stop),
    };
    if user.is_leaving() { Err(Stop) } else { Ok(Answer::Replies(replies)) }
}

async fn one(user: &Rc<User>, intended: Option<Instant>, call: HttpCall) -> ScriptReply {
    let began = intended.unwrap_or_else(Instant::now);
    let request = match request(user, &call) {
        Ok(request) => request,
        Err(message) => return refused(user, &call, &message),
    };
    let log = CallLog::new(user, intended, &call);
    let result = user.client.send(request, &|event| log.hop(&event)).await;
    let duration = began.elapsed();
    match result {
        Ok(response) => script_reply(response, duration),
        Err(failure) => {
            log.failed(&failure);
            ScriptReply { error: Some(failure.to_string()), duration, ..ScriptReply::default() }
        }
    }
}

/// A call that never left: its address or headers are not such.
fn refused(user: &User, call: &HttpCall, message: &str) -> ScriptReply {
    user.world.now();
    let mut scribe = user.world.scribe.borrow_mut();
    let given = call.options.as_ref().and_then(|options| options.name.as_deref());
    let name = scribe.name(given.unwrap_or("(invalid)"));
    scribe.call(name, CallStep::Begun);
    scribe.hop(&HopSample {
        tags: user.tags(),
        name,
        method: call.method.as_str(),
        outcome: Err(FailureKind::Url.as_str()),
        expected: false,
        response: Duration::ZERO,
        service: Duration::ZERO,
        connect: None,
        tls: None,
        first_byte: None,
        explain: &|| message.to_owned(),
    });
    ScriptReply { error: Some(message.to_owned()), ..ScriptReply::default() }
}

fn script_reply(response: Response, duration: Duration) -> ScriptReply {
    let mut headers: Vec<(String, String)> = Vec::with_capacity(response.headers.len());
    for (name, value) in &response.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        match headers.iter_mut().find(|(known, _)| known == name.as_str()) {
            Some((_, all)) => *all = format!("{all}, {value}"),
            None => headers.push((name.as_str().to_owned(), value.into_owned())),
        }
    }
    ScriptReply { status: response.status, error: None, headers, body: response.body, duration }
}

/// Resolves an address of the script against the environment's target.
pub(crate) fn resolve(user: &User, url: &str) -> Result<Url, String> {
    user.world.setup.target.join(url).map_err(|error| format!("\"{url}\" is not an address: {error}"))
}

/// The script's headers of one call.
pub(crate) fn headers(given: &[(String, String)]) -> Result<http::HeaderMap, String> {
    let mut headers = http::HeaderMap::new();
    for (name, value) in given {
        let wrong = |_| format!("\"{name}: {value}\" is not a header");
        let name = http::HeaderName::from_bytes(name.as_bytes()).map_err(|error| wrong(error.to_string()))?;
        let value = http::HeaderValue::from_str(value).map_err(|error| wrong(error.to_string()))?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn request(user: &User, call: &HttpCall) -> Result<Request, String> {
    let mut url = resolve(user, &call.url)?;
    let method = http::Method::from_bytes(call.method.as_str().as_bytes()).map_err(|error| error.to_string())?;
    let Some(options) = &call.options else {
        let mut request = Request::new(method, url);
        request.timeout = user.world.setup.environment.http.timeout;
        return Ok(request);
    };
    if !options.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&options.query);
    }
    let mut request = Request::new(method, url);
    request.headers = headers(&options.headers)?;
    if let Some((kind, body)) = &options.body {
        let kind = http::HeaderValue::from_str(kind).map_err(|error| error.to_string())?;
        request.headers.entry(http::header::CONTENT_TYPE).or_insert(kind);
        request.body = body.clone();
    }
    request.timeout = options.timeout.unwrap_or(user.world.setup.environment.http.timeout);
    request.follow = options.follow.unwrap_or(request.follow);
    Ok(request)
}

/// Writes down the hops of one call. A hop that has begun and not ended when this is dropped was cut.
struct CallLog<'a> {
    user: &'a User,
    tags: TagsId,
    intended: Option<Instant>,
    name: Option<&'a str>,
    expect: Option<&'a Expect>,
    open: Cell<Option<NameId>>,
    /// The last hop, if it was answered by a redirect: what that was worth shows when the next one begins, or the call ends.
    redirect: Cell<Option<NameId>>,
    call: &'a HttpCall,
}

impl<'a> CallLog<'a> {
    fn new(user: &'a User, intended: Option<Instant>, call: &'a HttpCall) -> Self {
        let options = call.options.as_deref();
        let mut tags = user.tags();
        for (key, value) in options.iter().flat_map(|options| &options.tags) {
            tags = user.world.scribe.borrow_mut().tagged(tags, key, value);
        }
        let name = options.and_then(|options| options.name.as_deref());
        Self {
            user,
            tags,
            intended,
            name,
            expect: options.map(|options| &options.expect),
            open: Cell::default(),
            redirect: Cell::default(),
            call,
        }
    }

    fn hop(&self, event: &HopEvent) {
        self.user.world.now();
        match event {
            HopEvent::Begun { hop, method, url, .. } => self.begun(*hop, method, url),
            HopEvent::Ended(hop) => self.ended(hop),
        }
    }

    fn begun(&self, hop: u32, method: &http::Method, url: &Url) {
        self.redirected();
        let mut scribe = self.user.world.scribe.borrow_mut();
        let name = match self.name.filter(|_| hop == 0) {
            Some(name) => scribe.name(name),
            None => with_default_name(method.as_str(), url.path(), |name| scribe.name(name)),
        };
        scribe.call(name, CallStep::Begun);
        self.open.set(Some(name));
    }

    fn ended(&self, hop: &Hop) {
        let Some(name) = self.open.take() else { return };
        self.redirect.set(hop.outcome.is_ok_and(|status| (300..400).contains(&status)).then_some(name));
        let world = &self.user.world;
        if hop.hop == 0 && world.first_sent.get().is_none() {
            world.first_sent.set(Some(hop.sent));
        }
        world.trace(|| trace_line(hop));
        let began = self.intended.filter(|_| hop.hop == 0).unwrap_or(hop.queued);
        let explain = || match hop.outcome {
            Ok(status) => format!("{} {}: status {status}", hop.method, hop.url),
            Err(kind) => format!("{} {}: {kind}", hop.method, hop.url),
        };
        world.scribe.borrow_mut().hop(&HopSample {
            tags: self.tags,
            name,
            method: method_name(hop.method),
            outcome: hop.outcome.map_err(FailureKind::as_str),
            expected: hop.outcome.is_ok_and(|status| self.expect.is_some_and(|expect| expect.allows(status))),
            response: hop.ended.saturating_duration_since(began),
            service: hop.ended.saturating_duration_since(hop.sent),
            connect: hop.connect,
            tls: hop.tls,
            first_byte: hop.first_byte,
            explain: &explain,
        });
    }
}

impl CallLog<'_> {
    /// The redirect was followed, or was all that was wanted.
    fn redirected(&self) {
        if let Some(name) = self.redirect.take() {
            self.user.world.scribe.borrow_mut().led_on(self.tags, name);
        }
    }

    /// A call that failed although its last hop was answered: a redirect that leads nowhere, or too many of them.
    fn failed(&self, failure: &Failure) {
        let Some(name) = self.redirect.take() else { return };
        self.user.world.now();
        let explain = || failure.to_string();
        self.user.world.scribe.borrow_mut().failed(self.tags, name, failure.kind.as_str(), &explain);
    }
}

impl Drop for CallLog<'_> {
    fn drop(&mut self) {
        self.redirected();
        if let Some(name) = self.open.take() {
            self.user.world.now();
            let url = resolve(self.user, &self.call.url).map_or_else(|_| self.call.url.to_string(), String::from);
            let sample = format!("{} {url}: no answer when the user had to go", self.call.method.as_str());
            let mut scribe = self.user.world.scribe.borrow_mut();
            scribe.call(name, CallStep::Cut);
            scribe.error(self.tags, "cut", &sample);
        }
    }
}

fn with_default_name<T>(method: &str, path: &str, work: impl FnOnce(&str) -> T) -> T {
    thread_local! {
        static BUFFER: RefCell<String> = const { RefCell::new(String::new()) };
    }
    BUFFER.with_borrow_mut(|buffer| {
        default_name(buffer, method, path);
        work(buffer)
    })
}

fn method_name(method: &http::Method) -> &'static str {
    match *method {
        http::Method::GET => "GET",
        http::Method::POST => "POST",
        http::Method::PUT => "PUT",
        http::Method::PATCH => "PATCH",
        http::Method::DELETE => "DELETE",
        http::Method::HEAD => "HEAD",
        _ => "OTHER",
    }
}

fn trace_line(hop: &Hop) -> String {
    let outcome = hop.outcome.map_or_else(|kind| kind.to_string(), |status| status.to_string());
    let ms = |d: Duration| format!("{:.1} ms", d.as_secs_f64() * 1e3);
    let mut line = format!("http   {} {} -> {outcome} in {}", hop.method, hop.url, ms(hop.ended - hop.queued));
    for (what, took) in [("connect", hop.connect), ("tls", hop.tls), ("first byte", hop.first_byte)] {
        line.extend(took.map(|took| format!(", {what} {}", ms(took))));
    }
    line
}

/// Explains a failed opening for the list of errors.
pub(crate) fn explain_opening(url: &Url, failure: &Failure) -> String {
    match failure.status {
        Some(status) => format!("opening {url}: status {status}"),
        None => format!("opening {url}: {failure}"),
    }
}
