//! The routes, and how a blocking query waits.

mod agent;
mod catalog;
mod fake;
mod kv;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::Shared;
use super::asked::Asked;
use super::catalog::Catalog;
use super::status::Refusal;

type Answered = Result<Response, Refusal>;

/// All of them.
pub fn routes(shared: Shared) -> Router {
    let routes = catalog::routes().merge(agent::routes()).merge(kv::routes()).merge(fake::routes());
    routes.layer(from_fn_with_state(shared.clone(), remember)).with_state(shared)
}

async fn remember(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    shared.remember(format!("{} {}", request.method(), request.uri()));
    next.run(request).await
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, self.text).into_response()
    }
}

/// What a query gives: a document, or a plain body.
enum Found {
    Document(Value),
    Raw(Vec<u8>),
    Nothing,
}

/// Answers a query, after waiting for a change if it asks for that. `index` is that of what is asked for, which is
/// always more than zero.
async fn answer(
    shared: &Shared,
    asked: &Asked,
    index: impl Fn(&Catalog) -> u64,
    find: impl Fn(&Catalog) -> Found,
) -> Answered {
    let mut changes = shared.catalog.subscribe();
    asked.can_be_answered(&changes.borrow())?;
    if let Some((known, wait)) = asked.blocking()? {
        let restored = changes.borrow().restored;
        let is_over = |now: &Catalog| index(now) > known || now.restored != restored || !now.has_leader;
        // No guarantee of a change: the time may just be over. The sender is in `shared`, so it is never gone.
        let _ = tokio::time::timeout(wait, changes.wait_for(is_over)).await;
    }
    let catalog = changes.borrow();
    asked.can_be_answered(&catalog)?;
    let mut headers = headers(asked, &catalog, index(&catalog))?;
    Ok(match find(&catalog) {
        Found::Document(document) => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            (headers, document.to_string()).into_response()
        }
        Found::Raw(bytes) => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            (headers, bytes).into_response()
        }
        Found::Nothing => (StatusCode::NOT_FOUND, headers).into_response(),
    })
}

fn headers(asked: &Asked, catalog: &Catalog, index: u64) -> Result<HeaderMap, Refusal> {
    let consistency = if asked.flag("stale")? { "stale" } else { "leader" };
    let mut headers = HeaderMap::from_iter([
        (HeaderName::from_static("x-consul-index"), HeaderValue::from(index)),
        (HeaderName::from_static("x-consul-knownleader"), known(catalog.has_leader)),
        (HeaderName::from_static("x-consul-lastcontact"), HeaderValue::from(0)),
        (HeaderName::from_static("x-consul-effective-consistency"), HeaderValue::from_static(consistency)),
    ]);
    if !asked.is_trusted {
        headers.insert("x-consul-results-filtered-by-acls", known(true));
    }
    Ok(headers)
}

fn known(is: bool) -> HeaderValue {
    HeaderValue::from_static(if is { "true" } else { "false" })
}
