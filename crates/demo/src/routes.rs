//! What is where: the table of requests, how answers are counted, and the short handlers.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::handler::Handler;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Shared;
use crate::caller::{Caller, unix_second};
use crate::counters::{Answer, Counters, OTHER};
use crate::polling;
use crate::refusal::{Refusal, read_json};
use crate::scaling::{self, in_turn};
use crate::session::{Token, Viewer, set_cookie};
use crate::sockets::{self, Envelope, Event};
use crate::stays::Users;

/// Longest body of a request and longest message from a WebSocket, in bytes.
pub(crate) const MAX_BODY: usize = 64 * 1024;

type App = State<Arc<Shared>>;

/// Builds the whole site.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let counted = |path| {
        let shared = shared.clone();
        from_fn_with_state(Counted { shared, path }, count)
    };
    let public: [(&'static str, MethodRouter<Arc<Shared>>); 10] = [
        ("/", get(index)),
        ("/auth/guest", post(sign_in_as_guest)),
        ("/auth/sns", get(begin_sns_sign_in)),
        ("/sns/authorize", get(authorize)),
        ("/auth/callback", get(finish_sns_sign_in)),
        ("/auth/done", get(signed_in)),
        ("/api/programme", get(programme)),
        ("/api/heartbeat", get(heartbeat)),
        ("/api/votes", post(vote)),
        ("/poll", get(polling::poll)),
    ];
    let mut router = Router::new();
    for (path, methods) in public {
        router = router.route(path, methods.layer(counted(path)));
    }
    router
        .route("/socket", get(sockets::open).layer(from_fn_with_state(shared.clone(), in_turn)))
        .route("/admin/broadcast", post(broadcast))
        .route("/admin/counters", get(counters))
        .route("/admin/users", get(users))
        .route("/admin/reset", post(reset))
        .route("/admin/autoscaler/supply", get(scaling::supply))
        .route("/admin/autoscaler/metrics", get(scaling::metrics))
        .route("/admin/autoscaler/activities", get(scaling::activities))
        .route("/admin/autoscaler/pin", post(scaling::pin).delete(scaling::unpin))
        .route("/admin/{*rest}", any(not_found))
        .fallback(not_found.layer(counted(OTHER)))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(shared)
}

/// Marks an answer that is counted elsewhere.
#[derive(Clone)]
pub(crate) struct Uncounted;

#[derive(Clone)]
struct Counted {
    shared: Arc<Shared>,
    path: &'static str,
}

/// Counts the answers of one path. A request whose client left before it was answered never
/// gets past `next`, and is not counted.
async fn count(State(counted): State<Counted>, request: Request, next: Next) -> Response {
    let method = method_name(request.method());
    let caller = Caller::of(request.headers());
    let _visit = counted.shared.presence.enter(&caller);
    let response = in_turn(State(counted.shared.clone()), request, next).await;
    if response.extensions().get::<Uncounted>().is_none() {
        let answer = Answer { method, path: counted.path, status: response.status().as_u16() };
        counted.shared.ledger.answered(answer, caller.agent(), unix_second());
    }
    response
}

/// Returns a name from a fixed list, as clients may invent methods.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => OTHER,
    }
}

async fn index() -> Html<&'static str> {
    Html(include_str!("index.html"))
}

async fn sign_in_as_guest(State(shared): App) -> impl IntoResponse {
    let session = shared.sessions.open();
    (set_cookie(session), Json(json!({ "signed_in": "guest" })))
}

async fn begin_sns_sign_in(State(shared): App) -> impl IntoResponse {
    let state = shared.sessions.begin_sign_in();
    found(format!("/sns/authorize?state={state}"))
}

#[derive(Deserialize)]
struct Authorization {
    state: Token,
}

/// Plays the social network's side of the sign-in; its user always consents.
async fn authorize(
    State(shared): App,
    query: Result<Query<Authorization>, QueryRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let Query(Authorization { state }) = query?;
    let code = shared.sessions.authorize(state).ok_or(Refusal::NoSignIn)?;
    Ok(found(format!("/auth/callback?code={code}&state={state}")))
}

#[derive(Deserialize)]
struct Callback {
    code: Token,
    state: Token,
}

async fn finish_sns_sign_in(
    State(shared): App,
    query: Result<Query<Callback>, QueryRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let Query(Callback { code, state }) = query?;
    let session = shared.sessions.redeem(state, code).ok_or(Refusal::NoSignIn)?;
    Ok((set_cookie(session), found("/auth/done".to_owned())))
}

/// Ends the sign-in: keeps the session that the callback gave, or gives one to a client that did
/// not bring it, as `/auth/guest` would.
async fn signed_in(State(shared): App, request: Request) -> impl IntoResponse {
    let session = shared.sessions.of(request.headers());
    let session = session.unwrap_or_else(|| shared.sessions.open());
    (set_cookie(session), Json(json!({ "signed_in": "sns" })))
}

/// Redirects with 302, which axum's own `Redirect` does not offer.
fn found(location: String) -> impl IntoResponse {
    (StatusCode::FOUND, [(LOCATION, location)])
}

async fn programme(_: Viewer) -> impl IntoResponse {
    let text = include_str!("programme.json");
    ([(CONTENT_TYPE, "application/json")], text)
}

#[derive(Serialize)]
struct Heartbeat {
    ok: bool,
    viewers: usize,
}

async fn heartbeat(State(shared): App, _: Viewer) -> Json<Heartbeat> {
    let viewers = shared.audience();
    Json(Heartbeat { ok: true, viewers })
}

#[derive(Serialize, Deserialize)]
struct Vote {
    ballot: String,
    choice: String,
}

async fn vote(State(shared): App, Viewer(session): Viewer, body: Bytes) -> Result<impl IntoResponse, Refusal> {
    let vote: Vote = read_json(&body)?;
    if !shared.sessions.vote(session, &vote.ballot) {
        return Err(Refusal::AlreadyVoted);
    }
    shared.ledger.voted();
    Ok((StatusCode::CREATED, Json(vote)))
}

/// Tells everybody at once; answers to how many WebSockets and hanging polls it went.
async fn broadcast(State(shared): App, body: Bytes) -> Result<impl IntoResponse, Refusal> {
    let event = Arc::new(Event::from(read_json::<Envelope>(&body)?));
    let to = shared.sockets.publish(event.clone()) + shared.log.publish(event);
    Ok((StatusCode::ACCEPTED, Json(json!({ "to": to }))))
}

async fn counters(State(shared): App) -> Json<Counters> {
    Json(shared.ledger.counters())
}

async fn users(State(shared): App) -> Json<Users> {
    Json(shared.presence.users())
}

async fn reset(State(shared): App) -> StatusCode {
    shared.ledger.reset();
    shared.presence.reset();
    StatusCode::NO_CONTENT
}

async fn not_found() -> Refusal {
    Refusal::NotFound
}
