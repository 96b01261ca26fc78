//! The fake Consul over HTTP: when blocking queries return, how indexes move, who may know what.
#![allow(clippy::unwrap_used, reason = "clippy's leave for tests does not reach their shared functions")]

mod judge;
#[path = "../python/mod.rs"]
mod python;

use std::time::{Duration, Instant};

use rehearsal_fakes::FakeConsul;
use rehearsal_fakes::consul::{Options, Status};
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// What a test waits at the most for what has to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends a request, and gives status, index and body.
async fn send(consul: &FakeConsul, method: Method, path: &str, body: &str) -> (u16, u64, String) {
    let call = Client::new().request(method, consul.url() + path).body(body.to_owned()).send();
    let answer = tokio::time::timeout(PATIENCE, call).await.expect("it has to answer").unwrap();
    let index = answer.headers().get("x-consul-index").map_or(0, |index| index.to_str().unwrap().parse().unwrap());
    (answer.status().as_u16(), index, answer.text().await.unwrap())
}

async fn get(consul: &FakeConsul, path: &str) -> (u64, Value) {
    let (status, index, body) = send(consul, Method::GET, path, "").await;
    assert_eq!(status, 200, "{path}: {body}");
    (index, serde_json::from_str(&body).unwrap())
}

/// The ids of the instances that a query gives.
async fn ids(consul: &FakeConsul, path: &str) -> Vec<String> {
    let (_, found) = get(consul, path).await;
    let id = |entry: &Value| entry["Service"]["ID"].as_str().unwrap().to_owned();
    found.as_array().unwrap().iter().map(id).collect()
}

/// A query that hangs until `change` was made, and what it gives then.
async fn awaited(consul: &FakeConsul, path: &str, change: impl FnOnce()) -> (u64, Value) {
    let (index, _) = get(consul, path).await;
    let mark = if path.contains('?') { '&' } else { '?' };
    let blocking = format!("{path}{mark}index={index}&wait=60s");
    let mut query = std::pin::pin!(get(consul, &blocking));
    // Long enough to be there; a query that did not block would have answered.
    let early = tokio::time::timeout(Duration::from_millis(200), &mut query).await;
    assert!(early.is_err(), "{path} does not block: {early:?}");
    change();
    let (next, found) = query.await;
    assert!(next > index, "{path}: {next} after {index}");
    (next, found)
}

#[tokio::test]
async fn blocking_queries_return_with_the_change() {
    let consul = FakeConsul::start().unwrap();
    consul.register("web", "web-1", "127.0.0.1", 8001);
    let web = "/v1/health/service/web";
    let (_, found) = awaited(&consul, web, || consul.register("web", "web-2", "127.0.0.1", 8002)).await;
    assert_eq!(found[1]["Service"]["Port"], 8002);
    let (_, found) = awaited(&consul, web, || consul.set_check("service:web-2", Status::Warning).unwrap()).await;
    assert_eq!(found[1]["Checks"][1]["Status"], "warning");
    let (_, found) = awaited(&consul, web, || consul.maintain("web-2", true).unwrap()).await;
    assert_eq!(found[1]["Checks"][0]["CheckID"], "_service_maintenance:web-2");
    awaited(&consul, web, || consul.maintain_node(true)).await;
    awaited(&consul, web, || consul.maintain_node(false)).await;
    let (_, found) = awaited(&consul, web, || consul.deregister("web-2").unwrap()).await;
    assert_eq!(found.as_array().unwrap().len(), 1);
    awaited(&consul, "/v1/health/state/any", || consul.register("web", "web-3", "::1", 1)).await;
    awaited(&consul, "/v1/catalog/services", || consul.register("db", "db", "::1", 1)).await;
    consul.put("a/a", b"");
    let (_, found) = awaited(&consul, "/v1/kv/a?recurse", || consul.put("a/b", b"1")).await;
    assert_eq!((&found[0]["Value"], &found[1]["Value"]), (&Value::Null, &json!("MQ==")));
}

/// A service that is deregistered for the last time, and comes again, is heard of by who waits for it.
#[tokio::test]
async fn a_service_that_ends_and_comes_again_is_heard_of() {
    let consul = FakeConsul::start().unwrap();
    consul.register("web", "web", "127.0.0.1", 8001);
    let (ended, found) = awaited(&consul, "/v1/health/service/web", || consul.deregister("web").unwrap()).await;
    assert_eq!(found, json!([]));
    consul.register("other", "other", "127.0.0.1", 1);
    assert_eq!(get(&consul, "/v1/health/service/web").await.0, ended, "others do not move its index");
    awaited(&consul, "/v1/health/service/web", || consul.register("web", "web", "127.0.0.1", 8001)).await;
}

