//! Processes that are killed: agents do not outlive their coordinator, and a coordinator accounts
//! for an agent that died.

use std::time::Duration;

use rehearsal_demo::{Demo, Options};
use rehearsal_tests::{Rehearsal, Running, until};

const PATIENCE: Duration = Duration::from_secs(30);

const USERS: u64 = 100;

const SCENARIO: &str = r#"
fn plan() { #{ load: arrive(100).over("4s").stay(env.stay) } }
fn user() {
    http::post("/auth/guest");
    every("200ms", || http::get("/api/heartbeat"));
}
"#;

/// Starts a run with three agents and waits until users are at work.
async fn begin(demo: &Demo, stay: &str) -> Running {
    let target = demo.address();
    let environment = format!("target = \"http://{target}\"\nstay = \"{stay}\"\n[agents]\ncount = 3\n");
    let running = Rehearsal::of(SCENARIO).environment(&environment).spawn();
    let beating = || demo.counters().requests.contains_key("GET /api/heartbeat");
    until("users are at work", PATIENCE, beating).await;
    assert_eq!(running.agent_count(), 3);
    running
}

/// Load that nobody can stop is a fault: agents see the end of their standard input and end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_end_with_a_coordinator_that_was_killed() {
    let demo = Demo::start(Options::default()).unwrap();
    let running = begin(&demo, "600s").await;
    running.kill();
    // The end includes that of the agents, within a bound.
    let outcome = running.end().await;
    assert_eq!(outcome.exit_code, None, "it was killed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_dies_is_accounted_for() {
    let demo = Demo::start(Options::default()).unwrap();
    let running = begin(&demo, "4s").await;
    assert!(running.kill_an_agent(), "there are three");
    let outcome = running.end().await;
    assert_eq!(outcome.assert_users_add_up(), USERS);
    let agents = outcome.list("agents").iter();
    let lost = agents.filter(|agent| agent["lost"] == true).count();
    assert_eq!(lost, 1, "{:#}\n{}", outcome.summary["agents"], outcome.context());
    assert!(outcome.users("lost") + outcome.users("restored") > 0, "{}", outcome.context());
    let finding = outcome
        .list("findings")
        .iter()
        .any(|finding| finding["severity"] != "info" && finding.to_string().contains("agent"));
    assert!(finding, "a lost agent is a finding\n{}", outcome.context());
}
