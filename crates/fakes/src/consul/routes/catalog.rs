//! Health and catalog: what is registered, and how it is.

use std::collections::{BTreeMap, BTreeSet};

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::{Answered, Found, answer};
use crate::consul::Shared;
use crate::consul::asked::Asked;
use crate::consul::catalog::{Catalog, Check, Instance, NODE};
use crate::consul::documents;
use crate::consul::status::{Refusal, Status};

pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/health/service/{name}", get(health_service))
        .route("/v1/health/checks/{name}", get(health_checks))
        .route("/v1/health/node/{name}", get(health_node))
        .route("/v1/health/state/{name}", get(health_state))
        .route("/v1/catalog/service/{name}", get(catalog_service))
        .route("/v1/catalog/services", get(catalog_services))
        .route("/v1/catalog/nodes", get(catalog_nodes))
        .route("/v1/catalog/datacenters", get(async || json!([documents::DATACENTER]).to_string()))
        .route("/v1/status/leader", get(leader))
}

/// The instances of a service that have all the tags asked for; none for who may not know.
fn instances<'a>(catalog: &'a Catalog, service: &'a str, asked: &'a Asked) -> impl Iterator<Item = &'a Instance> {
    let is_asked_for = move |it: &&Instance| {
        let has_tags = asked.all("tag").all(|tag| tag.is_empty() || it.tags.iter().any(|own| own == tag));
        asked.is_trusted && it.service == service && has_tags
    };
    catalog.instances.values().filter(is_asked_for)
}

async fn health_service(State(shared): State<Shared>, Path(name): Path<String>, asked: Asked) -> Answered {
    let passing = asked.flag("passing")?;
    let find = |catalog: &Catalog| {
        let is_fine = |it: &&Instance| !passing || catalog.checks_of(it).all(|check| check.status == Status::Passing);
        let found = instances(catalog, &name, &asked).filter(is_fine);
        Found::Document(found.map(|instance| documents::health_entry(catalog, instance)).collect())
    };
    answer(&shared, &asked, |catalog| catalog.index_of_service(&name), find).await
}

async fn catalog_service(State(shared): State<Shared>, Path(name): Path<String>, asked: Asked) -> Answered {
    let find = |catalog: &Catalog| {
        let found = instances(catalog, &name, &asked);
        Found::Document(found.map(|instance| documents::catalog_entry(catalog, instance)).collect())
    };
    answer(&shared, &asked, |catalog| catalog.index_of_service(&name), find).await
}

async fn catalog_services(State(shared): State<Shared>, asked: Asked) -> Answered {
    let find = |catalog: &Catalog| {
        let mut tags: BTreeMap<&str, BTreeSet<&str>> = [("consul", BTreeSet::new())].into();
        for instance in catalog.instances.values() {
            tags.entry(&instance.service).or_default().extend(instance.tags.iter().map(String::as_str));
        }
        Found::Document(if asked.is_trusted { json!(tags) } else { json!({}) })
    };
    answer(&shared, &asked, Catalog::index_of_services, find).await
}

async fn catalog_nodes(State(shared): State<Shared>, asked: Asked) -> Answered {
    let nodes = |catalog: &Catalog| if asked.is_trusted { vec![documents::node(catalog)] } else { Vec::new() };
    answer(&shared, &asked, |_| 1, |catalog| Found::Document(nodes(catalog).into())).await
}

/// All checks that are asked for; none for who may not know.
fn checks(catalog: &Catalog, asked: &Asked, is_asked_for: impl Fn(&Check) -> bool) -> Found {
    let found = catalog.checks.values().filter(|check| asked.is_trusted && is_asked_for(check));
    Found::Document(found.map(|check| documents::check(catalog, check)).collect::<Value>())
}

async fn health_checks(State(shared): State<Shared>, Path(name): Path<String>, asked: Asked) -> Answered {
    let find = |catalog: &Catalog| {
        let service = |check: &Check| catalog.instances.get(check.of.as_ref()?).map(|it| it.service.as_str());
        checks(catalog, &asked, |check| service(check) == Some(&name))
    };
    answer(&shared, &asked, Catalog::index_of_checks, find).await
}

async fn health_node(State(shared): State<Shared>, Path(name): Path<String>, asked: Asked) -> Answered {
    let find = |catalog: &Catalog| checks(catalog, &asked, |_| name == NODE);
    answer(&shared, &asked, Catalog::index_of_checks, find).await
}

async fn health_state(State(shared): State<Shared>, Path(state): Path<String>, asked: Asked) -> Answered {
    let wanted = match state.as_str() {
        "any" => None,
        state => Some(state.parse::<Status>()?),
    };
    let is_wanted = |check: &Check| wanted.is_none_or(|wanted| check.status == wanted);
    answer(&shared, &asked, Catalog::index_of_checks, |catalog| checks(catalog, &asked, is_wanted)).await
}

async fn leader(State(shared): State<Shared>) -> Result<Response, Refusal> {
    let catalog = shared.catalog.borrow();
    let leader = if catalog.has_leader { catalog.address.to_string() } else { String::new() };
    Ok(json!(leader).to_string().into_response())
}
