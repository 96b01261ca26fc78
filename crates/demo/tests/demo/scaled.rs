//! The demo behind its balancer: connections are spread over instances, leave in order or are cut,
//! too many are slowed and refused, and whatever happens the counters are what clients were answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use rehearsal_demo::{Behaviour, Demo, Options, Overload, Scaling};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::viewer::{PATIENCE, Socket, Viewer, hear, session_of, start};

const MS: Duration = Duration::from_millis(1);

/// Instances for 10 users, on a scale of time on which a minute takes a few seconds.
fn fast(behaviour: Behaviour) -> Scaling {
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

fn start_scaled(scaling: Scaling) -> Demo {
    Demo::start(Options { autoscaler: Some(scaling), ..Options::default() }).unwrap()
}

async fn told(viewer: &Viewer, what: &str) -> Value {
    viewer.get(&format!("/admin/autoscaler/{what}")).await.json().await.unwrap()
}

/// Asks for the supply again until it is as expected, and returns it.
async fn until_supply(viewer: &Viewer, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let waiting = async {
        loop {
            let supply = told(viewer, "supply").await;
            if holds(&supply) {
                break supply;
            }
            tokio::time::sleep(5 * MS).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("waited in vain until {what}"))
}

fn connections(supply: &Value) -> Vec<u64> {
    let instances = supply["instances"].as_array().unwrap();
    instances.iter().map(|instance| instance["connections"].as_u64().unwrap()).collect()
}

/// Signs in somebody else on the connection of this viewer, which stays that of nobody.
async fn sign_in(desk: &Viewer) -> Viewer {
    let mut viewer = desk.clone();
    viewer.cookie = Some(session_of(&desk.post("/auth/guest", "").await));
    viewer
}

/// Signs in somebody who has a connection of its own.
async fn newcomer(demo: &Demo, desk: &Viewer) -> Viewer {
    let mut viewer = Viewer::stranger(demo);
    viewer.cookie = sign_in(desk).await.cookie;
    viewer
}

/// Returns the code of a goodbye, which this must be.
fn goodbye(end: Option<Result<Message, Error>>) -> u16 {
    let Some(Ok(Message::Close(Some(frame)))) = end else {
        panic!("the socket was not closed in order: {end:?}");
    };
    frame.code.into()
}

async fn sockets(desk: &Viewer, count: usize) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        sockets.push(sign_in(desk).await.socket().await.unwrap());
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

/// A demo that has scaled out to three instances with 8, 7 and 2 connections.
struct Spread {
    demo: Demo,
    /// Has a connection at the first instance.
    desk: Viewer,
    /// At the first instance.
    first: Vec<Socket>,
    /// At the second.
    second: Vec<Socket>,
    /// At the third, and the hanging poll of the same user.
    third: Socket,
    poll: tokio::task::JoinHandle<reqwest::Result<Value>>,
}

impl Spread {
    async fn over_three(behaviour: Behaviour) -> Self {
        let demo = start_scaled(fast(behaviour));
        let desk = Viewer::stranger(&demo);
        // With the desk 8 users of 10: more than 70 %.
        let first = sockets(&desk, 7).await;
        until_supply(&desk, "there are two", |supply| supply["ready"] == 2).await;
        // 15 users of 20.
        let second = sockets(&desk, 7).await;
        until_supply(&desk, "there are three", |supply| supply["ready"] == 3).await;
        let late = newcomer(&demo, &desk).await;
        let third = late.socket().await.unwrap();
        let polling = late.request(Method::GET, "/poll?cursor=0");
        let poll = tokio::spawn(async move { polling.send().await?.json().await });
        until_supply(&desk, "all are spread", |supply| connections(supply) == [8, 7, 2]).await;
        Self { demo, desk, first, second, third, poll }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observers_are_told_what_there_is() {
    let spread = Spread::over_three(Behaviour::Healthy).await;
    let desk = &spread.desk;
    let mut supply = told(desk, "supply").await;
    let instances = supply["instances"].as_array_mut().unwrap();
    let since: Vec<String> =
        instances.iter_mut().map(|instance| instance["since"].take().as_str().unwrap().to_owned()).collect();
    let form = |at: &str| at.len() == 24 && at.ends_with('Z') && at.as_bytes()[19] == b'.';
    assert!(since.is_sorted() && since.iter().all(|at| form(at)), "{since:?}");
    let instance = |id, connections, cpu| json!({ "id": id, "state": "ready", "since": null, "connections": connections, "cpu": cpu });
    // The third has two connections of one user.
    let instances = [instance("i-1", 8, 80.0), instance("i-2", 7, 70.0), instance("i-3", 2, 10.0)];
    let expected = json!({ "desired": 3, "running": 3, "ready": 3, "draining": 0, "instances": instances });
    assert_eq!(supply, expected);
    let metrics = told(desk, "metrics").await;
    assert_eq!(metrics["users"], 16);
    assert!((metrics["cpu"].as_f64().unwrap() - 160.0 / 3.0).abs() < 1e-9, "{metrics}");

    let activities = told(desk, "activities").await;
    let activities = activities.as_array().unwrap();
    let told: Vec<_> = activities.iter().map(|activity| (&activity["change"], &activity["to"])).collect();
    assert_eq!(told, [(&json!(1), &json!(2)), (&json!(1), &json!(3))]);
    // Decided first, then ready.
    let decided = activities[1]["at"].as_str().unwrap();
    assert!(form(decided) && decided < since[2].as_str(), "{decided} {since:?}");
    assert_eq!(activities[1]["why"], "the average CPU was above 70 % at 1 looks, last 75 %");
    spread.demo.stop().await;
}

/// Lets nearly everybody of the first two instances leave; returns who stays at the first.
fn thin_out(spread: &mut Spread) -> Vec<Socket> {
    spread.second.clear();
    std::mem::take(&mut spread.first).split_off(4)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_autoscaler_ends_instances_in_order() {
    let mut spread = Spread::over_three(Behaviour::Healthy).await;
    let mut staying = thin_out(&mut spread);
    assert_eq!(goodbye(timeout(PATIENCE, spread.third.next()).await.unwrap()), 1012);
    // Reading on answers the goodbye.
    assert!(timeout(PATIENCE, spread.third.next()).await.unwrap().is_none());
    let polled = timeout(PATIENCE, spread.poll).await.unwrap().unwrap();
    assert_eq!(polled.unwrap(), json!({ "cursor": 0, "events": [] }));
    until_supply(&spread.desk, "one is left", |supply| supply["running"] == 1).await;
    // Nobody else noticed.
    assert_eq!(spread.desk.broadcast(&json!({ "event": "tick" })).await, 3);
    for socket in &mut staying {
        assert_eq!(hear(socket).await["event"], "tick");
    }
    let counters = spread.demo.counters();
    assert_eq!(counters.requests["GET /poll"][&200], 1);
    assert_eq!((counters.requests["POST /auth/guest"][&200], counters.sockets_opened.websocket), (15, 15));
    spread.demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_harsh_autoscaler_cuts_connections_and_nothing_cut_is_counted() {
    let mut spread = Spread::over_three(Behaviour::Harsh).await;
    let mut staying = thin_out(&mut spread);
    let end = timeout(PATIENCE, spread.third.next()).await.unwrap();
    assert!(!matches!(end, Some(Ok(_))), "a goodbye: {end:?}");
    let polled = timeout(PATIENCE, spread.poll).await.unwrap().unwrap();
    assert!(polled.is_err(), "{polled:?}");
    until_supply(&spread.desk, "one is left", |supply| supply["running"] == 1).await;
    assert_eq!(spread.desk.broadcast(&json!({ "event": "tick" })).await, 3);
    for socket in &mut staying {
        assert_eq!(hear(socket).await["event"], "tick");
    }
    let counters = spread.demo.counters();
    assert!(!counters.requests.contains_key("GET /poll"), "{counters:?}");
    assert_eq!(counters.sockets_opened.websocket, 15);
    spread.demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_users_are_slowed_and_then_refused() {
    let overload = Overload { slowest: 150 * MS, ..Overload::default() };
    let scaling = Scaling { capacity_per_instance: 2, overload, ..fast(Behaviour::Frozen) };
    let demo = start_scaled(scaling);
    let desk = Viewer::stranger(&demo);
    let (first, second) = (newcomer(&demo, &desk).await, newcomer(&demo, &desk).await);
    let late = newcomer(&demo, &desk).await;
    assert_eq!(first.get("/api/heartbeat").await.status(), 200);
    // With the desk three users of two: as slow as it gets, and full.
    for _ in 0..2 {
        let asked = Instant::now();
        assert_eq!(second.get("/api/heartbeat").await.status(), 200);
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
    let observer = Viewer::stranger(&demo);
    assert_eq!(told(&observer, "metrics").await, json!({ "cpu": 150.0, "users": 3 }));

    let expected = json!({
        "GET /api/heartbeat": { "200": 3, "503": 1 },
        "POST /api/votes": { "503": 1 },
        "POST /auth/guest": { "200": 3 },
    });
    let counters = demo.counters();
    assert_eq!(serde_json::to_value(&counters.requests).unwrap(), expected);
    assert_eq!((counters.votes, counters.sockets_opened.websocket), (0, 0));

    // Where somebody leaves there is room again.
    drop(first);
    until_supply(&observer, "one has left", |supply| connections(supply) == [2]).await;
    assert_eq!(late.post("/api/votes", vote).await.status(), 201);
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_wait_when_they_are_cut_off_are_not_counted() {
    // Long enough to be waiting still when the demo is gone.
    let overload = Overload { slowest: 2 * PATIENCE, ..Overload::default() };
    let demo = start_scaled(Scaling { capacity_per_instance: 2, overload, ..fast(Behaviour::Frozen) });
    let desk = Viewer::stranger(&demo);
    let (first, second) = (newcomer(&demo, &desk).await, newcomer(&demo, &desk).await);
    first.get("/api/heartbeat").await;
    let vote = second.request(Method::POST, "/api/votes").body(r#"{"ballot":"b1","choice":"A"}"#);
    let waiting = tokio::spawn(vote.send());
    until_supply(&Viewer::stranger(&demo), "it waits", |supply| connections(supply) == [3]).await;
    waiting.abort();
    until_supply(&Viewer::stranger(&demo), "it has gone", |supply| connections(supply) != [3]).await;
    let counters = demo.counters();
    assert!(!counters.requests.contains_key("POST /api/votes") && counters.votes == 0, "{counters:?}");
    demo.stop().await;
}

/// Says when viewers have watched enough.
type Enough = Arc<AtomicBool>;

/// What one viewer was answered.
#[derive(Default)]
struct Answered {
    heartbeats: u64,
    polls: u64,
    opened: u64,
}

/// Asks, polls, and opens its socket again whenever that is closed, or after a while, until it is
/// enough. Goodbyes to the socket are counted for all viewers.
async fn watch(viewer: Viewer, goodbyes: Arc<AtomicU64>, is_enough: Enough) -> Answered {
    let mut answered = Answered::default();
    while !is_enough.load(Ordering::Relaxed) {
        let mut socket = viewer.socket().await.unwrap();
        answered.opened += 1;
        for _ in 0..10 {
            assert_eq!(viewer.get("/api/heartbeat").await.status(), 200);
            answered.heartbeats += 1;
            let page = viewer.poll(Some(0)).await;
            assert_eq!(page, json!({ "cursor": 0, "events": [] }));
            answered.polls += 1;
            if let Ok(end) = timeout(MS, socket.next()).await {
                assert_eq!(goodbye(end), 1012);
                goodbyes.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flapping_fails_no_request_and_the_counters_stay_exact() {
    const VIEWERS: usize = 6;
    let scaling = Scaling { capacity_per_instance: 1000, ..fast(Behaviour::Flapping) };
    let poll_wait = 10 * MS;
    let demo = Demo::start(Options { autoscaler: Some(scaling), poll_wait, ..Options::default() }).unwrap();
    let desk = Viewer::stranger(&demo);
    let (goodbyes, is_enough) = (Arc::<AtomicU64>::default(), Enough::default());
    let mut viewers = JoinSet::new();
    for _ in 0..VIEWERS {
        viewers.spawn(watch(newcomer(&demo, &desk).await, goodbyes.clone(), is_enough.clone()));
    }
    let activities = async || told(&desk, "activities").await.as_array().unwrap().clone();
    let flapping = async { while goodbyes.load(Ordering::Relaxed) < 3 || activities().await.len() < 6 {} };
    timeout(PATIENCE, flapping).await.expect("instances with sockets come and go");
    is_enough.store(true, Ordering::Relaxed);
    let all = viewers.join_all().await;
    let total = |of: fn(&Answered) -> u64| all.iter().map(of).sum::<u64>();
    let counters = demo.counters();
    assert_eq!(counters.requests["GET /api/heartbeat"][&200], total(|answered| answered.heartbeats));
    assert_eq!(counters.requests["GET /poll"][&200], total(|answered| answered.polls));
    assert_eq!(counters.sockets_opened.websocket, total(|answered| answered.opened));
    let changes: Vec<i64> = activities().await.iter().map(|activity| activity["change"].as_i64().unwrap()).collect();
    assert!(changes.windows(2).all(|pair| pair[0] == -pair[1]), "{changes:?}");
    demo.stop().await;
}

/// Asks for heartbeats until it is enough, whatever becomes of them; returns how many were answered.
async fn insist(viewer: Viewer, is_enough: Enough) -> u64 {
    let mut answered = 0;
    while !is_enough.load(Ordering::Relaxed) {
        let reply = viewer.request(Method::GET, "/api/heartbeat").send().await;
        answered += u64::from(reply.is_ok_and(|reply| reply.status() == 200));
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_harsh_autoscaler_cuts_in_flight_is_counted_on_neither_side() {
    let demo = start_scaled(fast(Behaviour::Harsh));
    let (desk, observer) = (Viewer::stranger(&demo), Viewer::stranger(&demo));
    let is_enough = Enough::default();
    let mut viewers = JoinSet::new();
    // Two at the first instance, and when a crowd has made a second one necessary, two there.
    for _ in 0..2 {
        viewers.spawn(insist(newcomer(&demo, &desk).await, is_enough.clone()));
    }
    let crowd = sockets(&desk, 6).await;
    until_supply(&observer, "there are two", |supply| supply["ready"] == 2).await;
    for _ in 0..2 {
        viewers.spawn(insist(newcomer(&demo, &desk).await, is_enough.clone()));
    }
    until_supply(&observer, "all are there", |supply| connections(supply).iter().sum::<u64>() == 11).await;
    drop(crowd);
    until_supply(&observer, "one was taken away", |supply| supply["running"] == 1).await;
    is_enough.store(true, Ordering::Relaxed);
    let answered: u64 = viewers.join_all().await.into_iter().sum();
    assert!(answered > 0);
    assert_eq!(demo.counters().requests["GET /api/heartbeat"][&200], answered);
    demo.stop().await;
}
