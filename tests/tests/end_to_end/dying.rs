//! Agents that die, fall silent, or wake too late: what was theirs goes on elsewhere, and the report says what is not known.
//! Agents whose coordinator dies for good end by themselves.

use std::time::{Duration, Instant};

use rehearsal_demo::{Demo, Options};
use rehearsal_tests::{Rehearsal, assert_nobody_twice, assert_report_equals, until};
use serde_json::json;

use crate::trio::{
    PATIENCE, Part, TAKEN, Trio, USERS, WITHOUT_SOCKETS, all_guests, assert_all_came_back,
    assert_all_stayed_where_they_were, guests, requests,
};

/// Who was there is lost, and who was due until others took over; everybody else comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_of_an_agent_that_dies_move_at_once() {
    let trio = Trio::at_work(&Part::default()).await;
    trio.taken().await.kill();
    let (demo, outcome) = trio.end().await;
    let there = guests(&demo.counters(), TAKEN);
    let never_came = USERS - demo.users().followed;
    assert_eq!(outcome.users("lost") + outcome.users("dropped"), there + never_came, "{}", outcome.context());
    // A third of 25 a second, until the launcher has told it and others have been told.
    assert!(never_came < 25, "{never_came} never came\n{}", outcome.context());
    assert_eq!(outcome.users("finished"), USERS - there - never_came);
    assert_eq!(outcome.users("restored"), 0);
    let is_lost: Vec<bool> = outcome.list("agents").iter().map(|agent| agent["lost"] == true).collect();
    assert_eq!(is_lost, [false, true, false]);
    assert!(!outcome.unobserved(TAKEN).is_empty(), "{:#}", outcome.summary["agents"]);
    assert!(outcome.has_finding(TAKEN, "was lost"), "{}", outcome.context());
    assert_nobody_twice(&demo.users(), &outcome, &[]);
}

/// The same users come once more elsewhere, each with its own number and row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_an_agent_that_dies_come_once_more_elsewhere() {
    let trio = Trio::at_work(&Part { stay: "9s", plan: "restore: \"2s\"", ..Part::default() }).await;
    trio.taken().await.kill();
    let (demo, outcome) = trio.end().await;
    assert_all_came_back(&demo, &outcome);
}

/// The load has ended for those, too, who were to come to an agent that cannot say so any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_dies_while_users_leave_leaves_nobody_waiting() {
    let trio = Trio::at_work(&Part::default()).await;
    let agent = trio.taken().await;
    agent.freeze();
    trio.running.command(&["stop"]).await;
    agent.kill();
    let (demo, outcome) = trio.end().await;
    outcome.assert_exit(105, "stopped by the operator");
    let there = guests(&demo.counters(), TAKEN);
    assert!(outcome.users("lost") >= there, "{}", outcome.context());
    assert_eq!(outcome.users("cancelled") + outcome.users("lost"), USERS, "{}", outcome.context());
}

/// A connection that stands and an agent that says nothing: it is shown, and nothing moves while the lease lasts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_falls_silent_within_its_lease_loses_nothing() {
    let trio = Trio::at_work(&Part { stay: "5s", plan: "restore: \"2s\"", ..Part::default() }).await;
    let agent = trio.taken().await;
    agent.freeze();
    trio.told(TAKEN, "has not been heard").await;
    agent.go_on();
    trio.told(TAKEN, "is back").await;
    assert_eq!(trio.running.records().unwrap().versions(), 1, "nothing was to move");
    let (demo, outcome) = trio.end().await;
    assert_all_stayed_where_they_were(&demo, &outcome);
    assert_report_equals(&outcome, &demo.counters());
}

/// It sleeps until others play its users. When it wakes nobody allows it any load, not for an instant; what it had measured
/// before is counted all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_wakes_when_its_users_are_elsewhere_makes_no_load() {
    let agents = "lease = \"3s\"\ndrain = \"2s\"";
    let trio = Trio::at_work(&Part { user: WITHOUT_SOCKETS, stay: "14s", plan: "restore: \"2s\"", agents }).await;
    let agent = trio.taken().await;
    agent.freeze();
    until("its users are elsewhere", PATIENCE, || trio.demo.users().users.len() >= 10).await;
    let before = requests(&trio.demo.counters(), TAKEN);
    agent.go_on();
    let (demo, outcome) = trio.end().await;
    assert!(!agent.is_alive());
    assert_eq!(requests(&demo.counters(), TAKEN), before, "it went on\n{}", outcome.context());
    assert_all_came_back(&demo, &outcome);
    assert_report_equals(&outcome, &demo.counters());
}

/// A lease that has run out ends arrivals, although the agent wakes long before its users have to be gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_wakes_when_its_slots_are_elsewhere_starts_nobody() {
    let agents = "lease = \"2s\"\ndrain = \"600s\"";
    let trio = Trio::at_work(&Part { user: WITHOUT_SOCKETS, stay: "6s", plan: "", agents }).await;
    let agent = trio.taken().await;
    agent.freeze();
    let has_moved = || trio.running.records().is_some_and(|records| records.versions() == 2);
    until("its slots are elsewhere", PATIENCE, has_moved).await;
    let before = guests(&trio.demo.counters(), TAKEN);
    agent.go_on();
    let (demo, outcome) = trio.end().await;
    assert_eq!(guests(&demo.counters(), TAKEN), before, "it started users\n{}", outcome.context());
    assert_nobody_twice(&demo.users(), &outcome, &[]);
    assert_report_equals(&outcome, &demo.counters());
}

/// Load that nobody can stop is a fault: by the end of the lease nobody comes any more, and by the drain limit all are gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_coordinator_arrivals_end_by_the_lease_and_agents_by_the_drain_limit() {
    // What a busy machine may add to processes that end.
    let slack = Duration::from_secs(10);
    let (lease, drain) = (Duration::from_secs(3), Duration::from_secs(3));
    let demo = Demo::start(Options::default()).unwrap();
    let scenario = r#"
fn plan() { #{ load: arrive(3000).over("300s").stay("600s") } }
fn user() { http::post("/auth/guest"); websocket("/socket"); every("200ms", || http::get("/api/heartbeat")); }
"#;
    let target = format!("target = \"http://{}\"\n[http]\nagent_header = \"x-rehearsal-agent\"", demo.address());
    let environment = format!("{target}\n[agents]\ncount = 3\nlease = \"3s\"\ndrain = \"3s\"\n");
    let mut running = Rehearsal::of(scenario).environment(&environment).spawn();
    until("users are at work", PATIENCE, || guests(&demo.counters(), TAKEN) >= 5).await;
    running.kill().await;
    let killed = Instant::now();
    let there = all_guests(&demo.counters());
    until("they go on without it", lease, || all_guests(&demo.counters()) > there).await;
    tokio::time::sleep_until((killed + lease + Duration::from_secs(1)).into()).await;
    let by_the_lease = all_guests(&demo.counters());
    let outcome =
        running.end_outlived_by((killed + lease + drain + slack).saturating_duration_since(Instant::now())).await;
    assert_eq!(outcome.exit_code, None, "it was killed");
    assert_eq!(all_guests(&demo.counters()), by_the_lease, "users came without anybody who could stop them");
    broadcast(&demo, "anybody there").await;
    assert_eq!(demo.counters().delivered.get("anybody there"), None, "nobody is connected any more");
}

async fn broadcast(demo: &Demo, event: &str) {
    let url = format!("http://{}/admin/broadcast", demo.address());
    let sent = reqwest::Client::new().post(url).json(&json!({ "event": event, "data": {} })).send().await;
    assert_eq!(sent.unwrap().status(), 202);
}
