//! All routes; the OpenAPI document is made from the same lines.

mod scenarios;
mod runs;
mod events;
mod control;
mod service;
mod openapi;

pub use openapi::openapi;
pub(crate) use openapi::row;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::response::Response;
use serde::Deserialize;
use tokio::sync::watch;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::LONGEST;
use crate::guard::guard;
use crate::refusal::refuse;
use crate::server::Asset;
use crate::{Desk, Token};

/// What all requests share.
pub(crate) struct Shared {
    pub desk: Arc<dyn Desk>,
    pub token: Token,
    pub assets: Vec<Asset>,
    /// Host names that we answer to, besides addresses and `localhost`.
    pub names: Vec<String>,
    /// Ends with the server; streams end with it.
    pub stopping: watch::Receiver<()>,
}

/// Makes the routes around a desk.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let (router, _) = documented_routes().split_for_parts();
    router
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(DefaultBodyLimit::max(LONGEST))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), guard))
        .with_state(shared)
}

/// All routes, and what the document says of them.
fn documented_routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::default()
        .routes(routes!(scenarios::scenarios))
        .routes(routes!(scenarios::forecast))
        .routes(routes!(runs::list, runs::start))
        .routes(routes!(runs::run, runs::delete))
        .routes(routes!(runs::timeline))
        .routes(routes!(runs::autoscaler))
        .routes(routes!(runs::report))
        .routes(routes!(events::events))
        .routes(routes!(control::stop))
        .routes(routes!(control::pause))
        .routes(routes!(control::resume))
        .routes(routes!(control::scale))
        .routes(routes!(control::cue))
        .routes(routes!(service::document))
        .routes(routes!(service::metrics))
        .routes(routes!(service::page))
        .routes(routes!(service::asset))
}

async fn unknown_path(uri: Uri) -> Response {
    let told = format!("there is nothing at {}: GET /api/openapi.json lists what there is", uri.path());
    refuse(StatusCode::NOT_FOUND, told)
}

async fn unknown_method(method: Method, uri: Uri) -> Response {
    let told = format!("{} does not know {method}: GET /api/openapi.json lists what there is", uri.path());
    refuse(StatusCode::METHOD_NOT_ALLOWED, told)
}

/// Which run.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RunPath {
    /// The run's id, or `last` for the newest.
    #[param(value_type = String, pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$", example = "last")]
    id: RunId,
}

/// The id of a run, safe as the name of a file: nobody gets out of the folder of runs by it.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct RunId(String);

impl TryFrom<String> for RunId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        match starts_well && text.len() <= 128 && text.chars().all(is_safe) {
            true => Ok(Self(text)),
            false => Err("a run's id has at most 128 letters, digits and `_.-`, or is `last`"),
        }
    }
}

/// Who asks.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is the documentation of what `By` reads")]
pub(crate) struct ByHeader {
    /// Who gives the command, for the audit log; `api` if nobody says.
    #[param(rename = "x-rehearsal-by", pattern = "^[!-~]{1,64}$", example = "anna")]
    by: Option<String>,
}
