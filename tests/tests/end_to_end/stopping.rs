//! Ctrl-C: the first ends the run in order, the second at once.

use std::time::{Duration, Instant};

use rehearsal_demo::{Counters, Demo, Options};
use rehearsal_tests::{Act, Outcome, Rehearsal, Running, Server, answer, assert_calls_add_up, until};

/// Time for agents to start in a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// After this long no request may come any more (design: stop).
const QUIET_AFTER: Duration = Duration::from_secs(1);

/// Everybody calls five times a second and would do so for a minute; most never arrive.
const SCENARIO: &str = r#"
fn plan() { #{ load: arrive(300).over("15s").stay("60s"), thresholds: [ "http.failed rate < 1%" ] } }
fn user() {
    http::post("/auth/guest");
    let socket = websocket("/socket");
    every("200ms", || http::get("/api/heartbeat"));
}
"#;

fn request_count(counters: &Counters) -> u64 {
    let by_status = counters.requests.values().flat_map(|statuses| statuses.values());
    by_status.sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_ends_the_load_within_a_second_and_the_run_in_order() {
    let demo = Demo::start(Options::default()).unwrap();
    let environment = format!("target = \"http://{}\"\n[agents]\ncount = 2\n", demo.address());
    let running = Rehearsal::of(SCENARIO).environment(&environment).spawn();
    until("users are there", PATIENCE, || demo.counters().sockets_opened.websocket >= 50).await;
    running.interrupt();
    let stopped = Instant::now();

    let end = tokio::spawn(running.end());
    tokio::time::sleep_until((stopped + QUIET_AFTER).into()).await;
    let quiet = demo.counters();
    let outcome = end.await.unwrap();
    assert!(stopped.elapsed() < Duration::from_secs(15), "{}", outcome.context());
    let finally = demo.counters();
    assert_eq!(request_count(&quiet), request_count(&finally), "requests came after the stop");
    assert_eq!(quiet.sockets_opened, finally.sockets_opened);

    outcome.assert_exit(105, "stopped by the operator");
    assert_eq!(outcome.assert_users_add_up(), 300);
    assert!(outcome.users("cancelled") > 0, "{}", outcome.context());
    assert_calls_add_up(&outcome);
    let answered = outcome.count("http.response", &[]);
    assert_eq!(answered, request_count(&finally), "healthy calls are not cut\n{}", outcome.context());
    let sockets = outcome.count("socket.connect", &[("transport", "websocket")]);
    assert_eq!(sockets, finally.sockets_opened.websocket);
}

/// Calls in flight have 5 s when users leave; whoever presses Ctrl-C again does not want to wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_ctrl_c_waits_for_nothing() {
    let server = Server::start(|_| Act::Hang).await;
    let scenario = r#"
fn plan() { #{ load: arrive(50).over("1s").stay("60s") } }
fn user() { http::get("/", #{ timeout: "60s" }); }
"#;
    let environment = format!("target = \"http://{}\"\n", server.address);
    let running = Rehearsal::of(scenario).environment(&environment).spawn();
    until("all users hang", PATIENCE, || server.seen().request_count() == 50).await;
    let pressed = Instant::now();
    running.interrupt();
    // Two signals that come at once are one: the second is pressed a moment later, as people do.
    tokio::time::sleep(Duration::from_millis(500)).await;
    running.interrupt();
    let outcome = running.end().await;
    outcome.assert_exit(105, "stopped by the operator");
    assert!(pressed.elapsed() < Duration::from_secs(3), "{:?}", pressed.elapsed());
}

/// A run of twenty users, each of whom waits for an answer that never comes; with more lines of its environment.
pub async fn twenty_hang(more: &str) -> (Server, Running) {
    let server = Server::start(|request| match request.path.as_str() {
        "/hang" => Act::Hang,
        _ => Act::Answer(answer("200 OK", "", "{}")),
    })
    .await;
    let scenario = r#"
fn plan() { #{ load: arrive(20).over("1s").stay("60s") } }
fn user() { http::get("/"); http::get("/hang", #{ timeout: "60s" }); }
"#;
    let environment = format!("target = \"http://{}\"\n{more}\n", server.address);
    let running = Rehearsal::of(scenario).environment(&environment).spawn();
    until("all users hang", PATIENCE, || server.seen().request_count() == 40).await;
    (server, running)
}

/// Asserts that those twenty were stopped, and that what they waited for is counted as cut.
#[track_caller]
pub fn assert_twenty_were_cut(outcome: &Outcome) {
    outcome.assert_exit(105, "stopped by the operator");
    assert_eq!(outcome.assert_users_add_up(), 20);
    assert_eq!(outcome.users("cancelled"), 20, "{}", outcome.context());
    let hanging = outcome.entry("calls", "name", "GET /hang");
    assert_eq!((&hanging["begun"], &hanging["cut"]), (&20.into(), &20.into()), "{hanging}");
    assert_calls_add_up(outcome);
}

/// Users that hang get their 5 s, then their calls are counted as cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_in_flight_are_cut_after_their_grace() {
    let (_server, running) = twenty_hang("").await;
    running.interrupt();
    assert_twenty_were_cut(&running.end().await);
}

/// Nothing was played, so nothing failed, and nothing passed either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_called_off_before_its_start_is_no_failure() {
    let scenario = "fn plan() { #{ load: arrive(20).over(\"2s\") } } fn user() {}";
    let running = Rehearsal::of(scenario).environment("target = \"demo\"\n").arguments(["--agents", "join:1"]).spawn();
    running.control().await;
    running.interrupt();
    let outcome = running.end().await;
    outcome.assert_exit(105, "called off before the start");
    assert_eq!(outcome.summary["verdict"], "inconclusive", "{}", outcome.context());
}
