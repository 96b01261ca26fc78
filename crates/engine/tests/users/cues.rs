//! Who should hear a cue, who does, and who does twice or too late.

use std::net::SocketAddr;
use std::time::Duration;

use rehearsal_engine::{Command, CueAnnouncement};
use rehearsal_metrics::{CuePoints, Snapshot};
use rehearsal_plan::{Load, RunTime, Stay};
use serde_json::{Value, json};

use crate::crew::{Crew, staying};
use crate::scene::{demo, scene};
use crate::server::post;

const AUDIENCE: &str = "
    fn arrived(socket) { count(\"ready\"); }
    fn web() { http::post(\"/auth/guest\"); let s = websocket(\"/socket\"); s.on(\"vote_open\", |s, d| ()); arrived(s); }
    fn polls() { http::post(\"/auth/guest\"); let s = polling(\"/poll\"); s.on_message(|s, d| ()); arrived(s); }
    fn waits() { http::post(\"/auth/guest\"); let s = websocket(\"/socket\"); arrived(s); s.receive(\"vote_open\", 3600); sleep(3600); }
    fn deaf() { http::post(\"/auth/guest\"); let s = websocket(\"/socket\"); s.on(\"other\", |s, d| ()); arrived(s); }
    fn alone() { count(\"ready\"); sleep(3600); }";

async fn broadcast(system: SocketAddr, event: &str, data: Value) {
    post(system, "/admin/broadcast", &json!({ "event": event, "data": data })).await;
}

/// Announces a firing and waits for its instant.
async fn fire(crew: &mut Crew, firing: u32, id: &str, pointer: Option<&str>) {
    let at = crew.clock.now() + Duration::from_millis(300);
    let (id, event, pointer) = (id.to_owned(), Some("vote_open".to_owned()), pointer.map(ToOwned::to_owned));
    crew.tell(&Command::Cue(CueAnnouncement { firing, at, id, event, pointer }));
    crew.until_time(at.as_secs_f64() + 0.05).await;
}

fn heard(cue: &CuePoints, transport: &str) -> u64 {
    cue.heard.get(transport).map_or(0, |hearings| hearings.values().sum())
}

fn users(users: u64) -> Load {
    staying(users, 0, Stay::Each(Duration::from_secs(3600)))
}

#[tokio::test]
async fn the_audience_is_counted_at_the_instant_of_the_cue() {
    let demo = demo();
    let mut scene = scene(AUDIENCE, demo.address());
    scene.runs = vec!["web", "polls", "waits", "deaf", "alone", "web"];
    let late = Load::Curve { seconds: vec![(5, 2)], stay: Stay::Each(Duration::from_secs(3600)) };
    let mut crew = scene.crew(&[users(4), users(3), users(2), users(1), users(5), late], 2);
    crew.until("the first have come", |told| told.count("custom.ready", &[]) == 15).await;
    fire(&mut crew, 1, "open_vote-1", Some("/ballot")).await;
    assert!(crew.clock.now() < RunTime::from_secs_f64(4.9), "too slow a machine: the late ones have come already");
    broadcast(demo.address(), "vote_open", json!({ "ballot": "open_vote-1" })).await;
    crew.until("all have heard", |told| heard(&told.cue(1), "websocket") + heard(&told.cue(1), "polling") == 10).await;
    crew.until("the late ones have come", |told| told.count("custom.ready", &[]) == 17).await;
    broadcast(demo.address(), "vote_open", json!({ "ballot": "open_vote-1" })).await;
    crew.until("all have heard again", |told| told.cue(1).duplicates == 10).await;

    let told = crew.end().await;
    let cue = told.cue(1);
    let snapshot = cue.snapshot.clone().unwrap();
    assert_eq!(snapshot["websocket"], Snapshot { live: 7, connected: 6 });
    assert_eq!(snapshot["polling"], Snapshot { live: 3, connected: 3 });
    assert_eq!(snapshot["none"], Snapshot { live: 5, connected: 0 });
    assert_eq!((heard(&cue, "websocket"), heard(&cue, "polling"), heard(&cue, "none")), (7, 3, 0));
    assert_eq!(cue.unready.values().sum::<u64>(), 1, "the deaf one received it without a handler of its own");
    assert_eq!((cue.duplicates, cue.late_heard), (10, 2));
    let (first, last) = (cue.first_micros.unwrap(), cue.last_micros.unwrap());
    assert!((0..=last).contains(&first) && last < 1_000_000, "heard {first} to {last} µs after the instant");
}

/// Fires cues one after the other, broadcasts one message, and says which firing heard it.
async fn belongs(sentence: &str, firings: &[(&str, Option<&str>)], message: Value, expected: Option<u32>) {
    let demo = demo();
    let mut scene = scene(AUDIENCE, demo.address());
    scene.runs = vec!["web"];
    let mut crew = scene.crew(&[users(1)], 1);
    crew.until("it has come", |told| told.count("custom.ready", &[]) == 1).await;
    for (firing, (id, pointer)) in (1..).zip(firings) {
        fire(&mut crew, firing, id, *pointer).await;
    }
    broadcast(demo.address(), "vote_open", message).await;
    crew.until("it was heard", |told| told.count("socket.received", &[("event", "vote_open")]) == 1).await;
    let told = crew.end().await;
    for firing in (1..).take(firings.len()) {
        let cue = told.cue(firing);
        assert_eq!(heard(&cue, "websocket"), u64::from(expected == Some(firing)), "{sentence}: firing {firing}");
        assert!(cue.snapshot.is_some(), "{sentence}: firing {firing} has a snapshot");
    }
}

#[tokio::test]
async fn a_message_belongs_to_the_firing_whose_id_it_carries() {
    let ballot = Some("/ballot");
    let two = [("a-1", ballot), ("a-2", ballot)];
    belongs("the text of the id", &two, json!({ "ballot": "a-1" }), Some(1)).await;
    belongs("another id", &two, json!({ "ballot": "a-3" }), None).await;
    belongs("no id at all", &two, json!({ "vote": 1 }), None).await;
    belongs("the id as a number", &[("7", ballot), ("8", ballot)], json!({ "ballot": 7 }), Some(1)).await;
    belongs("deep in the data", &[("7", Some("/a/0/b"))], json!({ "a": [{ "b": "7" }] }), Some(1)).await;
    belongs("the data itself", &[("7", Some(""))], json!("7"), Some(1)).await;
}

#[tokio::test]
async fn a_message_without_an_id_belongs_to_the_latest_firing() {
    belongs("no pointer", &[("a-1", None), ("a-2", None)], json!({ "ballot": "a-1" }), Some(2)).await;
}

/// An event that flows all the time was once heard before the cue had fired: the delay looked perfect, and the snapshot was
/// taken when only a few had come.
#[tokio::test]
async fn what_came_before_the_instant_is_not_heard() {
    let demo = demo();
    let mut scene = scene(AUDIENCE, demo.address());
    scene.runs = vec!["web"];
    let mut crew = scene.crew(&[users(3)], 1);
    crew.until("all have come", |told| told.count("custom.ready", &[]) == 3).await;
    let at = crew.clock.now() + Duration::from_secs(2);
    let event = Some("vote_open".to_owned());
    crew.tell(&Command::Cue(CueAnnouncement { firing: 1, at, id: "a-1".to_owned(), event, pointer: None }));
    broadcast(demo.address(), "vote_open", json!({})).await;
    let received = [("event", "vote_open")];
    crew.until("the early one has come", |told| told.count("socket.received", &received) == 3).await;
    crew.until_time(at.as_secs_f64() + 0.05).await;
    broadcast(demo.address(), "vote_open", json!({})).await;
    crew.until("the right one has come", |told| told.count("socket.received", &received) == 6).await;
    let cue = crew.end().await.cue(1);
    assert_eq!((heard(&cue, "websocket"), cue.duplicates, cue.late_heard), (3, 0, 0));
    assert!(cue.first_micros.unwrap() > 0, "{cue:?}");
}
