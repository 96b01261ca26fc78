//! What the server tells of itself: its document, its metrics, the dashboard's page.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Shared;
use crate::{Refusal, RefusalBody};

/// The type of the text that metrics are written in.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Hands out this document.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "service",
    responses((status = 200, body = Object, description = "The OpenAPI document.")),
)]
pub(crate) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(super::openapi())
}

/// Tells the live run's figures to Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "service",
    responses((
        status = 200, content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8", body = String,
        description = "OpenMetrics text.",
    )),
)]
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPEN_METRICS)], shared.desk.metrics())
}

/// Shows the dashboard's page, which holds no data.
#[utoipa::path(
    get, path = "/", tag = "service",
    responses(
        (status = 200, content_type = "text/html; charset=utf-8", body = String, description = "The page."),
        (status = 404, body = RefusalBody, description = "This server has no dashboard."),
    ),
)]
pub(crate) async fn page(State(shared): State<Arc<Shared>>) -> Result<impl IntoResponse, Refusal> {
    file(&shared, "/")
}

/// Which file.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "files are found by their whole path; this documents its part")]
pub(crate) struct AssetPath {
    /// The file's name.
    #[param(example = "app.js")]
    file: String,
}

/// Hands out one of the page's files.
#[utoipa::path(
    get, path = "/assets/{file}", tag = "service", params(AssetPath),
    responses(
        (status = 200, description = "The file.", content(
            (String = "text/javascript; charset=utf-8"), (String = "text/css; charset=utf-8"), (String = "image/svg+xml"),
        )),
        (status = 404, body = RefusalBody, description = "There is no such file."),
    ),
)]
pub(crate) async fn asset(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<impl IntoResponse, Refusal> {
    file(&shared, uri.path())
}

fn file(shared: &Shared, path: &str) -> Result<impl IntoResponse + use<>, Refusal> {
    match shared.assets.iter().find(|asset| asset.path == path) {
        Some(asset) => Ok(([(CONTENT_TYPE, asset.content_type)], asset.body)),
        None => Err(Refusal::NotFound(format!("the dashboard has no file {path}: its page is at /"))),
    }
}
