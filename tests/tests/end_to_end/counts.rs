//! The report of a run that ends by itself has the very numbers that the system under test counted.

use std::time::Duration;

use rehearsal_demo::{Counters, Demo, Options};
use rehearsal_tests::{
    Outcome, Rehearsal, Show, assert_log_equals_summary, assert_report_equals, quick_show, shipped_show,
};

/// Plays a show with the demo as its system, and asserts what holds of every show that went well:
/// equal numbers, everybody came and left, everybody heard the question and voted.
async fn check_show(scenario: &str, show: impl FnOnce(&Demo) -> Show) -> (Outcome, Counters, Show) {
    let demo = Demo::start(Options::default()).unwrap();
    let show = show(&demo);
    let rehearsal = Rehearsal::of(scenario).environment(&show.toml());
    let outcome = rehearsal.bound(Duration::from_secs(90)).run().await;
    let truth = demo.counters();
    demo.stop().await;

    outcome.assert_exit(0, "every threshold holds");
    assert_eq!(outcome.summary["verdict"], "pass");
    assert_eq!(outcome.summary["schema"], 1);
    assert_report_equals(&outcome, &truth);
    assert_log_equals_summary(&outcome);

    assert_eq!(outcome.assert_users_add_up(), show.users);
    assert_eq!(outcome.users("finished"), show.users);
    assert_eq!((truth.votes, truth.delivered["vote_open"]), (show.users, show.users));
    let check = outcome.entry("checks", "name", "vote counted");
    assert_eq!(check["passed"], show.users);
    assert_eq!(check["failed"], 0);
    let cue = outcome.cue("open_vote");
    for figure in ["live", "connected", "heard"] {
        assert_eq!(cue[figure], show.users, "{figure} of {cue:#}");
    }
    assert_eq!(cue["duplicates"], 0, "{cue:#}");
    assert!(cue["first"].as_f64() <= cue["last"].as_f64(), "{cue:#}");
    let agents = outcome.list("agents");
    assert_eq!(agents.len(), show.weights.len());
    let by_agents = agents.iter().map(|agent| agent["users"].as_u64().unwrap());
    assert_eq!(by_agents.sum::<u64>(), show.users);
    (outcome, truth, show)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shipped_show_is_counted_exactly() {
    check_show(&shipped_show(), |demo| Show { heartbeat: 5, stay: 18, ..Show::short(demo.address(), 200) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_of_unequal_weight_share_the_users_and_count_exactly() {
    let (outcome, truth, show) = check_show(&quick_show(), |demo| Show {
        weights: vec![5, 1, 1],
        http: "agent_header = \"x-rehearsal-agent\"",
        ..Show::short(demo.address(), 300)
    })
    .await;
    let mut shares: Vec<u64> = Vec::new();
    for agent in outcome.list("agents") {
        let id = agent["id"].as_str().map_or_else(|| agent["id"].to_string(), str::to_owned);
        let sign_ins = |call| sum_of(truth.by_agent[&id].requests.get(call));
        let users = sign_ins("POST /auth/guest") + sign_ins("GET /auth/sns");
        assert_eq!(agent["users"], users, "the demo saw other users of {agent}");
        shares.push(users);
    }
    shares.sort_unstable();
    let fair = show.users as f64 * 5.0 / 7.0;
    let off = (shares[2] as f64 - fair).abs();
    assert!(off <= fair * 0.1, "the heavy agent should have about {fair} users: {shares:?}");
}

fn sum_of(statuses: Option<&std::collections::BTreeMap<u16, u64>>) -> u64 {
    statuses.map_or(0, |statuses| statuses.values().sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_has_the_last_word_and_one_agent_suffices() {
    let demo = Demo::start(Options::default()).unwrap();
    let show = Show::short(demo.address(), 1000);
    let rehearsal = Rehearsal::of(&quick_show()).environment(&show.toml());
    let outcome = rehearsal.arguments(["--set", "users=50", "--agents", "local:1"]).run().await;
    outcome.assert_exit(0, "every threshold holds");
    assert_eq!(outcome.assert_users_add_up(), 50);
    assert_eq!(outcome.list("agents").len(), 1);
    assert_report_equals(&outcome, &demo.counters());
}
