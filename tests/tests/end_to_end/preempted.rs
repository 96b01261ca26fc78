//! Agents that are asked to go, as a cloud does that wants its machine back: nothing of what they measured is lost.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rehearsal_tests::{Outcome, assert_equal_outside_spans, assert_report_equals, until};

use crate::trio::{PATIENCE, Part, TAKEN, Trio, USERS, assert_all_came_back, guests};

/// Asks an agent to go, and waits for the end of its process and of the run. Asserts what holds in any case: it ends in
/// order before the run does, nobody new comes to it, and every sample and every socket of it is counted.
async fn preempt(part: &Part<'_>) -> (rehearsal_demo::Demo, Outcome) {
    let trio = Trio::at_work(part).await;
    let agent = trio.taken().await;
    agent.terminate();
    let asked = guests(&trio.demo.counters(), TAKEN);
    trio.told(TAKEN, "exit status: 0").await;
    until("its process has ended", PATIENCE, || !agent.is_alive()).await;
    assert!(trio.demo.counters().sockets_opened.websocket > 0 && trio.running.agent_count() == 2, "the run goes on");
    let (demo, outcome) = trio.end().await;
    let counters = demo.counters();
    // A third of 25 a second, until the instant that it announced.
    let new = guests(&counters, TAKEN) - asked;
    assert!(new < 25, "{new} users came to an agent that goes\n{}", outcome.context());
    assert_report_equals(&outcome, &counters);
    assert!(outcome.unobserved(TAKEN).is_empty(), "{:#}", outcome.summary["agents"]);
    assert_eq!(outcome.entry("agents", "id", TAKEN)["lost"], false);
    let closed = outcome.count("socket.closed", &[("by", "agent")]);
    assert_eq!(closed, guests(&counters, TAKEN), "{}", outcome.context());
    assert!(outcome.has_finding(TAKEN, "SIGTERM"), "{}", outcome.context());
    (demo, outcome)
}

/// Its users leave one after the other and are counted as lost: they wanted to stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_asked_to_go_sends_its_users_away_one_by_one() {
    let (demo, outcome) = preempt(&Part { stay: "10s", ..Part::default() }).await;
    assert_eq!(demo.users().followed + outcome.users("dropped"), USERS, "the others start whoever was to come");
    assert_eq!(outcome.users("lost"), guests(&demo.counters(), TAKEN), "{}", outcome.context());
    let seconds = outcome.command(&["report", "last", "--format", "seconds"]).await;
    let mut table = csv::Reader::from_reader(seconds.assert_done().stdout.as_bytes());
    let lost = table.headers().unwrap().iter().position(|column| column == "users.lost").unwrap();
    let steps: BTreeSet<String> = table.records().map(|row| row.unwrap()[lost].to_owned()).collect();
    assert!(steps.len() >= 5, "they left in seconds with {steps:?} lost by then");
}

/// It told of all its users before it went: they come once more at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_an_agent_that_is_asked_to_go_come_once_more_elsewhere() {
    let (demo, outcome) = preempt(&Part { stay: "16s", plan: "restore: \"2s\"", ..Part::default() }).await;
    assert_all_came_back(&demo, &outcome);
    assert_eq!(outcome.users("restored"), guests(&demo.counters(), TAKEN), "{}", outcome.context());
    assert_eq!(demo.counters().sockets_opened.websocket, USERS + outcome.users("restored") - outcome.users("dropped"));
}

/// Nobody is left to take over. What was measured is whole, and whose users could not stay is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_agents_are_asked_to_go_the_run_ends_with_every_number() {
    let trio = Trio::at_work(&Part { stay: "60s", ..Part::default() }).await;
    for id in ["agent-1", TAKEN, "agent-3"] {
        trio.running.agent(id).await.terminate();
    }
    let outcome = trio.running.end().await;
    let counters = trio.demo.counters();
    assert_eq!(outcome.assert_users_add_up(), USERS);
    assert_report_equals(&outcome, &counters);
    assert_eq!(outcome.users("finished"), 0, "{}", outcome.context());
    assert_ne!(outcome.summary["verdict"], "pass", "{}", outcome.context());
    assert!(outcome.has_finding("run", "no agent is left"), "{}", outcome.context());
}

/// Others had taken over long before it was killed, and it had users until then: nobody knows what they did at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_killed_while_it_goes_owes_its_last_seconds() {
    let trio = Trio::at_work(&Part { stay: "10s", ..Part::default() }).await;
    let (agent, asked) = (trio.taken().await, Instant::now());
    agent.terminate();
    trio.told(TAKEN, "SIGTERM").await;
    until("its users are leaving", PATIENCE, || asked.elapsed() > Duration::from_millis(3_500)).await;
    assert!(agent.is_alive(), "users leave over some seconds");
    agent.kill();
    let (demo, outcome) = trio.end().await;
    assert_equal_outside_spans(&outcome, &demo.counters());
    assert!(!outcome.unobserved(TAKEN).is_empty(), "{:#}", outcome.summary["agents"]);
    assert_eq!(outcome.summary["verdict"], "inconclusive", "{}", outcome.context());
    assert!(outcome.has_finding(TAKEN, "that it had sent away before"), "{}", outcome.context());
    assert_eq!(outcome.users("lost"), guests(&demo.counters(), TAKEN), "{}", outcome.context());
}
