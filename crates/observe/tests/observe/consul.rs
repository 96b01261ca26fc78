//! The `consul` adapter against a fake whose queries block, as the published interface of Consul says.

use std::time::{Duration, SystemTime};

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::routing::get;
use rehearsal_fakes::FakeConsul;
use rehearsal_fakes::consul::{Options, Status};
use rehearsal_observe::watch;
use tokio::sync::mpsc::channel;

use crate::harness::{observe, outcome, serve, shown, source, sources_in};

fn keys(url: &str, role: &str, more: &str) -> String {
    format!("[autoscaler.{role}]\nobserve = \"consul\"\nurl = \"{url}\"\nservice = \"web\"\n{more}")
}

/// A fake with instances `web-0` and so on.
fn with_instances(count: usize) -> FakeConsul {
    let consul = FakeConsul::start().unwrap();
    (0..count).for_each(|i| consul.register("web", &format!("web-{i}"), "127.0.0.1", 8000));
    consul
}

#[tokio::test]
async fn instances_are_sorted_by_their_worst_check() {
    let consul = with_instances(6);
    consul.register("other", "other", "127.0.0.1", 9000);
    for (id, status) in [(3, Status::Warning), (4, Status::Critical), (5, Status::Critical)] {
        consul.set_check(&format!("service:web-{id}"), status).unwrap();
    }
    consul.maintain("web-5", true).unwrap();
    let read = async |role: &str, more: &str| outcome(&keys(&consul.url(), role, more)).await;
    assert_eq!(read("supply", "").await, "running 6 ready 3 draining 1");
    assert_eq!(read("supply", "ready = \"warning\"").await, "running 6 ready 4 draining 1");
    for (health, count) in [("passing", "3"), ("warning", "1"), ("critical", "1"), ("maintenance", "1")] {
        assert_eq!(read("metrics.x", &format!("health = \"{health}\"")).await, count, "{health}");
    }
    consul.maintain_node(true);
    assert_eq!(read("supply", "").await, "running 6 ready 0 draining 6");
    consul.maintain_node(false);
    consul.set_check("serfHealth", Status::Critical).unwrap();
    assert_eq!(read("supply", "").await, "running 6 ready 0 draining 1", "the node is dead, and nobody meant it");
    (0..6).for_each(|i| consul.deregister(&format!("web-{i}")).unwrap());
    assert_eq!(read("supply", "").await, "running 0 ready 0 draining 0");
    consul.lead(false);
    assert_eq!(read("supply", "").await, "status: status 500: `No cluster leader`");
    let told = sources_in(&Default::default(), &keys(&consul.url(), "supply", "ready = \"criticl\"")).unwrap_err();
    assert_eq!(told, ["`autoscaler.supply.ready` is not one of passing, warning"]);
}

/// Without a right to read, Consul shows nothing where it could refuse, as the page of the adapter warns.
#[tokio::test]
async fn a_token_shows_what_is_hidden_from_strangers() {
    let consul = FakeConsul::start_with(Options { token: Some("hush-hush".into()), ..Options::default() }).unwrap();
    consul.register("web", "web", "127.0.0.1", 8000);
    let read = async |more: &str| outcome(&keys(&consul.url(), "supply", more)).await;
    assert_eq!(read("token = { secret = \"key\" }").await, "running 1 ready 1 draining 0");
    assert_eq!(read("").await, "running 0 ready 0 draining 0");
    assert_eq!(read("token = \"wrong\"").await, "denied: status 403: `ACL not found`");
}

/// An index that is kept when it goes backwards makes a query wait for a change that was long ago.
#[tokio::test]
async fn the_index_is_followed_and_forgotten_when_it_goes_backwards() {
    let consul = with_instances(1);
    let mut source = source(&keys(&consul.url(), "supply", "every = \"100ms\"\ndatacenter = \"dc1\""));
    let mut next = async || {
        assert_eq!(shown(&observe(&mut source).await.outcome), "running 1 ready 1 draining 0");
        let asked = consul.requests().pop().unwrap();
        asked.strip_prefix("GET /v1/health/service/web?dc=dc1").unwrap().to_owned()
    };
    assert_eq!(next().await, "");
    let followed = next().await;
    assert!(followed.starts_with("&index=") && followed.ends_with("&wait=100ms"), "{followed}");
    consul.maintain("web-0", true).unwrap();
    consul.maintain("web-0", false).unwrap();
    assert_eq!(next().await, followed, "it has not been told yet");
    assert_ne!(next().await, followed, "it has changed");
    consul.restore(1);
    assert_ne!(next().await, "", "it has not been told yet");
    assert_eq!(next().await, "", "it went backwards");
    assert_eq!(next().await, "&index=1&wait=100ms");
}

/// What Consul must not answer, and did.
#[tokio::test]
async fn an_index_of_zero_and_a_status_that_nobody_knows_are_not_believed() {
    let odd = "[{\"Checks\": [{\"CheckID\": \"service:web\", \"Status\": \"unheard-of\"}]}]";
    // To wait for what comes after zero would be no waiting at all.
    let zero = async |uri: Uri| match uri.query().is_some_and(|query| query.contains("index=")) {
        true => Err(StatusCode::BAD_REQUEST),
        false => Ok(([("x-consul-index", "0")], "[]")),
    };
    let answers = Router::new()
        .route("/zero/v1/health/service/web", get(zero))
        .route("/odd/v1/health/service/web", get(move || async move { ([("x-consul-index", "7")], odd) }));
    let url = serve(answers).await;
    let mut zero = source(&keys(&format!("{url}/zero"), "supply", "every = \"60s\""));
    for _ in 0..3 {
        assert_eq!(shown(&observe(&mut zero).await.outcome), "running 0 ready 0 draining 0");
    }
    let odd = outcome(&keys(&format!("{url}/odd"), "supply", "")).await;
    assert_eq!(odd, "format: a check has no status that we know");
}

#[tokio::test]
async fn a_change_is_seen_without_waiting_for_the_next_poll() {
    let consul = with_instances(1);
    let (sink, mut sightings) = channel(1);
    let source = source(&keys(&consul.url(), "supply", "every = \"60s\""));
    let watching = tokio::spawn(watch(vec![source], SystemTime::now, sink));
    for instances in 1..4 {
        // The first query finds what is there, every other one hangs until the change.
        let seen = tokio::time::timeout(Duration::from_secs(20), sightings.recv()).await.unwrap().unwrap();
        assert_eq!(shown(&seen.observation.outcome), format!("running {instances} ready {instances} draining 0"));
        consul.register("web", &format!("web-{instances}"), "127.0.0.1", 8000);
    }
    drop(sightings);
    tokio::time::timeout(Duration::from_secs(20), watching).await.expect("nobody waits for a hanging query").unwrap();
}
