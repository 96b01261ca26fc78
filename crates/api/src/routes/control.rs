//! What an operator does to a running run.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{ByHeader, RunPath, Shared};
use crate::body::{Body, By, InPath};
use crate::command::{ScaleBody, StopBody};
use crate::{Answer, Command, Refusal, RefusalBody};

/// What every command answers.
type Answered = Result<Json<Answer>, Refusal>;

/// Stops a run: users leave in order, or at once.
#[utoipa::path(
    post, path = "/api/runs/{id}/stop", tag = "control", params(RunPath, ByHeader), request_body = StopBody,
    responses(
        (status = 200, body = Answer, description = "Who applied it when."),
        (status = 413, body = RefusalBody, description = "The body is too long."),
        Refusal,
    ),
)]
pub(crate) async fn stop(
    State(shared): State<Arc<Shared>>,
    InPath(path): InPath<RunPath>,
    By(by): By,
    Body(StopBody { now }): Body<StopBody>,
) -> Answered {
    perform(&shared, path, &by, Command::Stop { now }).await
}

/// Pauses arrivals: plan time stands still.
#[utoipa::path(
    post, path = "/api/runs/{id}/pause", tag = "control", params(RunPath, ByHeader),
    responses((status = 200, body = Answer, description = "Who applied it when."), Refusal),
)]
pub(crate) async fn pause(State(shared): State<Arc<Shared>>, InPath(path): InPath<RunPath>, By(by): By) -> Answered {
    perform(&shared, path, &by, Command::Pause).await
}

/// Resumes arrivals where they stood, without a burst.
#[utoipa::path(
    post, path = "/api/runs/{id}/resume", tag = "control", params(RunPath, ByHeader),
    responses((status = 200, body = Answer, description = "Who applied it when."), Refusal),
)]
pub(crate) async fn resume(State(shared): State<Arc<Shared>>, InPath(path): InPath<RunPath>, By(by): By) -> Answered {
    perform(&shared, path, &by, Command::Resume).await
}

/// Scales a load.
#[utoipa::path(
    post, path = "/api/runs/{id}/scale", tag = "control", params(RunPath, ByHeader), request_body = ScaleBody,
    responses(
        (status = 200, body = Answer, description = "Who applied it when."),
        (status = 413, body = RefusalBody, description = "The body is too long."),
        Refusal,
    ),
)]
pub(crate) async fn scale(
    State(shared): State<Arc<Shared>>,
    InPath(path): InPath<RunPath>,
    By(by): By,
    Body(body): Body<ScaleBody>,
) -> Answered {
    perform(&shared, path, &by, body.try_into()?).await
}

/// Which cue.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct CuePath {
    /// The cue's name in the plan.
    name: String,
}

/// Fires a cue now.
#[utoipa::path(
    post, path = "/api/runs/{id}/cues/{name}", tag = "control", params(RunPath, CuePath, ByHeader),
    responses((status = 200, body = Answer, description = "Who applied it when."), Refusal),
)]
pub(crate) async fn cue(
    State(shared): State<Arc<Shared>>,
    InPath(path): InPath<RunPath>,
    InPath(CuePath { name }): InPath<CuePath>,
    By(by): By,
) -> Answered {
    perform(&shared, path, &by, Command::Cue { name }).await
}

async fn perform(shared: &Shared, RunPath { id }: RunPath, by: &str, command: Command) -> Answered {
    shared.desk.command(&id.0, by, command).await.map(Json)
}
