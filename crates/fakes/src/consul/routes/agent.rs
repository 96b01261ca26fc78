//! The agent: instances and checks come, change and go.

use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use serde_json::{Map, Value, json};

use super::Answered;
use crate::consul::Shared;
use crate::consul::asked::Asked;
use crate::consul::catalog::{Catalog, NODE};
use crate::consul::documents;
use crate::consul::status::{Refusal, Status};

pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/agent/services", get(services))
        .route("/v1/agent/service/{id}", get(service))
        .route("/v1/agent/checks", get(checks))
        .route("/v1/agent/members", get(members))
        .route("/v1/agent/self", get(own))
        .route("/v1/agent/service/register", put(register))
        .route("/v1/agent/service/deregister/{id}", put(deregister))
        .route("/v1/agent/service/maintenance/{id}", put(maintain))
        .route("/v1/agent/maintenance", put(maintain_node))
        .route("/v1/agent/check/register", put(register_check))
        .route("/v1/agent/check/deregister/{id}", put(deregister_check))
        .route("/v1/agent/check/pass/{id}", put(pass))
        .route("/v1/agent/check/warn/{id}", put(warn))
        .route("/v1/agent/check/fail/{id}", put(fail))
}

fn document(document: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], document.to_string()).into_response()
}

/// Makes a change for who may make one.
fn write(shared: &Shared, asked: &Asked, change: impl FnOnce(&mut Catalog) -> Result<(), Refusal>) -> Answered {
    asked.is_permitted()?;
    shared.change(change)?;
    Ok(().into_response())
}

fn read_body(body: &Bytes) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::new(400, format!("Request decode failed: {error}")))
}

async fn services(State(shared): State<Shared>, asked: Asked) -> Response {
    let catalog = shared.catalog.borrow();
    let visible = catalog.instances.values().filter(|_| asked.is_trusted);
    let all: Map<String, Value> = visible.map(|it| (it.id.clone(), documents::service(it))).collect();
    document(&all.into())
}

async fn service(State(shared): State<Shared>, Path(id): Path<String>, asked: Asked) -> Answered {
    asked.is_permitted()?;
    let catalog = shared.catalog.borrow();
    let instance = catalog.instances.get(&id);
    let unknown = || Refusal::new(404, format!("unknown service ID: {id}"));
    Ok(document(&documents::service(instance.ok_or_else(unknown)?)))
}

async fn checks(State(shared): State<Shared>, asked: Asked) -> Response {
    let catalog = shared.catalog.borrow();
    // What the gossip pool knows of the node is no check of the agent.
    let own = catalog.checks.values().filter(|it| asked.is_trusted && it.id != crate::consul::catalog::ALIVE);
    let all: Map<String, Value> = own.map(|it| (it.id.clone(), documents::check(&catalog, it))).collect();
    document(&all.into())
}

async fn members(State(shared): State<Shared>, asked: Asked) -> Response {
    let members = if asked.is_trusted { vec![documents::member(&shared.catalog.borrow())] } else { Vec::new() };
    document(&members.into())
}

async fn own(State(shared): State<Shared>, asked: Asked) -> Answered {
    asked.is_permitted()?;
    let catalog = shared.catalog.borrow();
    let config = json!({ "Datacenter": documents::DATACENTER, "NodeName": NODE, "Server": true, "Version": "1.0.0" });
    Ok(document(&json!({ "Config": config, "Member": documents::member(&catalog), "Meta": {} })))
}

async fn register(State(shared): State<Shared>, asked: Asked, body: Bytes) -> Answered {
    let (body, replaces_checks) = (read_body(&body)?, asked.flag("replace-existing-checks")?);
    write(&shared, &asked, |catalog| catalog.register(&body, replaces_checks, Instant::now()))
}

async fn deregister(State(shared): State<Shared>, Path(id): Path<String>, asked: Asked) -> Answered {
    write(&shared, &asked, |catalog| catalog.deregister(&id))
}

/// Reads whether maintenance begins or ends, which has to be said.
fn enables(asked: &Asked) -> Result<bool, Refusal> {
    match asked.get("enable") {
        None | Some("") => Err(Refusal::new(400, "Missing value for enable")),
        Some(value) => {
            asked.flag("enable").map_err(|_| Refusal::new(400, format!("Invalid value for enable: {value:?}")))
        }
    }
}

async fn maintain(State(shared): State<Shared>, Path(id): Path<String>, asked: Asked) -> Answered {
    let (enable, reason) = (enables(&asked)?, asked.get("reason").unwrap_or_default());
    write(&shared, &asked, |catalog| catalog.maintain(Some(&id), enable, reason))
}

async fn maintain_node(State(shared): State<Shared>, asked: Asked) -> Answered {
    let (enable, reason) = (enables(&asked)?, asked.get("reason").unwrap_or_default());
    write(&shared, &asked, |catalog| catalog.maintain(None, enable, reason))
}

async fn register_check(State(shared): State<Shared>, asked: Asked, body: Bytes) -> Answered {
    let body = read_body(&body)?;
    write(&shared, &asked, |catalog| catalog.register_check(&body, Instant::now()))
}

async fn deregister_check(State(shared): State<Shared>, Path(id): Path<String>, asked: Asked) -> Answered {
    write(&shared, &asked, |catalog| catalog.deregister_check(&id))
}

async fn pass(State(shared): State<Shared>, Path(id): Path<String>, asked: Asked) -> Answered {
    report(&shared, &id, &asked, Status::Passing)
}

async fn warn(State(shared): State<Shared>, Path(id): Path<String>, asked: Asked) -> Answered {
    report(&shared, &id, &asked, Status::Warning)
}

async fn fail(State(shared): State<Shared>, Path(id): Path<String>, asked: Asked) -> Answered {
    report(&shared, &id, &asked, Status::Critical)
}

fn report(shared: &Shared, id: &str, asked: &Asked, status: Status) -> Answered {
    let note = asked.get("note").unwrap_or_default();
    write(shared, asked, |catalog| catalog.report(id, status, note, Instant::now()))
}
