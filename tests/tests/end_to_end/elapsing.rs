//! Times in the report are those that passed: histograms of several agents are merged, and no
//! percentile is made of others.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rehearsal_tests::{Act, Rehearsal, Server, answer, assert_log_equals_summary};
use serde_json::Value;

const QUICK: Duration = Duration::from_millis(20);
const SLOW: Duration = Duration::from_millis(400);

/// What a loopback, a debug build and a busy machine may add to either.
const SLACK: f64 = 0.120;

const SCENARIO: &str = r#"
fn plan() { #{ load: arrive(120).over("3s"), thresholds: [ "http.response{name:read} p(99) < 10s" ] } }
fn user() { http::get("/", #{ name: "read" }); }
"#;

/// One agent is answered quickly and the other slowly, and one has three times the users of the other: a mean of the
/// agents' percentiles, weighted or not, is a time that nobody ever waited.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn percentiles_of_two_agents_are_those_of_all_samples() {
    let first_agent = Mutex::new(None);
    let waits = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&waits);
    let server = Server::start(move |request| {
        let agent = request.header("x-rehearsal-agent").map(str::to_owned);
        let is_first = *first_agent.lock().unwrap().get_or_insert_with(|| agent.clone()) == agent;
        let wait = if is_first { QUICK } else { SLOW };
        note.lock().unwrap().push(wait);
        Act::AnswerAfter(wait, answer("200 OK", "", "{}"))
    })
    .await;
    let http = "[http]\nagent_header = \"x-rehearsal-agent\"";
    let agents = "[agents]\ncount = 2\nweights = [3, 1]";
    let environment = format!("target = \"http://{}\"\n{http}\n{agents}\n", server.address);
    let outcome = Rehearsal::of(SCENARIO).environment(&environment).run().await;
    outcome.assert_exit(0, "everything was answered");
    assert_eq!(outcome.count("http.response", &[("name", "read")]), 120);
    assert_log_equals_summary(&outcome);

    let [series] = outcome.series("http.response", &[("name", "read")])[..] else {
        panic!("all calls are alike, so there is one series");
    };
    let mut waits = waits.lock().unwrap().clone();
    waits.sort_unstable();
    assert_eq!((waits[0], waits[119]), (QUICK, SLOW), "both agents called");
    for (statistic, quantile) in [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)] {
        let nearest_rank = (quantile * waits.len() as f64).ceil() as usize;
        check(series, statistic, waits[nearest_rank - 1]);
    }
    check(series, "min", QUICK);
    check(series, "mean", waits.iter().sum::<Duration>() / 120);
}

fn check(series: &Value, statistic: &str, waited: Duration) {
    let measured = series[statistic].as_f64().unwrap();
    let least = waited.as_secs_f64();
    let fits = (least..=least + SLACK).contains(&measured);
    assert!(fits, "{statistic} should be {least} s: {series:#}");
}
