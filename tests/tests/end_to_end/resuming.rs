//! Coordinators that are killed and come back: the load went on without them, and they count on as if nothing had been.

use std::path::Path;
use std::time::Duration;

use rehearsal_demo::{Demo, Options};
use rehearsal_tests::{
    Act, Outcome, Rehearsal, Running, Said, Served, Server, answer, assert_calls_add_up, assert_report_equals, until,
};
use reqwest::Method;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::stopping::{assert_twenty_were_cut, twenty_hang};
use crate::trio::{PATIENCE, Part, TAKEN, Trio, USERS, all_guests, assert_all_stayed_where_they_were};

/// Within this every command has its effect, as steering.rs asserts.
const PROMPT: Duration = Duration::from_secs(1);

/// Agents find their coordinator again within half of it.
const LEASE: &str = "lease = \"8s\"\ndrain = \"4s\"";

impl Trio {
    /// Waits until so many users have signed in, whoever conducts them.
    async fn has(&self, users: u64) {
        until("users come", PATIENCE, || all_guests(&self.demo.counters()) >= users).await;
    }

    async fn is_resumed(&mut self) {
        self.running.resume();
        self.told("coordinator", "was away").await;
    }

    /// Waits for the end, and asserts that nobody under test and no number noticed that the coordinator was away.
    async fn end_as_if_nothing_had_been(self) -> Outcome {
        let (demo, outcome) = self.end().await;
        assert_report_equals(&outcome, &demo.counters());
        assert_all_stayed_where_they_were(&demo, &outcome);
        assert_eq!(demo.counters().sockets_opened.websocket, USERS, "users kept their connections");
        assert_eq!(outcome.count("custom.restored", &[]), 0);
        assert!(outcome.list("agents").iter().all(|agent| agent["lost"] == false), "{:#}", outcome.summary["agents"]);
        outcome
    }
}

fn with_lease() -> Part<'static> {
    Part { agents: LEASE, ..Part::default() }
}

/// Gives a command until the run, whose coordinator is on its way back, takes it.
async fn insist(running: &Running, words: &[&str]) {
    let asking = async { while running.command(words).await.code != Some(0) {} };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("{words:?} is not taken"));
}

/// Twice, while users come and while all are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_is_killed_twice_counts_everything() {
    let mut trio = Trio::at_work(&with_lease()).await;
    let started_at_us = trio.running.records().unwrap().started_at_us().unwrap();
    trio.running.kill().await;
    // Users come all the same.
    let now = all_guests(&trio.demo.counters());
    trio.has(now + 50).await;
    trio.is_resumed().await;
    trio.has(USERS).await;
    trio.running.kill().await;
    trio.running.resume();
    let outcome = trio.end_as_if_nothing_had_been().await;
    assert!(outcome.has_finding("coordinator", "was away"), "{}", outcome.context());
    let started_at = OffsetDateTime::parse(outcome.summary["started_at"].as_str().unwrap(), &Rfc3339).unwrap();
    assert_eq!(started_at.unix_timestamp(), started_at_us / 1_000_000);
    // The last of 150 comes after 5.96 s and stays for 4 s; users leave in the next two.
    let duration_s = outcome.summary["duration_s"].as_f64().unwrap();
    assert!((9.9..13.0).contains(&duration_s), "{duration_s} s");
}

/// As soon as there is anything of the run, and as soon as agents have come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_is_killed_before_the_start_starts_the_run() {
    for joined in [0, 1, 3] {
        let mut trio = Trio::start(&with_lease());
        let is_there =
            || trio.running.records().is_some_and(|records| records.has_begun() && records.joined() >= joined);
        until("so many have joined", PATIENCE, is_there).await;
        trio.running.kill().await;
        trio.running.resume();
        let outcome = trio.end_as_if_nothing_had_been().await;
        let played = outcome.list("agents").iter().filter(|agent| agent["users"].as_u64() > Some(0)).count();
        assert_eq!(played, 3, "{:#}", outcome.summary["agents"]);
    }
}

/// The operator's stop is not forgotten, and who was cut is counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_is_killed_while_users_leave_ends_the_run() {
    let (_server, mut running) = twenty_hang(&format!("[agents]\ncount = 2\n{LEASE}")).await;
    running.command(&["stop"]).await.assert_done();
    running.kill().await;
    running.resume();
    let outcome = running.end().await;
    assert_twenty_were_cut(&outcome);
    outcome.assert_every_second_balances().await;
}

