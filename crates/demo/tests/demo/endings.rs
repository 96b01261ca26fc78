//! How instances end: in order, so that nobody is harmed, or harshly. Either way the counters are
//! what clients were answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::StreamExt;
use rehearsal_demo::{Behaviour, Demo, Options, Scaling};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::scaled::{MS, Spread, fast, guest, sockets, start_scaled, told, until_ready, until_told, until_users};
use crate::viewer::{PATIENCE, Socket, Viewer, hear};

/// Returns the code of a goodbye, which this must be.
fn goodbye(end: Option<Result<Message, Error>>) -> u16 {
    let Some(Ok(Message::Close(Some(frame)))) = end else {
        panic!("the socket was not closed in order: {end:?}");
    };
    frame.code.into()
}

/// Lets nearly everybody at the first two instances leave, so that the third is taken away too;
/// returns who stays at the first.
fn thin_out(spread: &mut Spread) -> Vec<Socket> {
    spread.second.clear();
    std::mem::take(&mut spread.first).split_off(5)
}

/// Waits until one instance is left, and checks that nobody there noticed.
async fn until_one_is_left(spread: &Spread, staying: &mut [Socket]) {
    until_told(&spread.observer, "supply", |supply| supply["running"] == 1).await;
    assert_eq!(spread.observer.broadcast(&json!({ "event": "tick" })).await, 3);
    for socket in staying {
        assert_eq!(hear(socket).await["event"], "tick");
    }
    let counters = spread.demo.counters();
    assert_eq!((counters.requests["POST /auth/guest"][&200], counters.sockets_opened.websocket), (16, 16));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_autoscaler_ends_instances_in_order() {
    let mut spread = Spread::over_three(Behaviour::Healthy).await;
    let mut staying = thin_out(&mut spread);
    assert_eq!(goodbye(timeout(PATIENCE, spread.third.next()).await.unwrap()), 1012);
    // Reading on answers the goodbye.
    assert!(timeout(PATIENCE, spread.third.next()).await.unwrap().is_none());
    let polled = timeout(PATIENCE, &mut spread.poll).await.unwrap().unwrap();
    assert_eq!(polled.unwrap(), json!({ "cursor": 0, "events": [] }));
    until_one_is_left(&spread, &mut staying).await;
    assert_eq!(spread.demo.counters().requests["GET /poll"][&200], 1);
    spread.demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_harsh_autoscaler_cuts_connections_and_nothing_cut_is_counted() {
    let mut spread = Spread::over_three(Behaviour::Harsh).await;
    let mut staying = thin_out(&mut spread);
    let end = timeout(PATIENCE, spread.third.next()).await.unwrap();
    assert!(!matches!(end, Some(Ok(_))), "a goodbye: {end:?}");
    let polled = timeout(PATIENCE, &mut spread.poll).await.unwrap().unwrap();
    assert!(polled.is_err(), "{polled:?}");
    until_one_is_left(&spread, &mut staying).await;
    let counters = spread.demo.counters();
    assert!(!counters.requests.contains_key("GET /poll"), "{counters:?}");
    spread.demo.stop().await;
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
    let observer = Viewer::stranger(&demo);
    let (goodbyes, is_enough) = (Arc::<AtomicU64>::default(), Enough::default());
    let mut viewers = JoinSet::new();
    for _ in 0..VIEWERS {
        viewers.spawn(watch(Viewer::guest(&demo).await, goodbyes.clone(), is_enough.clone()));
    }
    let activities = async || told(&observer, "activities").await.as_array().unwrap().clone();
    // Asked first each time, so that the loop always gives way.
    let flapping = async { while activities().await.len() < 6 || goodbyes.load(Ordering::Relaxed) < 3 {} };
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
        let Ok(reply) = viewer.request(Method::GET, "/api/heartbeat").send().await else {
            continue;
        };
        assert_eq!(reply.status(), 200);
        // The whole answer, so that its connection serves the next request too.
        answered += u64::from(reply.bytes().await.is_ok());
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_harsh_autoscaler_cuts_in_flight_is_counted_on_neither_side() {
    let demo = start_scaled(fast(Behaviour::Harsh));
    let observer = Viewer::stranger(&demo);
    let mut guests = Vec::new();
    for _ in 0..4 {
        guests.push(guest(&demo, &observer).await);
    }
    let is_enough = Enough::default();
    let mut viewers = JoinSet::new();
    // Two at the first instance, and when a crowd has made a second one necessary, two there.
    for guest in guests.split_off(2) {
        viewers.spawn(insist(guest, is_enough.clone()));
    }
    until_users(&observer, 2).await;
    let crowd = sockets(&demo, &observer, 6).await;
    until_ready(&observer, 2).await;
    for guest in guests {
        viewers.spawn(insist(guest, is_enough.clone()));
    }
    until_users(&observer, 10).await;
    drop(crowd);
    until_told(&observer, "supply", |supply| supply["running"] == 1).await;
    is_enough.store(true, Ordering::Relaxed);
    let answered: u64 = viewers.join_all().await.into_iter().sum();
    assert!(answered > 0);
    assert_eq!(demo.counters().requests["GET /api/heartbeat"][&200], answered);
    demo.stop().await;
}
