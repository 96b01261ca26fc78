//! A broadcast reaches everybody who listens exactly once, waits for nobody, and outlives those
//! who are too slow.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::viewer::{PATIENCE, Socket, Viewer, hear, start, until};

/// Listeners of each kind.
const LISTENERS: u64 = 25;

/// Polls until `count` events have come; returns their data in order.
async fn poll_events(viewer: Viewer, mut cursor: u64, count: usize) -> Vec<Value> {
    let mut heard = Vec::new();
    while heard.len() < count {
        let mut page = timeout(PATIENCE, viewer.poll(Some(cursor))).await.unwrap();
        cursor = page["cursor"].as_u64().unwrap();
        let Value::Array(events) = page["events"].take() else {
            panic!("events of a poll: {page}");
        };
        heard.extend(events.into_iter().map(|mut event| event["data"].take()));
    }
    heard
}

async fn hear_events(mut socket: Socket, count: usize) -> Vec<Value> {
    let mut heard = Vec::new();
    while heard.len() < count {
        heard.push(hear(&mut socket).await["data"].take());
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_listener_hears_every_event_once_and_in_order() {
    const EVENTS: usize = 30;
    let demo = start();
    let mut listeners = JoinSet::new();
    for _ in 0..LISTENERS {
        let viewer = Viewer::guest(&demo).await;
        listeners.spawn(hear_events(viewer.socket().await.unwrap(), EVENTS));
        let cursor = viewer.poll(None).await["cursor"].as_u64().unwrap();
        listeners.spawn(poll_events(viewer, cursor, EVENTS));
    }
    // No pause between broadcasts: polls find several at once, or some between two polls.
    let admin = Viewer::stranger(&demo);
    for n in 0..EVENTS {
        admin.broadcast(&json!({ "event": "tick", "data": n })).await;
    }
    let expected: Vec<Value> = (0..EVENTS).map(Value::from).collect();
    for heard in listeners.join_all().await {
        assert_eq!(heard, expected);
    }
    let deliveries = 2 * LISTENERS * EVENTS as u64;
    until("all is counted", || demo.counters().delivered["tick"] == deliveries).await;
    demo.stop().await;
}

#[tokio::test]
async fn a_broadcast_says_how_many_it_went_to() {
    let demo = start();
    let (viewer, admin) = (Viewer::guest(&demo).await, Viewer::stranger(&demo));
    let vote_open = json!({ "event": "vote_open", "data": { "ballot": "b1" } });
    assert_eq!(admin.broadcast(&vote_open).await, 0);
    let mut socket = viewer.socket().await.unwrap();
    assert_eq!(admin.broadcast(&vote_open).await, 1);
    assert_eq!(hear(&mut socket).await, vote_open);
    demo.stop().await;
}

#[tokio::test]
async fn nothing_is_lost_between_two_polls() {
    let demo = start();
    let (viewer, admin) = (Viewer::stranger(&demo), Viewer::stranger(&demo));
    let opened = viewer.poll(None).await;
    assert_eq!(opened, json!({ "cursor": 0, "events": [] }));
    let first = json!({ "event": "tick", "data": 1 });
    let second = json!({ "event": "tick", "data": 2 });
    admin.broadcast(&first).await;
    assert_eq!(viewer.poll(Some(0)).await, json!({ "cursor": 1, "events": [first] }));
    admin.broadcast(&second).await;
    assert_eq!(viewer.poll(Some(1)).await, json!({ "cursor": 2, "events": [second] }));
    // A client that did not get the answer asks again.
    assert_eq!(viewer.poll(Some(0)).await["events"], json!([first, second]));
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_does_not_read_is_dropped_and_holds_up_nobody() {
    let demo = start();
    let admin = Viewer::stranger(&demo);
    let mut deaf = Viewer::guest(&demo).await.socket().await.unwrap();
    let mut attentive = Viewer::guest(&demo).await.socket().await.unwrap();
    // Large events fill the kernel's buffers soon; the attentive one reads each before the next.
    let event = json!({ "event": "noise", "data": "x".repeat(60_000) });
    let mut sent = 0;
    let dropping = async {
        while admin.broadcast(&event).await == 2 {
            sent += 1;
            assert_eq!(hear(&mut attentive).await["event"], "noise");
        }
    };
    timeout(PATIENCE, dropping).await.expect("the deaf socket is dropped");
    assert_eq!(hear(&mut attentive).await["event"], "noise");

    // What the kernel had taken can still be read, then the stream ends.
    let mut read = 0;
    while let Some(Ok(Message::Text(_))) = timeout(PATIENCE, deaf.next()).await.unwrap() {
        read += 1;
    }
    assert!(read < sent, "{read} of {sent}");
    until("all is counted", || demo.counters().delivered["noise"] == sent + 1 + read).await;
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_fell_behind_but_reads_again_is_told_so() {
    /// More than the demo keeps for a socket, which is 64.
    const TOO_FAR: u64 = 70;
    let demo = start();
    let admin = Viewer::stranger(&demo);
    let mut slow = Viewer::guest(&demo).await.socket().await.unwrap();
    let event = json!({ "event": "noise", "data": "x".repeat(60_000) });
    let delivered = || demo.counters().delivered.get("noise").copied().unwrap_or(0);
    let mut sent = 0;
    while sent - delivered() < TOO_FAR {
        admin.broadcast(&event).await;
        sent += 1;
    }
    let end = loop {
        match timeout(PATIENCE, slow.next()).await.unwrap() {
            Some(Ok(Message::Text(_))) => {}
            end => break end,
        }
    };
    let Some(Ok(Message::Close(Some(frame)))) = end else {
        panic!("the socket was not closed in order: {end:?}");
    };
    assert_eq!(u16::from(frame.code), 1013);
    demo.stop().await;
}

#[tokio::test]
async fn stopping_ends_every_connection_within_a_second() {
    let demo = start();
    let viewer = Viewer::guest(&demo).await;
    let mut socket = viewer.socket().await.unwrap();
    // Upgraded, then silent: it never answers a close.
    let _silent = viewer.socket().await.unwrap();
    let poller = viewer.clone();
    let poll = tokio::spawn(async move { poller.poll(Some(0)).await });
    // The heartbeat counts the two sockets and the poll once it hangs.
    loop {
        let heartbeat: Value = viewer.get("/api/heartbeat").await.json().await.unwrap();
        if heartbeat["viewers"] == 3 {
            break;
        }
    }
    let closing = tokio::spawn(async move { socket.next().await });
    let address = demo.address();
    let asked = Instant::now();
    demo.stop().await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(poll.await.unwrap(), json!({ "cursor": 0, "events": [] }));
    let Some(Ok(Message::Close(Some(frame)))) = closing.await.unwrap() else {
        panic!("the socket was not closed in order");
    };
    assert_eq!(u16::from(frame.code), 1001);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
