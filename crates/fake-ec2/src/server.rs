//! HTTP around the desk: every call of Amazon's clients is a `POST /`, and below `/fake` is what EC2 does not have.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use rehearsal_fake_aws::Shape;
use serde_json::{Value, json};

use crate::account::{Admission, Then};
use crate::call::Call;
use crate::desk::Desk;
use crate::instance::Instance;
use crate::log::Logged;
use crate::refusal::Refusal;
use crate::service::Service;
use crate::wire;

/// The longest call that is read, in bytes: a fleet of hundreds of overrides takes a tenth of it.
const LONGEST: usize = 1 << 20;

/// What says which action is meant, where that does not stand in a form.
const TARGET: &str = "x-amz-target";

/// How long ahead Amazon tells that it takes an instance back.
const NOTICE: Duration = Duration::from_secs(120);

/// More than anybody waits for, in seconds, and less than what no clock can tell.
const LONGEST_NOTICE: f64 = 1e9;

pub(crate) fn routes(desk: Desk) -> Router {
    Router::new()
        .route("/", post(call))
        .route("/fake/world", get(world).patch(change))
        .route("/fake/calls", get(calls).delete(forget))
        .route("/fake/instances", get(instances))
        .route("/fake/instances/{id}/console", get(console))
        .route("/fake/instances/{id}/rebalance", put(rebalance))
        .route("/fake/instances/{id}/interrupt", put(interrupt))
        .route("/fake/instances/{id}/fail", put(fail))
        .layer(DefaultBodyLimit::max(LONGEST))
        .with_state(desk)
}

async fn call(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |value: &HeaderValue| value.to_str().map(str::to_owned).ok();
    let authorization = headers.get(header::AUTHORIZATION).and_then(text);
    let target = headers.get(TARGET).and_then(text);
    let call = match Call::read(authorization.as_deref(), target.as_deref(), &body) {
        Ok(call) => call,
        Err(refusal) => return refused(Service::Ec2, &refusal),
    };
    // A task of its own: a caller that gives up does not take its call back.
    let (service, action) = (call.service, call.action.clone());
    match tokio::spawn(carry_out(desk, call)).await {
        Ok(Some(Ok(shape))) => (wire::headers(service), wire::answer(service, &action, &shape)).into_response(),
        Ok(Some(Err(refusal))) => refused(service, &refusal),
        // It is never answered.
        Ok(None) => std::future::pending().await,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Gives what is answered; `None` if nothing ever is.
async fn carry_out(desk: Desk, call: Call) -> Option<Result<Shape, Refusal>> {
    let Admission { delay, then } = desk.with(|account| account.admit(&call, SystemTime::now()));
    if delay > Duration::ZERO {
        tokio::time::sleep(delay).await;
    }
    let now = SystemTime::now();
    let answer = match then {
        Then::Act => Some(desk.act(&call, now)),
        Then::ActInVain(refusal) => {
            let done = desk.act(&call, now);
            // What would have failed anyway fails in its own way.
            if done.is_err() { Some(done) } else { refusal.map(Err) }
        }
        Then::Refuse(refusal) => Some(Err(refusal)),
        Then::Silence => None,
    };
    let outcome = match &answer {
        Some(Ok(_)) => "ok".to_owned(),
        Some(Err(refusal)) => refusal.code.clone(),
        None => "silence".to_owned(),
    };
    desk.with(|account| account.log(Logged { at: now, call, outcome }));
    answer
}

fn refused(service: Service, refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, wire::headers(service), wire::refusal(service, refusal)).into_response()
}

async fn world(State(desk): State<Desk>) -> Response {
    Json(desk.with(|account| account.world.clone())).into_response()
}

async fn change(State(desk): State<Desk>, Json(patch): Json<Value>) -> Response {
    let changed = desk.with(|account| account.world.patched(&patch).map(|world| account.set(world)));
    match changed {
        Ok(()) => world(State(desk)).await,
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

/// The calls that came, oldest first; `?action=` and `?region=` choose.
async fn calls(State(desk): State<Desk>, Query(wanted): Query<BTreeMap<String, String>>) -> Json<Value> {
    let fits = |key: &str, it: &str| wanted.get(key).is_none_or(|wanted| wanted == it);
    let told = desk.with(|account| {
        let calls = account.calls.iter();
        let chosen = calls.filter(|logged| fits("action", &logged.call.action) && fits("region", &logged.call.region));
        chosen.map(Logged::document).collect::<Vec<_>>()
    });
    Json(told.into())
}

async fn forget(State(desk): State<Desk>) -> StatusCode {
    desk.with(|account| account.calls.clear());
    StatusCode::NO_CONTENT
}

async fn instances(State(desk): State<Desk>) -> Json<Value> {
    let all = desk.with(|account| account.instances().into_iter().cloned().collect::<Vec<_>>());
    Json(all.iter().map(|instance| document(&desk, instance)).collect())
}

fn document(desk: &Desk, instance: &Instance) -> Value {
    let whereabouts = desk.whereabouts(&instance.id);
    json!({
        "id": instance.id, "region": instance.region, "zone": instance.zone, "type": instance.kind,
        "lifecycle": instance.lifecycle.name(), "state": instance.state().name(), "fleet": instance.fleet,
        "tags": instance.tags, "reason": instance.reason.map(crate::instance::Reason::code),
        "pid": whereabouts.as_ref().map(|it| it.pid), "imds": whereabouts.map(|it| it.imds),
        "folder": desk.folder(&instance.id).display().to_string(),
    })
}

/// What the user data printed.
async fn console(State(desk): State<Desk>, Path(id): Path<String>) -> Response {
    if desk.with(|account| account.instance(&id).is_none()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    std::fs::read(desk.folder(&id).join("console.log")).unwrap_or_default().into_response()
}

async fn rebalance(State(desk): State<Desk>, Path(id): Path<String>) -> Response {
    done(desk.recommend(&id, SystemTime::now()))
}

/// Takes a spot instance back after `seconds`, or after the two minutes that Amazon gives.
async fn interrupt(State(desk): State<Desk>, Path(id): Path<String>, body: Bytes) -> Response {
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let notice = match &asked["seconds"] {
        Value::Null => Some(NOTICE),
        seconds => {
            let seconds = seconds.as_f64().filter(|seconds| *seconds <= LONGEST_NOTICE);
            seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        }
    };
    match notice {
        Some(notice) => done(desk.interrupt(&id, notice, SystemTime::now())),
        None => (StatusCode::BAD_REQUEST, "say when: {\"seconds\": 120}\n").into_response(),
    }
}

async fn fail(State(desk): State<Desk>, Path(id): Path<String>) -> Response {
    done(desk.fail(&id))
}

fn done(is_done: bool) -> Response {
    match is_done {
        true => StatusCode::NO_CONTENT.into_response(),
        false => (StatusCode::NOT_FOUND, "no such instance runs\n").into_response(),
    }
}
