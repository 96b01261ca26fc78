//! Runs as a whole: the list, one run, its timeline, its report.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION};
use axum::response::IntoResponse;
use rehearsal_report::view::{RunNow, ScalerPicture, Snapshot};
use serde::Deserialize;
use utoipa::IntoParams;

use super::scenarios::check;
use super::{ByHeader, RunPath, Shared};
use crate::body::{Body, By, InPath, InQuery};
use crate::{Refusal, RefusalBody, ReportFormat, RunEntry, RunRequest, Started};

/// Lists all runs, newest first.
#[utoipa::path(get, path = "/api/runs", tag = "runs", responses((status = 200, body = [RunEntry], description = "All runs.")))]
pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> Json<Vec<RunEntry>> {
    Json(shared.desk.runs())
}

/// Starts a run.
#[utoipa::path(
    post, path = "/api/runs", tag = "runs", params(ByHeader), request_body = RunRequest,
    responses(
        (status = 201, body = Started, description = "It is starting.", headers(("location" = String, description = "Where the run is found."))),
        (status = 413, body = RefusalBody, description = "The body is too long."),
        Refusal,
    ),
)]
pub(crate) async fn start(
    State(shared): State<Arc<Shared>>,
    By(by): By,
    Body(request): Body<RunRequest>,
) -> Result<impl IntoResponse, Refusal> {
    check(&*shared.desk, &request)?;
    let id = shared.desk.start(request, &by).await?;
    Ok((StatusCode::CREATED, [(LOCATION, format!("/api/runs/{id}"))], Json(Started { id })))
}

/// Shows a run as it stands.
#[utoipa::path(
    get, path = "/api/runs/{id}", tag = "runs", params(RunPath), responses((status = 200, body = RunNow, description = "The run."), Refusal),
)]
pub(crate) async fn run(
    State(shared): State<Arc<Shared>>,
    InPath(RunPath { id }): InPath<RunPath>,
) -> Result<Json<RunNow>, Refusal> {
    let snapshot = shared.desk.snapshot(&id.0, u64::MAX).await?;
    Ok(Json(snapshot.run))
}

/// Deletes a run that is over, with all its files.
#[utoipa::path(
    delete, path = "/api/runs/{id}", tag = "runs", params(RunPath),
    responses((status = 204, description = "It is gone."), Refusal),
)]
pub(crate) async fn delete(
    State(shared): State<Arc<Shared>>,
    InPath(RunPath { id }): InPath<RunPath>,
) -> Result<StatusCode, Refusal> {
    shared.desk.delete(&id.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a screen already has.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Since {
    /// The revision that the screen holds: seconds that changed later are sent. 0 means all.
    #[serde(default)]
    #[param(required = false)]
    since: u64,
}

/// Shows a run with the seconds that changed after a revision.
#[utoipa::path(
    get, path = "/api/runs/{id}/timeline", tag = "runs", params(RunPath, Since),
    responses((status = 200, body = Snapshot, description = "The run with its seconds."), Refusal),
)]
pub(crate) async fn timeline(
    State(shared): State<Arc<Shared>>,
    InPath(RunPath { id }): InPath<RunPath>,
    InQuery(Since { since }): InQuery<Since>,
) -> Result<Json<Snapshot>, Refusal> {
    shared.desk.snapshot(&id.0, since).await.map(Json)
}

/// What a screen has of the autoscaler already.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct FromInstant {
    /// Samples from this instant on are sent, in seconds of run time; 0 means all. Observations come in late: ask again
    /// for the last two minutes that you have.
    #[serde(default)]
    #[param(required = false)]
    from_s: f64,
}

/// Shows what was seen of the autoscaler under test, and what follows from it.
#[utoipa::path(
    get, path = "/api/runs/{id}/autoscaler", tag = "runs", params(RunPath, FromInstant),
    responses((status = 200, body = ScalerPicture, description = "The picture of the autoscaler so far."), Refusal),
)]
pub(crate) async fn autoscaler(
    State(shared): State<Arc<Shared>>,
    InPath(RunPath { id }): InPath<RunPath>,
    InQuery(FromInstant { from_s }): InQuery<FromInstant>,
) -> Result<Json<ScalerPicture>, Refusal> {
    if !from_s.is_finite() {
        return Err(Refusal::BadRequest(format!("from_s is {from_s}: give seconds of run time")));
    }
    shared.desk.autoscaler(&id.0, from_s).await.map(Json)
}

/// Which report.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    /// The form in which the run is told.
    #[param(inline)]
    format: ReportFormat,
}

/// Hands out the report of a run as a file.
#[utoipa::path(
    get, path = "/api/runs/{id}/report", tag = "runs", params(RunPath, Form),
    responses(
        (status = 200, description = "The file, of the type that the format has.", content(
            (String = "text/html; charset=utf-8"), (String = "application/json"), (String = "application/xml"),
            (String = "text/csv; charset=utf-8"), (String = "text/plain; charset=utf-8"),
        )),
        Refusal,
    ),
)]
pub(crate) async fn report(
    State(shared): State<Arc<Shared>>,
    InPath(RunPath { id }): InPath<RunPath>,
    InQuery(Form { format }): InQuery<Form>,
) -> Result<impl IntoResponse, Refusal> {
    let file = shared.desk.report(&id.0, format).await?;
    // A page among the reports has scripts of its own. It must never be shown as one of this server's pages.
    let name = format!("attachment; filename=\"{}{}\"", id.0, format.ending());
    Ok(([(CONTENT_TYPE, file.content_type.to_owned()), (CONTENT_DISPOSITION, name)], file.body))
}
