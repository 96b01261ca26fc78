//! What a run sees of the autoscaler under test: guards stop it, silence leaves it open, and another life of the
//! coordinator goes on with what the one before has seen.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rehearsal_demo::{Demo, Options};
use rehearsal_tests::{Outcome, Rehearsal, Running, until};
use reqwest::Client;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);
/// Many times what a source with its 200 ms, a tick and the leaving of users take.
const AT_ONCE: Duration = Duration::from_secs(15);

/// Users who stay for far longer than any of these tests may take, unless somebody stops them.
const SCENARIO: &str = r#"
fn plan() { #{ load: arrive(20).over("1s").stay(env.stay), PARTS } }
fn user() { http::post("/auth/guest"); every("500ms", || http::get("/api/heartbeat")); }
"#;

/// Figures of the system under test are files, beside the scenario.
const OBSERVED: &str = r#"
[autoscaler]
every = "200ms"
[autoscaler.supply]
observe = "command"
command = "cat ready"
count = "ready"
[autoscaler.metrics.connections]
observe = "command"
command = "cat connections"
"#;

const EXPECTED: &str = "autoscaler: autoscaler().capacity(10).react_within(\"5s\")";
const GUARDED: &str = r#"guards: [guard("connections").below(900)]"#;

fn rehearsal(demo: &Demo, parts: &str, stay: &str, environment: &str) -> Rehearsal {
    let toml = format!(
        "target = \"http://{}\"\nstay = \"{stay}\"\n[agents]\ncount = 1\nlease = \"8s\"\ndrain = \"4s\"\n{environment}",
        demo.address()
    );
    Rehearsal::of(&SCENARIO.replace("PARTS", parts)).environment(&toml)
}

fn demo() -> Demo {
    Demo::start(Options::default()).unwrap()
}

async fn until_there_are_users(demo: &Demo) {
    let asks = || demo.counters().requests.get("GET /api/heartbeat").is_some_and(|by| by.values().sum::<u64>() > 0);
    until("users ask", PATIENCE, asks).await;
}

fn samples<'a>(outcome: &'a Outcome, series: &str) -> &'a [Value] {
    let samples = outcome.summary["autoscaler"]["series"][series].as_array();
    samples.unwrap_or_else(|| panic!("{series} is not there\n{}", outcome.context()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_that_is_crossed_stops_the_run_at_once_and_fails_it() {
    let demo = demo();
    let running = rehearsal(&demo, GUARDED, "10m", OBSERVED).file("ready", "2").file("connections", "10").spawn();
    until_there_are_users(&demo).await;
    running.file("connections", "950");
    let outcome = tokio::time::timeout(AT_ONCE, running.end()).await.expect("the guard stops the run at once");
    demo.stop().await;
    outcome.assert_exit(99, "a guard was crossed");
    let text = "connections was 950 and is to stay below 900: the run was stopped";
    assert!(outcome.has_finding("guard", text), "{}", outcome.context());
    assert_eq!(outcome.assert_users_add_up(), 20);
    assert_eq!(outcome.users("lost"), 0, "users left in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_that_sees_nothing_protects_nothing_and_that_is_said() {
    let demo = demo();
    let outcome = rehearsal(&demo, GUARDED, "2s", OBSERVED).file("ready", "2").run().await;
    demo.stop().await;
    outcome.assert_exit(98, "nobody knows whether the connections were too many");
    let text = "connections was never seen: its guard protected nothing";
    assert!(outcome.has_finding("guard", text), "{}", outcome.context());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_that_says_nothing_leaves_the_run_open_and_says_why() {
    let demo = demo();
    let silent = "[autoscaler.supply]\nobserve = \"http\"\nurl = \"http://127.0.0.1:9/supply\"\nready = \"/ready\"\n";
    let outcome = rehearsal(&demo, EXPECTED, "2s", silent).run().await;
    demo.stop().await;
    outcome.assert_exit(98, "the scaler could not be judged");
    let text = "its observer never said anything (autoscaler.supply: connection";
    assert!(outcome.has_finding("autoscaler", text), "{}", outcome.context());
    assert_eq!(outcome.summary["autoscaler"]["observed"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_observed_is_told_before_the_start() {
    let demo = demo();
    let wrong = "[autoscaler.supply]\nobserve = \"htp\"\n[autoscaler.metrics.cpu]\nobserve = \"command\"\n";
    let outcome = rehearsal(&demo, r#"guards: [guard("conections").below(9)]"#, "2s", wrong).run().await;
    demo.stop().await;
    outcome.assert_exit(2, "the environment is wrong");
    for told in ["did you mean `http`", "`command`", "conections"] {
        assert!(outcome.stderr.contains(told), "no {told} in\n{}", outcome.stderr);
    }
}

/// Asks the live run for its picture, as the dashboard does.
async fn picture(running: &Running) -> Value {
    let control = running.control().await;
    let (address, token) = (control["address"].as_str().unwrap(), control["token"].as_str().unwrap());
    let request = Client::new().get(format!("http://{address}/api/runs/last/autoscaler?from_s=0")).bearer_auth(token);
    request.send().await.unwrap().json().await.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_coordinator_goes_on_with_what_was_seen() {
    let demo = demo();
    let mut running = rehearsal(&demo, EXPECTED, "25s", OBSERVED).file("ready", "2").file("connections", "10").spawn();
    until_there_are_users(&demo).await;
    let ready = async {
        while picture(&running).await["series"]["ready"][0][1].as_f64() != Some(2.0) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.expect("the live run shows its instances");
    running.kill().await;
    running.file("ready", "3");
    running.resume();
    let outcome = running.end().await;
    demo.stop().await;
    assert!(outcome.has_finding("coordinator", "was away"), "{}", outcome.context());
    let ready: Vec<Option<f64>> = samples(&outcome, "ready").iter().map(|sample| sample[1].as_f64()).collect();
    let known: Vec<f64> = ready.iter().flatten().copied().collect();
    assert_eq!(known, [2.0, 3.0], "seen before and after: {ready:?}");
    assert_stored(outcome.run_folder.as_deref().unwrap());
}

/// Every reading is in the run's database.
fn assert_stored(run: &Path) {
    assert!(fs::exists(run.join("run.db")).unwrap());
    let database = rusqlite::Connection::open(run.join("run.db")).unwrap();
    let count = |what: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM look WHERE place = 'autoscaler.supply' AND content LIKE '%{what}%'");
        database.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert!(count("[null,null,2,") > 0 && count("[null,null,3,") > 0, "both lives have stored what they saw");
}