/// An agent that was told goodbye has handed in everything, whoever remembers that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_is_killed_while_agents_say_goodbye_misses_nobody() {
    let mut trio = Trio::at_work(&with_lease()).await;
    let mut agents = Vec::new();
    for id in ["agent-1", TAKEN, "agent-3"] {
        agents.push(trio.running.agent(id).await);
    }
    trio.running.command(&["stop"]).await.assert_done();
    until("an agent has gone", PATIENCE, || agents.iter().any(|agent| !agent.is_alive())).await;
    trio.running.kill().await;
    trio.running.resume();
    let (demo, outcome) = trio.end().await;
    outcome.assert_exit(105, "stopped by the operator");
    assert_report_equals(&outcome, &demo.counters());
    assert!(outcome.unobserved(TAKEN).is_empty(), "{:#}", outcome.summary["agents"]);
    assert_eq!(outcome.users("lost"), 0, "{}", outcome.context());
    assert_eq!(outcome.users("cancelled"), USERS, "{}", outcome.context());
    assert!(outcome.list("agents").iter().all(|agent| agent["lost"] == false), "{}", outcome.context());
}

/// Whether the audience was told is not known: it is said, and nobody is told twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cue_in_flight_is_unknown_and_not_fired_again() {
    const SHOUT: &str = "POST /shout";
    let server = Server::start(|request| match request.method.as_str() {
        "POST" => Act::AnswerAfter(Duration::from_secs(600), Vec::new()),
        _ => Act::Answer(answer("200 OK", "", "{}")),
    })
    .await;
    let scenario = r#"
fn plan() { #{ load: arrive(40).over("4s").stay("8s"), cues: [ cue("shout").at("2s") ] } }
fn user() { http::get("/"); every("200ms", || http::get("/")); }
fn shout() { http::post("/shout"); }
"#;
    let environment = format!("target = \"http://{}\"\n[agents]\ncount = 2\n{LEASE}\n", server.address);
    let mut running = Rehearsal::of(scenario).environment(&environment).spawn();
    let shouted = || server.seen().requests.get(SHOUT).copied().unwrap_or(0);
    until("the cue is in flight", PATIENCE, || shouted() == 1).await;
    running.kill().await;
    running.resume();
    let outcome = running.end().await;
    assert_eq!(shouted(), 1, "{}", outcome.context());
    outcome.assert_exit(98, "what is unknown is inconclusive");
    assert_eq!(outcome.users("finished"), 40, "{}", outcome.context());
    let cue = outcome.cue("shout");
    assert_eq!((&cue["number"], &cue["first"]), (&json!(1), &json!(null)), "{cue:#}");
    let is_told =
        outcome.list("findings").iter().any(|finding| finding.to_string().contains("died while it was fired"));
    assert!(is_told, "{}", outcome.context());
    assert_calls_add_up(&outcome);
    assert_eq!(outcome.count("http.response", &[]), server.seen().requests["GET /"]);
}

/// What an operator was told holds in the next life: nobody comes in a pause, and the plan has the size that it was given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_outlive_the_coordinator_that_took_them() {
    let demo = Demo::start(Options::default()).unwrap();
    let scenario = r#"
fn plan() { #{ load: arrive(200).over("8s").stay("3s") } }
fn user() { http::post("/auth/guest"); websocket("/socket"); every("200ms", || http::get("/api/heartbeat")); }
"#;
    let environment = format!("target = \"http://{}\"\n[agents]\ncount = 2\n{LEASE}\n", demo.address());
    let mut running = Rehearsal::of(scenario).environment(&environment).bound(Duration::from_secs(120)).spawn();
    let come = || demo.counters().sockets_opened.websocket;
    until("users come", PATIENCE, || come() >= 25).await;
    running.command(&["scale", "--users", "120"]).await.assert_done();
    running.command(&["pause"]).await.assert_done();
    tokio::time::sleep(PROMPT).await;
    let before = come();
    running.kill().await;
    running.resume();
    let is_back = || running.records().is_some_and(|records| records.tells("coordinator", "was away"));
    until("the coordinator is back", PATIENCE, is_back).await;
    assert_eq!(come(), before, "nobody comes in a pause");
    insist(&running, &["resume"]).await;
    let outcome = running.end().await;
    assert_eq!(outcome.assert_users_add_up(), 200, "{}", outcome.context());
    assert_eq!(outcome.users("cancelled"), 80, "{}", outcome.context());
    assert_eq!(outcome.users("finished") + outcome.users("dropped"), 120, "{}", outcome.context());
    assert_report_equals(&outcome, &demo.counters());
}

/// A coordinator that seems dead and is not holds its run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_not_taken_from_a_coordinator_that_lives() {
    let trio = Trio::at_work(&with_lease()).await;
    trio.running.freeze();
    let refused = trio.running.call(&["start", "--resume", "last"]).await;
    trio.running.go_on();
    assert_eq!(refused.code, Some(1), "{}\n{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("another"), "{}", refused.stderr);
    trio.end_as_if_nothing_had_been().await;
}

