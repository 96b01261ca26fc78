//! The counters equal what clients were answered, whoever else was there at the time.

use std::time::Duration;

use rehearsal_demo::{Counters, Demo, Options, PerSecond, Seconds};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::viewer::{Viewer, start, until};

/// Viewers of the small load; even ones hold a WebSocket, odd ones poll.
const VIEWERS: u64 = 60;

async fn call(viewer: &Viewer, method: Method, path: &str, body: &Value) -> u16 {
    let request = viewer.request(method, path).body(body.to_string());
    request.send().await.unwrap().status().as_u16()
}

fn total(counts: &PerSecond) -> u64 {
    counts.total(|_| true)
}

/// One visit: programme, three heartbeats, a socket, a vote, the same vote again, a wrong path.
async fn visit(viewer: Viewer, number: u64) {
    let viewer = viewer.played_by(&format!("agent-{}", number % 3), number);
    let vote = json!({ "ballot": "b1", "choice": "A" });
    for (method, path, status) in [
        (Method::GET, "/api/programme", 200),
        (Method::GET, "/api/heartbeat", 200),
        (Method::GET, "/api/heartbeat", 200),
        (Method::GET, "/api/heartbeat", 200),
        (Method::POST, "/api/votes", 201),
        (Method::POST, "/api/votes", 409),
        (Method::GET, "/wrong", 404),
    ] {
        assert_eq!(call(&viewer, method, path, &vote).await, status, "{path}");
    }
    if number.is_multiple_of(2) {
        drop(viewer.socket().await.unwrap());
    } else {
        assert_eq!(viewer.poll(None).await, json!({ "cursor": 0, "events": [] }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_are_exact_after_a_concurrent_load() {
    let demo = start();
    let mut visits = JoinSet::new();
    for number in 0..VIEWERS {
        let viewer = Viewer::guest(&demo).await;
        visits.spawn(visit(viewer, number));
    }
    visits.join_all().await;

    let n = VIEWERS;
    let of_visits = |n: u64| {
        json!({
            "GET (other)": { "404": n },
            "GET /api/heartbeat": { "200": 3 * n },
            "GET /api/programme": { "200": n },
            "POST /api/votes": { "201": n, "409": n },
        })
    };
    let mut all = of_visits(n);
    all["POST /auth/guest"] = json!({ "200": n });
    let agents = (0..3).map(|agent| {
        let counters = json!({ "requests": of_visits(n / 3), "seconds": Seconds::default() });
        (format!("agent-{agent}"), counters)
    });
    let expected = json!({
        "requests": all,
        "sockets_opened": { "websocket": n / 2, "polling": n / 2 },
        "delivered": {},
        "received": {},
        "votes": n,
        "by_agent": agents.collect::<serde_json::Map<_, _>>(),
    });
    let expected: Counters = serde_json::from_value(expected).unwrap();
    let counted = demo.counters();
    let mut without_seconds = counted.clone();
    for (id, agent) in &mut without_seconds.by_agent {
        let seconds = std::mem::take(&mut agent.seconds);
        let sums = [&seconds.calls, &seconds.websocket_opened, &seconds.polling_opened].map(total);
        assert_eq!(sums, [7 * n / 3, n / 6, n / 6], "{id}");
        assert_eq!((seconds.polls, seconds.delivered), Default::default(), "{id}");
    }
    assert_eq!(without_seconds, expected);

    // The same by HTTP, which itself is not counted, and from zero again.
    let admin = Viewer::stranger(&demo);
    let served: Counters = admin.get("/admin/counters").await.json().await.unwrap();
    assert_eq!(served, counted);
    assert_eq!(admin.post("/admin/reset", "").await.status(), 204);
    assert_eq!(demo.counters(), Counters::default());
    demo.stop().await;
}

#[tokio::test]
async fn a_poll_is_counted_when_it_is_answered() {
    let poll_wait = Duration::from_millis(50);
    let demo = Demo::start(Options { poll_wait, ..Options::default() }).unwrap();
    let viewer = Viewer::stranger(&demo);
    viewer.poll(None).await;
    assert!(demo.counters().requests.is_empty());
    assert_eq!(viewer.poll(Some(0)).await, json!({ "cursor": 0, "events": [] }));
    assert_eq!(demo.counters().requests["GET /poll"][&200], 1);
    demo.stop().await;
}

#[tokio::test]
async fn a_poll_that_its_client_gave_up_is_not_counted() {
    let demo = start();
    let viewer = Viewer::guest(&demo).await;
    let admin = Viewer::stranger(&demo);
    let hanging = {
        let viewer = viewer.clone();
        tokio::spawn(async move { viewer.poll(Some(0)).await })
    };
    let tick = json!({ "event": "tick" });
    let viewers = async || {
        let heartbeat: Value = viewer.get("/api/heartbeat").await.json().await.unwrap();
        heartbeat["viewers"].as_u64().unwrap()
    };
    while viewers().await == 0 {
        tokio::task::yield_now().await;
    }
    hanging.abort();
    while viewers().await == 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(admin.broadcast(&tick).await, 0);
    assert!(!demo.counters().requests.contains_key("GET /poll"));
    // The event waits for whoever asks with the old cursor.
    assert_eq!(viewer.poll(Some(0)).await["cursor"], 1);
    until("the poll is counted", || demo.counters().delivered.get("tick") == Some(&1)).await;
    demo.stop().await;
}
