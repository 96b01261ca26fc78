//! The controller's routes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::cluster::{Cluster, Processes};
use super::events;

type Shared = watch::Sender<Cluster>;
type Parameters = BTreeMap<String, String>;

/// Who is let in.
#[derive(Clone)]
struct Door {
    key: Arc<str>,
    token: Option<Arc<str>>,
}

/// All routes; all but the first two ask for the key of the cluster.
pub fn routes(cluster: &Shared, key: String, token: Option<String>, certificate: String) -> Router {
    let door = Door { key: key.into(), token: token.map(Arc::from) };
    let pem = [(CONTENT_TYPE, "application/x-x509-ca-cert")];
    let open = Router::new()
        .route("/ping", get(async || ()))
        .route("/ca-cert", get(move || async move { (pem, certificate) }));
    let closed = Router::new()
        .route("/apps", get(apps))
        .route("/apps/{app}", get(app))
        .route("/apps/{app}/release", get(release))
        .route("/apps/{app}/formations", get(formations))
        .route("/apps/{app}/formations/{release}", get(formation).put(put_formation))
        .route("/apps/{app}/scale/{release}", put(put_scale))
        .route("/apps/{app}/jobs", get(jobs))
        .route("/active-jobs", get(active_jobs))
        .route("/formations", get(active_formations))
        .route("/events", get(events::events))
        .route("/events/{id}", get(events::event))
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(from_fn_with_state(door, let_in));
    closed.with_state(cluster.clone()).merge(open)
}

async fn let_in(State(door): State<Door>, request: Request, next: Next) -> Response {
    if is_let_in(&door, request.headers()) { next.run(request).await } else { StatusCode::UNAUTHORIZED.into_response() }
}

/// The password is the key, whoever the user is; a token comes as such, or as the password of a user `Bearer`.
fn is_let_in(door: &Door, headers: &HeaderMap) -> bool {
    let Some(given) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) else { return false };
    let is_token = |given: &str| door.token.as_deref() == Some(given);
    if let Some(token) = given.strip_prefix("Bearer ") {
        return is_token(token);
    }
    let basic = given.strip_prefix("Basic ").and_then(|text| STANDARD.decode(text).ok());
    let basic = basic.and_then(|bytes| String::from_utf8(bytes).ok());
    match basic.as_deref().and_then(|text| text.split_once(':')) {
        Some(("Bearer", token)) => is_token(token),
        Some((_, key)) => !key.is_empty() && *key == *door.key,
        None => false,
    }
}

/// Why something is not told or done.
pub enum Refusal {
    /// There is no such thing, which is said without a word.
    NotThere,
    Invalid(String),
}

pub type Answered = Result<Response, Refusal>;

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Refusal::NotThere => StatusCode::NOT_FOUND.into_response(),
            Refusal::Invalid(message) => {
                let error = json!({ "code": "validation_error", "message": message, "retry": false });
                (StatusCode::BAD_REQUEST, document(&error)).into_response()
            }
        }
    }
}

pub fn document(document: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], document.to_string()).into_response()
}

/// Tells something of an app, which has to be there.
fn of_app(cluster: &Shared, app: &str, tell: impl FnOnce(&Cluster) -> Option<Value>) -> Answered {
    let cluster = cluster.borrow();
    let found = cluster.is_app(app).then(|| tell(&cluster)).flatten();
    found.map(|found| document(&found)).ok_or(Refusal::NotThere)
}

async fn apps(State(cluster): State<Shared>) -> Response {
    document(&json!([cluster.borrow().app()]))
}

async fn app(State(cluster): State<Shared>, Path(app): Path<String>) -> Answered {
    of_app(&cluster, &app, |cluster| Some(cluster.app()))
}

async fn release(State(cluster): State<Shared>, Path(app): Path<String>) -> Answered {
    of_app(&cluster, &app, |cluster| Some(json!({ "id": cluster.release })))
}

async fn formations(State(cluster): State<Shared>, Path(app): Path<String>) -> Answered {
    of_app(&cluster, &app, |cluster| Some(cluster.formations()))
}

async fn formation(State(cluster): State<Shared>, Path((app, release)): Path<(String, String)>) -> Answered {
    of_app(&cluster, &app, |cluster| cluster.formation(&release))
}

async fn jobs(State(cluster): State<Shared>, Path(app): Path<String>) -> Answered {
    of_app(&cluster, &app, |cluster| Some(cluster.jobs(false)))
}

async fn active_jobs(State(cluster): State<Shared>) -> Answered {
    let cluster = cluster.borrow();
    if cluster.is_old { Err(Refusal::NotThere) } else { Ok(document(&cluster.jobs(true))) }
}

async fn active_formations(State(cluster): State<Shared>, Query(asked): Query<Parameters>) -> Answered {
    match asked.get("active").map(String::as_str) {
        Some("true") => Ok(document(&cluster.borrow().expanded())),
        _ => Err(Refusal::Invalid("must either request a stream or only active formations".into())),
    }
}

/// Scales by a formation's `processes`, and answers with the formation.
async fn put_formation(
    State(cluster): State<Shared>,
    Path((app, release)): Path<(String, String)>,
    body: Bytes,
) -> Answered {
    put_processes(&cluster, &app, &release, &body, "processes")?;
    of_app(&cluster, &app, |cluster| cluster.formation(&release))
}

/// Scales by a request's `new_processes`, and answers with the request.
async fn put_scale(
    State(cluster): State<Shared>,
    Path((app, release)): Path<(String, String)>,
    body: Bytes,
) -> Answered {
    Ok(document(&put_processes(&cluster, &app, &release, &body, "new_processes")?))
}

fn put_processes(cluster: &Shared, app: &str, release: &str, body: &Bytes, key: &str) -> Result<Value, Refusal> {
    let is_there = |cluster: &Cluster| cluster.is_app(app) && cluster.has_release(release);
    if !is_there(&cluster.borrow()) {
        return Err(Refusal::NotThere);
    }
    let wanted: Option<Value> = serde_json::from_slice(body).ok();
    let wanted = wanted.and_then(|wanted| {
        let counts = wanted.get(key)?.as_object()?.iter();
        counts.map(|(process, count)| Some((process.clone(), count.as_u64()?))).collect::<Option<Processes>>()
    });
    let wanted = wanted.ok_or_else(|| Refusal::Invalid(format!("{key} is invalid")))?;
    let mut request = Value::Null;
    cluster.send_modify(|cluster| request = cluster.scale(release, &wanted, Instant::now()));
    Ok(request)
}
