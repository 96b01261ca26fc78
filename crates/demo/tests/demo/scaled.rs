//! The demo behind its balancer, with helpers for whoever observes it: connections are spread over
//! instances, observers are told what there is, too many users are slowed and then refused.

use std::time::{Duration, Instant};

use rehearsal_demo::{Behaviour, Demo, Options, Overload, Scaling};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;

use crate::viewer::{PATIENCE, Socket, Viewer, start};

pub const MS: Duration = Duration::from_millis(1);

/// Instances for 10 users, on a scale of time on which a minute takes a few seconds.
pub fn fast(behaviour: Behaviour) -> Scaling {
    Scaling {
        behaviour,
        capacity_per_instance: 10,
        min: 1,
        max: 10,
        boot: 60 * MS,
        drain: 200 * MS,
        every: 40 * MS,
        ..Scaling::default()
    }
}

pub fn start_scaled(scaling: Scaling) -> Demo {
    Demo::start(Options { autoscaler: Some(scaling), ..Options::default() }).unwrap()
}

pub async fn told(observer: &Viewer, what: &str) -> Value {
    observer.get(&format!("/admin/autoscaler/{what}")).await.json().await.unwrap()
}

/// Asks again until it is as expected, and returns it.
pub async fn until_told(observer: &Viewer, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let waiting = async {
        while last.is_null() || !holds(&last) {
            last = told(observer, what).await;
        }
    };
    let is_in_time = timeout(PATIENCE, waiting).await.is_ok();
    assert!(is_in_time, "waited in vain, last for {last}");
    last
}

pub async fn until_ready(observer: &Viewer, instances: u64) {
    until_told(observer, "supply", |supply| supply["ready"] == instances).await;
}

pub async fn until_users(observer: &Viewer, users: u64) {
    until_told(observer, "metrics", |metrics| metrics["users"] == users).await;
}

fn connections(supply: &Value) -> Vec<u64> {
    let instances = supply["instances"].as_array().unwrap();
    instances.iter().map(|instance| instance["connections"].as_u64().unwrap()).collect()
}

/// Signs somebody in who then has no connection, but may open some.
pub async fn guest(demo: &Demo, observer: &Viewer) -> Viewer {
    let before = told(observer, "metrics").await["users"].as_u64().unwrap();
    let mut viewer = Viewer::stranger(demo);
    viewer.cookie = Viewer::guest(demo).await.cookie;
    until_users(observer, before).await;
    viewer
}

/// Opens sockets, each of a user of its own.
pub async fn sockets(demo: &Demo, observer: &Viewer, count: usize) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        sockets.push(guest(demo, observer).await.socket().await.unwrap());
    }
    sockets
}

/// A demo that has scaled out to three instances with 8, 7 and 2 connections.
pub struct Spread {
    pub demo: Demo,
    pub observer: Viewer,
    /// At the first instance.
    pub first: Vec<Socket>,
    /// At the second.
    pub second: Vec<Socket>,
    /// At the third, and the hanging poll of the same user.
    pub third: Socket,
    pub poll: tokio::task::JoinHandle<reqwest::Result<Value>>,
}

impl Spread {
    pub async fn over_three(behaviour: Behaviour) -> Self {
        let demo = start_scaled(fast(behaviour));
        let observer = Viewer::stranger(&demo);
        // 8 users of 10 are more than 70 %, as are 15 of 20. Who signs in is one more for a moment,
        // when there are fewer.
        let mut guests = Vec::new();
        for _ in 0..16 {
            guests.push(guest(&demo, &observer).await);
        }
        let last = guests.split_off(15).remove(0);
        let first = open(&guests[..8]).await;
        until_ready(&observer, 2).await;
        let second = open(&guests[8..]).await;
        until_ready(&observer, 3).await;
        let third = last.socket().await.unwrap();
        let polling = last.request(Method::GET, "/poll?cursor=0");
        let poll = tokio::spawn(async move { polling.send().await?.json().await });
        until_told(&observer, "supply", |supply| connections(supply) == [8, 7, 2]).await;
        Self { demo, observer, first, second, third, poll }
    }
}

async fn open(guests: &[Viewer]) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for guest in guests {
        sockets.push(guest.socket().await.unwrap());
    }
    sockets
}

