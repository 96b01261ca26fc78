//! The `consul` adapter against a fake whose queries block, as the published interface of Consul says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rehearsal_observe::watch;
use serde_json::{Value, json};
use tokio::sync::mpsc::channel;
use tokio::sync::watch as state;

use crate::harness::{observe, outcome, serve, shown, source, sources_in};

/// An agent of Consul with one service, `web`, whose instances a test changes.
#[derive(Clone)]
struct Fake {
    /// The index, and the checks of each instance as pairs of id and status.
    now: state::Sender<(u64, Vec<Value>)>,
    /// The queries that came, without their paths.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    async fn start() -> (Fake, String) {
        let fake = Fake { now: state::Sender::new((7, Vec::new())), asked: Arc::default() };
        let url = serve(Router::new().route("/v1/health/service/{name}", get(answer)).with_state(fake.clone())).await;
        (fake, url)
    }

    fn set(&self, index: u64, instances: &[&[(&str, &str)]]) {
        let checks = |(id, status): &(&str, &str)| json!({ "CheckID": id, "Status": status });
        let entry = |list: &&[(&str, &str)]| json!({ "Checks": list.iter().map(checks).collect::<Vec<_>>() });
        self.now.send_replace((index, instances.iter().map(entry).collect()));
    }
}

async fn answer(
    State(fake): State<Fake>,
    Path(name): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let pairs: Vec<String> = query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    fake.asked.lock().unwrap().push(pairs.join("&"));
    if name == "leaderless" {
        return (StatusCode::INTERNAL_SERVER_ERROR, "No cluster leader").into_response();
    }
    let index: u64 = query.get("index").map_or(0, |index| index.parse().unwrap());
    let wait = query.get("wait").map_or(0, |wait| wait.strip_suffix("ms").unwrap().parse().unwrap());
    let mut now = fake.now.subscribe();
    // A return is no guarantee of a change: the time may just be over.
    let _ = tokio::time::timeout(Duration::from_millis(wait), now.wait_for(|(is, _)| *is != index)).await;
    let (index, entries) = now.borrow().clone();
    let entries = if name == "web" { entries } else { Vec::new() };
    ([("x-consul-index", index.to_string())], Value::from(entries).to_string()).into_response()
}

fn keys(url: &str, role: &str, more: &str) -> String {
    format!("[autoscaler.{role}]\nobserve = \"consul\"\nurl = \"{url}\"\nservice = \"web\"\n{more}")
}

const ALIVE: (&str, &str) = ("serfHealth", "passing");

#[tokio::test]
async fn instances_are_sorted_by_their_worst_check() {
    let (fake, url) = Fake::start().await;
    fake.set(
        8,
        &[
            &[ALIVE, ("service:web", "passing")],
            &[ALIVE],
            &[],
            &[ALIVE, ("service:web", "warning")],
            &[ALIVE, ("service:web", "critical"), ("disk", "warning")],
            &[("serfHealth", "critical")],
            &[ALIVE, ("service:web", "critical"), ("_service_maintenance:web-7", "critical")],
            &[ALIVE, ("_node_maintenance", "critical")],
        ],
    );
    assert_eq!(outcome(&keys(&url, "supply", "")).await, "running 8 ready 3 draining 2");
    assert_eq!(outcome(&keys(&url, "supply", "ready = \"warning\"")).await, "running 8 ready 4 draining 2");
    for (health, count) in [("passing", "3"), ("warning", "1"), ("critical", "2"), ("maintenance", "2")] {
        assert_eq!(outcome(&keys(&url, "metrics.x", &format!("health = \"{health}\""))).await, count, "{health}");
    }
    fake.set(9, &[]);
    assert_eq!(outcome(&keys(&url, "supply", "")).await, "running 0 ready 0 draining 0");
    let leaderless = keys(&url, "supply", "").replace("web", "leaderless");
    assert_eq!(outcome(&leaderless).await, "status: status 500: `No cluster leader`");
    fake.set(10, &[&[("service:web", "unheard-of")]]);
    assert_eq!(outcome(&keys(&url, "supply", "")).await, "format: a check has no status that we know");
    let told = sources_in(&Default::default(), &keys(&url, "supply", "ready = \"criticl\"")).unwrap_err();
    assert_eq!(told, ["`autoscaler.supply.ready` is not one of passing, warning"]);
}

/// An index that is kept when it goes backwards makes a query wait for a change that was long ago.
#[tokio::test]
async fn the_index_is_followed_and_forgotten_when_it_goes_backwards() {
    let (fake, url) = Fake::start().await;
    let mut source = source(&keys(&url, "supply", "every = \"100ms\"\ndatacenter = \"eu\"\ntag = \"v1\""));
    let mut next = async |index| {
        fake.set(index, &[&[ALIVE]]);
        assert_eq!(shown(&observe(&mut source).await.outcome), "running 1 ready 1 draining 0");
        fake.asked.lock().unwrap().pop().unwrap()
    };
    assert_eq!(next(50).await, "dc=eu&tag=v1");
    assert_eq!(next(51).await, "dc=eu&index=50&tag=v1&wait=100ms");
    assert_eq!(next(51).await, "dc=eu&index=51&tag=v1&wait=100ms");
    assert_eq!(next(3).await, "dc=eu&index=51&tag=v1&wait=100ms");
    assert_eq!(next(4).await, "dc=eu&tag=v1", "it went backwards");
    assert_eq!(next(0).await, "dc=eu&index=4&tag=v1&wait=100ms");
    assert_eq!(next(0).await, "dc=eu&tag=v1", "zero would never wait");
    assert_eq!(next(0).await, "dc=eu&tag=v1");
}

#[tokio::test]
async fn a_change_is_seen_without_waiting_for_the_next_poll() {
    let (fake, url) = Fake::start().await;
    let (sink, mut sightings) = channel(1);
    let source = source(&keys(&url, "supply", "every = \"60s\""));
    let watching = tokio::spawn(watch(vec![source], SystemTime::now, sink));
    for instances in 1..4 {
        // The first query finds what is there, every other one hangs until the change.
        fake.set(100 + instances, &vec![&[ALIVE][..]; instances as usize]);
        let seen = tokio::time::timeout(Duration::from_secs(20), sightings.recv()).await.unwrap().unwrap();
        assert_eq!(shown(&seen.observation.outcome), format!("running {instances} ready {instances} draining 0"));
    }
    drop(sightings);
    tokio::time::timeout(Duration::from_secs(20), watching).await.expect("nobody waits for a hanging query").unwrap();
}
