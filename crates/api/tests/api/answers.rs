//! Every operation is called in every way that the document lists, and nothing else is there.

use std::collections::BTreeMap;

use rehearsal_api::{Problem, Refusal};
use serde_json::json;

use crate::document::{Document, Operation};
use crate::fake::{RUN, TOKEN, World};

/// A request that the desk would grant.
fn good(world: &World, (method, path): &Operation) -> reqwest::RequestBuilder {
    let place = path.replace("{id}", RUN).replace("{name}", "open%20vote").replace("{file}", "app.js");
    let query = match path.as_str() {
        "/api/runs/{id}/report" => "?format=json",
        "/api/runs/{id}/timeline" => "?since=3",
        "/api/runs/{id}/autoscaler" => "?from_s=2.5",
        _ => "",
    };
    let request = world.http.request(method.to_uppercase().parse().unwrap(), world.url(&(place + query)));
    match body(path) {
        Some(body) if method == "post" => request.json(&body),
        _ => request,
    }
}

fn body(path: &str) -> Option<serde_json::Value> {
    match path {
        "/api/forecast" | "/api/runs" => Some(json!({"scenario": "broadcast_vote", "environment": "dev", "yes": true})),
        "/api/runs/{id}/stop" => Some(json!({"now": true})),
        "/api/runs/{id}/scale" => Some(json!({"factor": 2, "over": "10s"})),
        _ => None,
    }
}

/// The request that is answered with a status.
fn asking(document: &Document, world: &World, operation: &Operation, status: u16) -> Option<reqwest::RequestBuilder> {
    let refusal = match status {
        400 => Some(Refusal::BadRequest("not understood".into())),
        404 => Some(Refusal::NotFound("there is none".into())),
        409 => Some(Refusal::Conflict("it is stopping already".into())),
        422 => Some(Refusal::Invalid(vec![Problem::of_request("one"), Problem::of_request("two").hint("so")])),
        500 => Some(Refusal::Internal("the disk is full".into())),
        _ => None,
    };
    *world.desk.refusal.lock().unwrap() = refusal;
    let path = operation.1.as_str();
    let granted = || good(world, operation).bearer_auth(TOKEN);
    Some(match status {
        401 => good(world, operation),
        403 => granted().header("origin", "http://elsewhere.example"),
        421 => granted().header("host", "elsewhere.example"),
        413 if document.takes_body(operation) => granted().body(" ".repeat(65 * 1024)),
        404 if path == "/assets/{file}" => world.request("GET", "/assets/none.js"),
        // The server that has no page is tested by itself.
        404 if path == "/" => return None,
        _ => granted(),
    })
}

#[tokio::test]
async fn every_operation_answers_as_documented() {
    let (document, world) = (Document::new(), World::start());
    world.desk.end_run(); // so that the stream of events has an end
    let mut seen: BTreeMap<u16, usize> = BTreeMap::new();
    for operation in document.operations() {
        for status in document.statuses(&operation) {
            let Some(request) = asking(&document, &world, &operation, status) else { continue };
            let response = request.send().await.unwrap();
            assert_eq!(response.status().as_u16(), status, "{operation:?}");
            let content_type = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
            let body = response.text().await.unwrap();
            document.check(&operation, status, content_type.as_deref(), &body);
            *seen.entry(status).or_default() += 1;
        }
    }
    for status in [200, 201, 204, 400, 401, 403, 404, 409, 413, 421, 422, 500] {
        assert!(seen.contains_key(&status), "no operation was seen to answer {status}: {seen:?}");
    }
}

#[tokio::test]
async fn what_is_not_in_the_document_is_not_there() {
    let (document, world) = (Document::new(), World::start());
    let operations = document.operations();
    for path in operations.iter().map(|(_, path)| path) {
        for method in ["get", "post", "put", "patch", "delete"] {
            let operation = (method.to_owned(), path.clone());
            if operations.contains(&operation) {
                continue;
            }
            let response = good(&world, &operation).bearer_auth(TOKEN).send().await.unwrap();
            assert_eq!(response.status(), 405, "{operation:?}");
            assert!(response.headers().contains_key("allow"), "{operation:?}");
            document.check_named("RefusalBody", &response.text().await.unwrap());
        }
    }
    for path in
        ["/api", "/api/", "/api/run", "/api/runs/", "/api/runs/last/", "/nothing", "/index.html", "/assets", "//"]
    {
        let response = world.request("GET", path).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        document.check_named("RefusalBody", &response.text().await.unwrap());
    }
}

#[tokio::test]
async fn a_started_run_says_where_it_is() {
    let world = World::start();
    let request = world.request("POST", "/api/runs").header("x-rehearsal-by", "anna");
    let response = request.json(&json!({"scenario": "quiz", "set": {"users": "10"}, "seed": 7})).send().await.unwrap();
    assert_eq!(response.headers()["location"], format!("/api/runs/{RUN}"));
    let started = world.desk.started.lock().unwrap();
    let (by, asked) = &started[0];
    assert_eq!((by.as_str(), asked.seed, asked.set["users"].as_str()), ("anna", Some(7), "10"));
}

#[tokio::test]
async fn a_report_comes_as_a_file_with_a_name() {
    let world = World::start();
    for (format, name) in [("html", "html"), ("junit", "junit.xml"), ("seconds", "seconds.csv"), ("hlog", "hlog")] {
        let path = format!("/api/runs/{RUN}/report?format={format}");
        let response = world.request("GET", &path).send().await.unwrap();
        assert_eq!(response.headers()["content-disposition"], format!("attachment; filename=\"{RUN}.{name}\""));
        assert_eq!(response.text().await.unwrap(), "report");
    }
}

#[tokio::test]
async fn the_timeline_begins_where_the_screen_stands() {
    let world = World::start();
    for path in ["/api/runs/last/timeline", "/api/runs/last/timeline?since=41", "/api/runs/last"] {
        assert_eq!(world.request("GET", path).send().await.unwrap().status(), 200, "{path}");
    }
    assert_eq!(*world.desk.since.lock().unwrap(), [0, 41, u64::MAX]);
}

#[tokio::test]
async fn the_served_document_is_the_document() {
    let world = World::start();
    let served: serde_json::Value =
        world.request("GET", "/api/openapi.json").send().await.unwrap().json().await.unwrap();
    assert_eq!(served, serde_json::to_value(rehearsal_api::openapi()).unwrap());
}
