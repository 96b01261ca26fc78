//! Commands to a running run: what the system under test receives, and how soon after the command was given.
//!
//! The demo sits in the test's process, so what arrives there is known to the moment.

use std::time::{Duration, Instant};

use rehearsal_demo::{Demo, Options};
use rehearsal_tests::{Outcome, Rehearsal, Running, until};

/// Time for agents to start in a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Within this every command has its effect (the issue's own bound).
const PROMPT: Duration = Duration::from_secs(1);
/// Arrivals each second by the plan.
const PER_SECOND: u64 = 50;

/// Viewers who sign in, listen and stay; the host may ask them whenever he likes.
const SCENARIO: &str = r#"
fn plan() {
    #{
        load: arrive(2000).over("40s").stay("60s"),
        cues: [ cue("ask").hears("question", "/id"), cue("linger") ],
        thresholds: [ "http.failed rate < 1%" ],
    }
}
fn user() {
    http::post("/auth/guest");
    let socket = websocket("/socket");
    socket.on("question", |socket, question| { count("heard", 1); });
}
fn linger() { sleep("4s"); }
fn ask() { http::post(env.admin + "/broadcast", #{ json: #{ event: "question", data: #{ id: cue.id } } }); }
"#;

struct Stage {
    demo: Demo,
    running: Running,
}

impl Stage {
    /// A run of which the first viewers have come.
    async fn set() -> Self {
        let demo = Demo::start(Options::default()).unwrap();
        let environment = format!("target = \"http://{}\"\n[agents]\ncount = 2\n", demo.address());
        let running = Rehearsal::of(SCENARIO).environment(&environment).spawn();
        let stage = Self { demo, running };
        until("viewers are there", PATIENCE, || stage.sockets() >= PER_SECOND).await;
        stage
    }

    fn guests(&self) -> u64 {
        let counters = self.demo.counters();
        counters.requests.get("POST /auth/guest").map_or(0, |by_status| by_status.values().sum())
    }

    fn sockets(&self) -> u64 {
        self.demo.counters().sockets_opened.websocket
    }

    /// Gives a command and waits until a second has passed since; gives the answer.
    async fn command(&self, words: &[&str]) -> String {
        let pressed = Instant::now();
        let said = self.running.command(words).await;
        said.assert_done();
        tokio::time::sleep_until((pressed + PROMPT).into()).await;
        said.stdout
    }

    /// Viewers who come within a stretch of time from now on.
    async fn arrivals_within(&self, stretch: Duration) -> u64 {
        let before = self.guests();
        tokio::time::sleep(stretch).await;
        self.guests() - before
    }

    async fn stop(self) -> Outcome {
        self.command(&["stop"]).await;
        let outcome = self.running.end().await;
        outcome.assert_exit(105, "stopped by the operator");
        outcome
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_holds_within_a_second_and_resuming_brings_no_burst() {
    let stage = Stage::set().await;
    let answer = stage.command(&["pause"]).await;
    assert!(answer.contains("2 of 2 agents"), "{answer}");
    assert_eq!(stage.arrivals_within(Duration::from_secs(2)).await, 0, "nobody comes during a pause");
    let again = stage.running.command(&["pause"]).await;
    assert_ne!(again.code, Some(0));
    assert!(again.stderr.contains("paused already"), "{}", again.stderr);

    stage.command(&["resume"]).await;
    let came = stage.arrivals_within(Duration::from_secs(2)).await;
    assert!((PER_SECOND..=3 * PER_SECOND).contains(&came), "{came} in 2 s where {PER_SECOND} a second are planned");
    let guests = stage.guests();
    let outcome = stage.stop().await;
    assert_eq!(outcome.assert_users_add_up(), 2000);
    let curve = outcome.command(&["report", "last", "--format", "curve"]).await;
    let played: u64 =
        curve.stdout.lines().skip(1).map(|line| line.split_once(',').unwrap().1.parse::<u64>().unwrap()).sum();
    let started = outcome.count("users.start_lag", &[]);
    assert!(started >= guests, "{started} had started, {guests} had come before the stop");
    // The stop is in force at the agents some milliseconds after it was ordered.
    assert!(played.abs_diff(started) <= 2, "{played} are in the curve, {started} had started\n{}", curve.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scaling_up_and_down_holds_within_a_second() {
    let stage = Stage::set().await;
    let answer = stage.command(&["scale", "--factor", "3"]).await;
    assert!(answer.contains("version 2"), "{answer}");
    let came = stage.arrivals_within(Duration::from_secs(2)).await;
    let planned = 3 * 2 * PER_SECOND;
    assert!((planned * 7 / 10..=planned * 13 / 10).contains(&came), "{came} came, {planned} were planned");

    stage.command(&["scale", "--factor", "0"]).await;
    assert_eq!(stage.arrivals_within(Duration::from_secs(2)).await, 0, "the plan has nobody more");
    let refused = stage.running.command(&["scale", "--rate", "-1"]).await;
    assert_ne!(refused.code, Some(0), "{}", refused.stdout);

    let guests = stage.guests();
    let outcome = stage.stop().await;
    outcome.assert_users_add_up();
    assert_eq!(outcome.count("http.response", &[("name", "POST /auth/guest")]), guests);
    assert!(outcome.users("planned") > 2000, "three times as many were planned for a while");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cue_by_hand_is_heard_by_everybody_within_a_second() {
    let stage = Stage::set().await;
    stage.command(&["pause"]).await;
    let there = stage.sockets();
    // A function that takes its time holds up nobody else's moment.
    stage.command(&["cue", "linger"]).await;
    let pressed = Instant::now();
    let said = stage.running.command(&["cue", "ask"]).await;
    said.assert_done();
    let heard = || stage.demo.counters().delivered.get("question").copied().unwrap_or(0);
    until("everybody has heard it", PATIENCE, || heard() >= there).await;
    let took = pressed.elapsed();
    assert!(took <= PROMPT, "the last of {there} heard it after {took:?}");
    let unknown = stage.running.command(&["cue", "aks"]).await;
    assert!(unknown.stderr.contains("ask"), "the nearest name is told: {}", unknown.stderr);

    // The plan stands still, and those whom it holds up are cancelled all the same.
    let outcome = stage.stop().await;
    assert_eq!(outcome.assert_users_add_up(), 2000);
    let cue = outcome.entry("cues", "name", "ask");
    assert_eq!((&cue["heard"], &cue["number"]), (&there.into(), &1.into()), "{cue}");
}

/// Nobody is asked twice whether he means it on a command line: `stop --now` cuts at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_by_command_ends_every_request_within_a_second() {
    let stage = Stage::set().await;
    let answer = stage.command(&["stop", "--now"]).await;
    assert!(answer.contains("2 of 2 agents"), "{answer}");
    let (guests, sockets) = (stage.guests(), stage.sockets());
    let Stage { demo, running } = stage;
    let outcome = running.end().await;
    outcome.assert_exit(105, "stopped by the operator");
    let counters = demo.counters();
    assert_eq!(counters.sockets_opened.websocket, sockets, "no connection comes later than a second after the stop");
    assert_eq!(counters.requests["POST /auth/guest"].values().sum::<u64>(), guests);
    outcome.assert_users_add_up();
    let over = outcome.command(&["pause", "last"]).await;
    assert!(over.stderr.contains("not running"), "{}", over.stderr);
}