/// What cannot be gone on with says why, and a run that was refused can go on once the reason is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_resumed_says_why() {
    const BEFORE: &str =
        "fn plan() { #{ load: arrive(40).over(\"4s\").stay(\"2s\") } }\nfn user() { http::get(\"/\"); }\n";
    let server = Server::start(|_| Act::Answer(answer("200 OK", "", "{}"))).await;
    let environment = format!("target = \"http://{}\"\n[agents]\ncount = 2\n{LEASE}\n", server.address);
    let mut running = Rehearsal::of(BEFORE).environment(&environment).spawn();
    until("users come", PATIENCE, || server.seen().request_count() >= 5).await;
    running.kill().await;
    let check = async |path: &str, text: &str, words: &str| {
        running.file(path, text);
        let refused = running.call(&["start", "--resume", "last"]).await;
        assert_eq!(refused.code, Some(1), "{path}\n{}\n{}", refused.stdout, refused.stderr);
        assert!(refused.stderr.contains(words), "{path}\n{}", refused.stderr);
    };
    check("scenario.rhai", &BEFORE.replace("40", "41"), "the scenario has changed").await;
    running.file("scenario.rhai", BEFORE);
    check("environments/dev.toml", &format!("users = 7\n{environment}"), "the environment dev has changed").await;
    running.file("environments/dev.toml", &environment);
    running.resume();
    let outcome = running.end().await;
    assert_eq!(outcome.users("finished"), 40, "{}", outcome.context());
    assert_eq!(outcome.count("http.response", &[]), server.seen().request_count(), "{}", outcome.context());

    let over = outcome.command(&["start", "--resume", "last"]).await;
    assert_eq!(over.code, Some(1), "{}", over.stderr);
    assert!(over.stderr.contains("the run is over"), "{}", over.stderr);
    let unknown = outcome.command(&["start", "--resume", "tomorrow"]).await;
    assert!(unknown.stderr.contains("there is no run tomorrow"), "{}", unknown.stderr);
    let elsewhere = tempfile::tempdir().unwrap();
    let none = Said::of(elsewhere.path(), &["start", "--resume", "last"]).await;
    assert!(none.stderr.contains("there is no run in"), "{}", none.stderr);
}

fn set(folder: &Path, demo: &Demo) {
    let scenario = r#"
fn plan() { #{ load: arrive(150).over("6s").stay("4s") } }
fn user() { http::post("/auth/guest"); websocket("/socket"); every("200ms", || http::get("/api/heartbeat")); }
"#;
    std::fs::write(folder.join("evening.rhai"), scenario).unwrap();
    std::fs::create_dir(folder.join("environments")).unwrap();
    let environment = format!("target = \"http://{}\"\n[agents]\ncount = 2\n{LEASE}\n", demo.address());
    std::fs::write(folder.join("environments/dev.toml"), environment).unwrap();
}

/// Nobody has to ask for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_goes_on_with_the_runs_of_a_serve_that_was_killed() {
    let demo = Demo::start(Options::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), &demo);
    let mut served = Served::start(folder.path(), "127.0.0.1:0").await;
    let (status, started) = served.ask(Method::POST, "/api/runs", Some(json!({ "scenario": "evening" }))).await;
    assert_eq!(status, 201, "{started}");
    let run = format!("/api/runs/{}", started["id"].as_str().unwrap());
    until("users come", PATIENCE, || demo.counters().sockets_opened.websocket >= 30).await;
    served.kill().await;
    let served = Served::start(folder.path(), "127.0.0.1:0").await;
    let judged = async {
        while served.ask(Method::GET, &run, None).await.1["state"] != "judged" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, judged).await.expect("the run is judged");
    let (status, summary) = served.ask(Method::GET, &format!("{run}/report?format=json"), None).await;
    assert_eq!(status, 200, "what is judged can be read: {summary}");
    assert_eq!(summary["users"]["finished"], 150, "{summary:#}");
    let counters = demo.counters();
    assert_eq!(counters.sockets_opened.websocket, 150);
    let answered = |call: &str| -> u64 {
        let calls = summary["calls"].as_array().unwrap().iter();
        calls.filter(|row| row["name"] == call).filter_map(|row| row["answered"].as_u64()).sum()
    };
    for call in ["POST /auth/guest", "GET /api/heartbeat"] {
        assert_eq!(answered(call), counters.requests[call].values().sum::<u64>(), "{call}");
    }
    assert_eq!(served.stop().await, Some(0));
}
