//! The kinds of load besides arrivals: a population that comes again, and a rate with a limit.

use std::time::Duration;

use rehearsal_tests::{Act, Rehearsal, Server, answer, assert_calls_add_up};

async fn slow_server(wait: Duration) -> Server {
    Server::start(move |_| Act::AnswerAfter(wait, answer("200 OK", "", "{}"))).await
}

fn environment(server: &Server) -> String {
    format!("target = \"http://{}\"\n[agents]\ncount = 2\n", server.address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_population_comes_again_until_its_stages_end() {
    let server = slow_server(Duration::from_millis(100)).await;
    let scenario = r#"
fn plan() { #{ load: users([ramp_to(20, "1s"), hold("3s")]), thresholds: [ "http.failed rate < 1%" ] } }
fn user() { http::get("/", #{ name: "visit" }); }
"#;
    let outcome = Rehearsal::of(scenario).environment(&environment(&server)).run().await;
    outcome.assert_exit(0, "a population ends by itself");
    assert_eq!(outcome.assert_users_add_up(), 20);
    assert_eq!(outcome.users("finished"), 20);
    assert_calls_add_up(&outcome);
    let seen = server.seen();
    assert_eq!(outcome.count("http.response", &[("name", "visit")]), seen.request_count());
    // 20 users for 3 s with 100 ms each make 600 visits; a loaded machine may make fewer.
    assert!(seen.request_count() > 200, "users do not come again: {seen:?}");
    assert!(seen.most_at_once <= 20, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_over_the_limit_of_a_rate_are_dropped_and_counted() {
    let server = slow_server(Duration::from_secs(1)).await;
    let scenario = r#"
fn plan() { #{ load: rate([ramp_to(40, "1s"), hold("2s")]).at_most(6), thresholds: [ "http.failed rate < 1%" ] } }
fn user() { http::get("/", #{ name: "visit" }); }
"#;
    let outcome = Rehearsal::of(scenario).environment(&environment(&server)).run().await;
    outcome.assert_exit(0, "dropped starts fail no threshold of this plan");
    let planned = outcome.assert_users_add_up();
    assert!((99..=101).contains(&planned), "the rate's integral is 100: {planned}");
    let seen = server.seen();
    assert_eq!(outcome.users("finished"), seen.request_count(), "{}", outcome.context());
    assert_eq!(outcome.users("dropped"), planned - seen.request_count());
    assert!(outcome.users("dropped") > planned / 2, "{}", outcome.context());
    assert!(seen.most_at_once <= 6, "{seen:?}");
    assert_calls_add_up(&outcome);
}
