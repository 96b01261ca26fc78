//! HTTP around a replay: every call of Amazon's clients is a `POST /`, and `/timeline` tells and moves the clock.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::call::Call;
use crate::clock::Clock;
use crate::replay::{Answer, Replay};
use crate::wire;

/// The longest call that is read, in bytes; those that are known take a hundredth of it.
const LONGEST: usize = 1 << 20;

#[derive(Clone)]
struct Served {
    replay: std::sync::Arc<Replay>,
    clock: Clock,
}

/// Serves a replay until the future is dropped.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(listener: TcpListener, replay: Replay, clock: Clock) -> std::io::Result<()> {
    let served = Served { replay: replay.into(), clock };
    let routes = Router::new()
        .route("/", post(call))
        // SQS of old had its queue in the path.
        .route("/{account}/{queue}", post(call))
        .route("/timeline", get(told).put(moved))
        .layer(DefaultBodyLimit::max(LONGEST))
        .with_state(served);
    axum::serve(listener, routes).await
}

async fn call(State(served): State<Served>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let Some(call) = Call::read(target, &body) else {
        return (StatusCode::NOT_FOUND, "not a call of a service that is replayed\n").into_response();
    };
    let written = match served.replay.answer(&call, served.clock.now()) {
        Answer::Told(shape) => wire::answer(&call, &shape),
        Answer::Failed { status, code, message } => wire::error(&call, status, &code, &message),
        Answer::Silence => std::future::pending().await,
    };
    let status = StatusCode::from_u16(written.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, written.content_type)], written.body).into_response()
}

async fn told(State(served): State<Served>) -> Json<Value> {
    let timeline = served.replay.timeline();
    Json(json!({ "title": timeline.title, "second": served.clock.now(), "ends": timeline.ends }))
}

async fn moved(State(served): State<Served>, Json(wanted): Json<Value>) -> Response {
    match wanted["second"].as_f64() {
        Some(second) => {
            served.clock.set(second);
            told(State(served)).await.into_response()
        }
        None => (StatusCode::BAD_REQUEST, "say where to: {\"second\": 120}\n").into_response(),
    }
}
