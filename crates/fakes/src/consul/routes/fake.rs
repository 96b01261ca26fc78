//! What Consul does not have: setting what its checks would find, and making trouble.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use axum::routing::put;

use super::Answered;
use crate::consul::Shared;
use crate::consul::status::Refusal;

pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/fake/check/{id}/{status}", put(check))
        .route("/fake/leader/{has_leader}", put(leader))
        .route("/fake/restore/{index}", put(restore))
}

async fn check(State(shared): State<Shared>, Path((id, status)): Path<(String, String)>) -> Answered {
    let status = status.parse()?;
    shared.change(|catalog| catalog.set_status(&id, status, ""))?;
    Ok(().into_response())
}

async fn leader(State(shared): State<Shared>, Path(has_leader): Path<String>) -> Answered {
    let has_leader = has_leader.parse().map_err(|_| Refusal::new(400, "neither true nor false"))?;
    shared.change(|catalog| catalog.lead(has_leader));
    Ok(().into_response())
}

async fn restore(State(shared): State<Shared>, Path(index): Path<String>) -> Answered {
    let index = index.parse().map_err(|_| Refusal::new(400, "not an index"))?;
    shared.change(|catalog| catalog.restore(index));
    Ok(().into_response())
}