#[tokio::test]
async fn without_an_autoscaler_there_is_nothing_to_observe() {
    let demo = start();
    for what in ["supply", "metrics", "activities"] {
        assert_eq!(Viewer::stranger(&demo).get(&format!("/admin/autoscaler/{what}")).await.status(), 404);
    }
    demo.stop().await;
    let nobody = Options { autoscaler: Some(Scaling { min: 0, ..Scaling::default() }), ..Options::default() };
    let refused = Demo::start(nobody).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observers_are_told_what_there_is() {
    let spread = Spread::over_three(Behaviour::Healthy).await;
    let observer = &spread.observer;
    let mut supply = told(observer, "supply").await;
    let instances = supply["instances"].as_array_mut().unwrap();
    let since: Vec<String> =
        instances.iter_mut().map(|instance| instance["since"].take().as_str().unwrap().to_owned()).collect();
    let is_written_well = |at: &str| at.len() == 24 && at.ends_with('Z') && at.as_bytes()[19] == b'.';
    assert!(since.is_sorted() && since.iter().all(|at| is_written_well(at)), "{since:?}");
    let ready = |id, connections, cpu| json!({ "id": id, "state": "ready", "since": null, "connections": connections, "cpu": cpu });
    // The third has two connections of one user.
    let instances = [ready("i-1", 8, 80.0), ready("i-2", 7, 70.0), ready("i-3", 2, 10.0)];
    let expected = json!({ "desired": 3, "running": 3, "ready": 3, "draining": 0, "instances": instances });
    assert_eq!(supply, expected);
    let metrics = told(observer, "metrics").await;
    assert_eq!(metrics["users"], 16);
    assert!((metrics["cpu"].as_f64().unwrap() - 160.0 / 3.0).abs() < 1e-9, "{metrics}");

    let activities = told(observer, "activities").await;
    let activities = activities.as_array().unwrap();
    let changes: Vec<_> = activities.iter().map(|activity| (&activity["change"], &activity["to"])).collect();
    assert_eq!(changes, [(&json!(1), &json!(2)), (&json!(1), &json!(3))]);
    // Decided first, then ready.
    let decided = activities[1]["at"].as_str().unwrap();
    assert!(is_written_well(decided) && decided < since[2].as_str(), "{decided} {since:?}");
    assert_eq!(activities[1]["why"], "the average CPU was above 70 % at 1 looks, last 75 %");
    spread.demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_users_are_slowed_and_then_refused() {
    let overload = Overload { slowest: 150 * MS, ..Overload::default() };
    let demo = start_scaled(Scaling { capacity_per_instance: 2, overload, ..fast(Behaviour::Frozen) });
    let observer = Viewer::stranger(&demo);
    let (first, second) = (guest(&demo, &observer).await, guest(&demo, &observer).await);
    let (third, late) = (guest(&demo, &observer).await, guest(&demo, &observer).await);
    for viewer in [&first, &second] {
        assert_eq!(viewer.get("/api/heartbeat").await.status(), 200);
    }
    // Three users of two: as slow as it gets, and full.
    for viewer in [&third, &first] {
        let asked = Instant::now();
        assert_eq!(viewer.get("/api/heartbeat").await.status(), 200);
        assert!(asked.elapsed() >= 150 * MS, "{:?}", asked.elapsed());
    }
    let vote = r#"{"ballot":"b1","choice":"A"}"#;
    assert_eq!(late.post("/api/votes", vote).await.status(), 503);
    let refused = late.get("/api/heartbeat").await;
    assert_eq!(refused.status(), 503);
    let refusal: Value = refused.json().await.unwrap();
    assert_eq!(refusal, json!({ "error": "all instances are full: try again later" }));
    let refused = late.socket().await.unwrap_err();
    assert!(matches!(&refused, Error::Http(answer) if answer.status() == 503), "{refused}");
    // Observers ask elsewhere.
    assert_eq!(told(&observer, "metrics").await, json!({ "cpu": 150.0, "users": 3 }));

    let expected = json!({
        "GET /api/heartbeat": { "200": 4, "503": 1 },
        "POST /api/votes": { "503": 1 },
        "POST /auth/guest": { "200": 4 },
    });
    let counters = demo.counters();
    assert_eq!(serde_json::to_value(&counters.requests).unwrap(), expected);
    assert_eq!((counters.votes, counters.sockets_opened.websocket), (0, 0));

    // Where somebody leaves there is room again.
    drop(first);
    until_users(&observer, 2).await;
    assert_eq!(late.post("/api/votes", vote).await.status(), 201);
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_cut_off_while_it_waits_is_not_counted() {
    // Long enough to be waiting still when its client is gone.
    let overload = Overload { slowest: 2 * PATIENCE, ..Overload::default() };
    let demo = start_scaled(Scaling { capacity_per_instance: 2, overload, ..fast(Behaviour::Frozen) });
    let observer = Viewer::stranger(&demo);
    let voter = guest(&demo, &observer).await;
    let _others = sockets(&demo, &observer, 2).await;
    let vote = voter.request(Method::POST, "/api/votes").body(r#"{"ballot":"b1","choice":"A"}"#);
    let waiting = tokio::spawn(vote.send());
    until_users(&observer, 3).await;
    waiting.abort();
    until_users(&observer, 2).await;
    let counters = demo.counters();
    assert!(!counters.requests.contains_key("POST /api/votes") && counters.votes == 0, "{counters:?}");
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_all_instances_share_slows_everybody_down() {
    let overload = Overload { slowest: 150 * MS, ..Overload::default() };
    let scaling = Scaling { shared_capacity: Some(2), min: 3, overload, ..fast(Behaviour::Frozen) };
    let demo = start_scaled(scaling);
    let observer = Viewer::stranger(&demo);
    let crowd = [guest(&demo, &observer).await, guest(&demo, &observer).await, guest(&demo, &observer).await];
    let late = guest(&demo, &observer).await;
    for (number, viewer) in crowd.iter().enumerate() {
        let asked = Instant::now();
        assert_eq!(viewer.get("/api/heartbeat").await.status(), 200);
        // The third is one too many for what they share, though each has an instance for ten.
        assert!(number < 2 || asked.elapsed() >= 150 * MS, "{:?}", asked.elapsed());
    }
    assert_eq!(late.get("/api/heartbeat").await.status(), 503);
    assert_eq!(told(&observer, "metrics").await["cpu"], 10.0, "the instances have next to nothing to do");
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pinned_autoscaler_decides_nothing_until_it_is_let_go() {
    let demo = start_scaled(fast(Behaviour::Healthy));
    let observer = Viewer::stranger(&demo);
    let pin = |body: &'static str| observer.post("/admin/autoscaler/pin", body);
    let ready = |supply: &Value| (supply["desired"].as_u64(), supply["running"].as_u64(), supply["ready"].as_u64());
    // The answer comes when they are there, with nobody booting or draining any more.
    for (body, instances) in [(r#"{"instances":3}"#, 3), (r#"{"instances":1}"#, 1)] {
        let pinned = pin(body).await;
        assert_eq!(pinned.status(), 200);
        let supply: Value = pinned.json().await.unwrap();
        assert_eq!(ready(&supply), (Some(instances), Some(instances), Some(instances)), "{supply}");
    }
    // 9 of 10 would make it scale out at its next look.
    let _crowd = sockets(&demo, &observer, 9).await;
    until_told(&observer, "metrics", |metrics| metrics["cpu"] == 90.0).await;
    tokio::time::timeout(10 * fast(Behaviour::Healthy).every, until_ready(&observer, 2)).await.unwrap_err();
    let activities = told(&observer, "activities").await;
    let changes: Vec<_> = activities.as_array().unwrap().iter().map(|activity| activity["change"].as_i64()).collect();
    assert_eq!(changes, [Some(2), Some(-2)], "{activities}");
    for (body, status) in [(r#"{"instances":0}"#, 400), (r#"{"instances":11}"#, 400), ("three", 400)] {
        assert_eq!(pin(body).await.status(), status, "{body}");
    }
    let freed = observer.request(Method::DELETE, "/admin/autoscaler/pin").send().await.unwrap();
    assert_eq!(freed.status(), 204);
    until_ready(&observer, 2).await;
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blind_autoscaler_has_no_metric_and_takes_away_what_is_needed() {
    let demo = start_scaled(fast(Behaviour::Blind));
    let observer = Viewer::stranger(&demo);
    let _crowd = sockets(&demo, &observer, 8).await;
    until_told(&observer, "metrics", |metrics| metrics["cpu"].is_null()).await;
    let falls = |activities: &Value| activities.as_array().unwrap().iter().any(|activity| activity["change"] == -1);
    until_told(&observer, "activities", falls).await;
    assert_eq!(told(&observer, "metrics").await["users"], 8);
    demo.stop().await;
}