#[tokio::test]
async fn without_a_change_a_query_returns_after_its_wait_with_the_same_index() {
    let consul = FakeConsul::start().unwrap();
    consul.register("web", "web", "127.0.0.1", 8001);
    let (index, _) = get(&consul, "/v1/health/service/web").await;
    let began = Instant::now();
    consul.register("other", "other", "127.0.0.1", 1);
    let (same, _) = get(&consul, &format!("/v1/health/service/web?index={index}&wait=300ms")).await;
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    assert_eq!(same, index);
    // What the index is behind of has changed already; zero never waits.
    get(&consul, &format!("/v1/health/service/web?index={}", index - 1)).await;
    get(&consul, "/v1/health/service/web?index=0").await;
    // What was set already is no change.
    consul.register("web", "web", "127.0.0.1", 8001);
    consul.set_check("serfHealth", Status::Passing).unwrap();
    assert_eq!(get(&consul, "/v1/health/service/web").await.0, index);
}

#[tokio::test]
async fn only_passing_instances_pass_the_filter() {
    let consul = FakeConsul::start().unwrap();
    for (i, status) in [Status::Passing, Status::Warning, Status::Critical].into_iter().enumerate() {
        consul.register("web", &format!("web-{i}"), "127.0.0.1", 8000);
        consul.set_check(&format!("service:web-{i}"), status).unwrap();
    }
    let (all, passing) = ("/v1/health/service/web", "/v1/health/service/web?passing");
    assert_eq!(ids(&consul, all).await, ["web-0", "web-1", "web-2"]);
    assert_eq!(ids(&consul, passing).await, ["web-0"]);
    assert_eq!(ids(&consul, "/v1/health/service/web?passing=false").await.len(), 3);
    consul.maintain("web-0", true).unwrap();
    assert_eq!(ids(&consul, passing).await, [""; 0]);
    consul.maintain("web-0", false).unwrap();
    consul.set_check("serfHealth", Status::Critical).unwrap();
    assert_eq!(ids(&consul, passing).await, [""; 0], "the node is dead");
    assert_eq!(ids(&consul, all).await.len(), 3);
}

#[tokio::test]
async fn what_is_wrong_is_refused_as_consul_does() {
    let consul = FakeConsul::start().unwrap();
    let unknown = "Unknown service ID \"x\". Ensure that the service ID is passed, not the service name.";
    for (method, path, body, status, says) in [
        (Method::GET, "/v1/health/service/web?wait=10&index=1", "", 400, "Invalid wait time"),
        (Method::GET, "/v1/health/service/web?index=x", "", 400, "Invalid index"),
        (Method::GET, "/v1/health/service/web?passing=perhaps", "", 400, "Invalid value for ?passing"),
        (Method::GET, "/v1/health/service/web?dc=mars", "", 500, "No path to datacenter"),
        (Method::GET, "/v1/kv/none", "", 404, ""),
        (Method::PUT, "/v1/agent/service/register", "{}", 400, "Missing service name"),
        (Method::PUT, "/v1/agent/service/deregister/x", "", 404, unknown),
        (Method::PUT, "/v1/agent/service/maintenance/x?enable=true", "", 404, unknown),
        (Method::PUT, "/v1/agent/maintenance", "", 400, "Missing value for enable"),
        (
            Method::PUT,
            "/v1/agent/check/pass/serfHealth",
            "",
            404,
            "CheckID \"serfHealth\" does not have associated TTL",
        ),
    ] {
        let (found, _, text) = send(&consul, method, path, body).await;
        assert_eq!((found, text.as_str()), (status, says), "{path}");
    }
}

#[tokio::test]
async fn without_a_leader_only_stale_answers_are_given_and_a_restore_ends_all_waiting() {
    let consul = FakeConsul::start().unwrap();
    consul.register("web", "web", "127.0.0.1", 8001);
    let (index, _) = get(&consul, "/v1/health/service/web").await;
    consul.lead(false);
    let (status, _, text) = send(&consul, Method::GET, "/v1/health/service/web", "").await;
    assert_eq!((status, text.as_str()), (500, "No cluster leader"));
    assert_eq!(ids(&consul, "/v1/health/service/web?stale").await, ["web"]);
    consul.lead(true);
    let path = format!("/v1/health/service/web?index={index}&wait=60s");
    let (found, ()) = tokio::join!(get(&consul, &path), async {
        // The query has to be there first, else it would only find an index that is lower.
        while !consul.requests().iter().any(|request| request.ends_with(&path)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        consul.restore(2);
    });
    assert_eq!(found.0, 2, "it went backwards");
}

#[tokio::test]
async fn strangers_read_empty_lists_and_write_nothing() {
    let options = Options { token: Some("secret".into()), ..Options::default() };
    let consul = FakeConsul::start_with(options).unwrap();
    consul.register("web", "web", "127.0.0.1", 8001);
    assert_eq!(ids(&consul, "/v1/health/service/web").await, [""; 0]);
    assert_eq!(ids(&consul, "/v1/health/service/web?token=secret").await, ["web"]);
    let (status, _, text) = send(&consul, Method::GET, "/v1/health/service/web?token=wrong", "").await;
    assert_eq!((status, text.as_str()), (403, "ACL not found"));
    for (method, path) in [(Method::PUT, "/v1/agent/service/deregister/web"), (Method::GET, "/v1/kv/a")] {
        let (status, _, text) = send(&consul, method, path, "").await;
        assert_eq!((status, text.as_str()), (403, "Permission denied"), "{path}");
    }
}
