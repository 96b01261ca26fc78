//! Discoverd's routes, and on its port those that move the fake.

use std::convert::Infallible;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event as Message, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use futures_util::stream::{self, Stream};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::cluster::{self, Cluster};

type Shared = watch::Sender<Cluster>;

pub fn routes(cluster: &Shared) -> Router {
    let own = Router::new()
        .route("/ping", get(async || ()))
        .route("/services/{service}", get(stream_of))
        .route("/services/{service}/instances", get(instances))
        .route("/services/{service}/instances/{id}", put(add).delete(remove))
        .layer(from_fn_with_state(cluster.clone(), while_it_works));
    let fake = Router::new()
        .route("/fake/scale/{process}/{count}", put(scale))
        .route("/fake/job/{uuid}/{state}", put(set_job))
        .route("/fake/discoverd/{works}", put(discover));
    own.merge(fake).with_state(cluster.clone())
}

async fn while_it_works(State(cluster): State<Shared>, request: Request, next: Next) -> Response {
    let works = cluster.borrow().discovers;
    match works {
        true => next.run(request).await,
        false => refusal(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", "discoverd: shutting down"),
    }
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let error = json!({ "code": code, "message": message, "retry": status.is_server_error() });
    (status, [(CONTENT_TYPE, "application/json")], error.to_string()).into_response()
}

fn of(cluster: &Cluster, service: &str) -> Vec<Value> {
    cluster.services.get(service).into_iter().flat_map(|instances| instances.values().cloned()).collect()
}

/// Lists instances, or streams how they come and go. A service without any is as unknown as one that never was.
async fn instances(State(cluster): State<Shared>, Path(service): Path<String>, headers: HeaderMap) -> Response {
    let accepts = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepts.contains("text/event-stream") {
        return stream_of(State(cluster), Path(service)).await;
    }
    let found = of(&cluster.borrow(), &service);
    if found.is_empty() {
        let message = format!("service not found: {service:?}");
        return refusal(StatusCode::NOT_FOUND, "object_not_found", &message);
    }
    ([(CONTENT_TYPE, "application/json")], Value::from(found).to_string()).into_response()
}

async fn stream_of(State(cluster): State<Shared>, Path(service): Path<String>) -> Response {
    Sse::new(follow(service, cluster.subscribe())).into_response()
}

/// Tells `up` for each instance that is there, then `current`, then `up` and `down` as they come and go.
fn follow(service: String, changes: watch::Receiver<Cluster>) -> impl Stream<Item = Result<Message, Infallible>> {
    let start = (None::<Vec<Value>>, Vec::<Value>::new(), service, changes);
    stream::unfold(start, |(mut known, mut told, service, mut changes)| async move {
        while told.is_empty() {
            if known.is_some() && changes.changed().await.is_err() {
                return None;
            }
            let now = of(&changes.borrow_and_update(), &service);
            let event = |kind: &str, instance: Option<&Value>| match instance {
                Some(instance) => json!({ "service": service, "kind": kind, "instance": instance }),
                None => json!({ "service": service, "kind": kind }),
            };
            let before = known.clone().unwrap_or_default();
            let downs = before.iter().filter(|it| !now.iter().any(|other| other["id"] == it["id"]));
            let ups = now.iter().filter(|it| !before.iter().any(|other| other["id"] == it["id"]));
            told = downs.map(|it| event("down", Some(it))).chain(ups.map(|it| event("up", Some(it)))).collect();
            if known.is_none() {
                told.push(event("current", None));
            }
            told.reverse();
            known = Some(now);
        }
        let message = told.pop()?;
        Some((Ok(Message::default().data(message.to_string())), (known, told, service, changes)))
    })
}

async fn add(State(cluster): State<Shared>, Path((service, id)): Path<(String, String)>, body: Bytes) -> Response {
    let instance: Option<Value> = serde_json::from_slice(&body).ok();
    let Some(instance) = instance.filter(|it| it["id"] == *id && it["addr"].is_string()) else {
        return refusal(StatusCode::BAD_REQUEST, "validation_error", "the instance is invalid");
    };
    cluster.send_modify(|cluster| drop(cluster.services.entry(service).or_default().insert(id, instance)));
    ().into_response()
}

async fn remove(State(cluster): State<Shared>, Path((service, id)): Path<(String, String)>) -> Response {
    let is_gone = cluster.send_if_modified(|cluster| {
        cluster.services.get_mut(&service).is_some_and(|instances| instances.remove(&id).is_some())
    });
    if is_gone { ().into_response() } else { refusal(StatusCode::NOT_FOUND, "object_not_found", "instance not found") }
}

async fn scale(State(cluster): State<Shared>, Path((process, count)): Path<(String, u64)>) {
    cluster.send_modify(|cluster| {
        let release = cluster.release.clone();
        cluster.scale(&release, &[(process, count)].into(), Instant::now());
    });
}

async fn set_job(State(cluster): State<Shared>, Path((uuid, state)): Path<(String, String)>) -> StatusCode {
    let Ok(state) = state.parse::<cluster::State>() else { return StatusCode::BAD_REQUEST };
    let is_there = cluster.send_if_modified(|cluster| cluster.set_job(&uuid, state, Instant::now()));
    if is_there { StatusCode::OK } else { StatusCode::NOT_FOUND }
}

async fn discover(State(cluster): State<Shared>, Path(works): Path<bool>) {
    cluster.send_modify(|cluster| cluster.discovers = works);
}
