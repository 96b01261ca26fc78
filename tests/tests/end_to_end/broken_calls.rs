//! Systems that are down, slow or broken: the run ends in time, fails, and says what was wrong.

use std::net::SocketAddr;
use std::time::Duration;

use rehearsal_tests::{Act, Outcome, Rehearsal, Server, answer, assert_calls_add_up};

const USERS: u64 = 40;

/// No threshold: that nothing worked is reason enough to fail.
const SCENARIO: &str = r#"
fn plan() { #{ load: arrive(40).over("1s") } }
fn user() { let reply = http::get("/front", #{ timeout: "1s" }); if reply.ok { reply.json(); } }
"#;

/// Runs users against `target` and asserts that each met the error, that the run took no longer
/// than it had to, and that its verdict is a failure.
async fn check_at(target: SocketAddr, kind: &str) -> Outcome {
    let environment = format!("target = \"http://{target}\"\n[http]\nmax_body = 100000\n");
    let outcome = Rehearsal::of(SCENARIO).environment(&environment).bound(Duration::from_secs(30)).run().await;
    outcome.assert_exit(99, "nothing worked");
    assert_eq!(outcome.summary["verdict"], "fail");
    let (count, sample) = outcome.error(kind);
    assert_eq!(count, USERS, "{}", outcome.context());
    assert!(sample.contains("/front"), "the sample names the address: {sample}");
    assert_eq!(outcome.count("http.failed", &[("kind", kind)]), USERS);
    assert_eq!(outcome.assert_users_add_up(), USERS);
    assert_eq!(outcome.users("finished"), USERS, "no answer is no error of the script");
    assert_calls_add_up(&outcome);
    outcome
}

async fn check(kind: &str, act: Act) -> (Outcome, Server) {
    let server = Server::start(move |_| act.clone()).await;
    let outcome = check_at(server.address, kind).await;
    (outcome, server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_that_is_down() {
    let outcome = check_at(Server::nobody().await, "refused").await;
    assert_eq!(outcome.count("http.response", &[]), 0, "nobody answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_that_fails_always() {
    let act = Act::Answer(answer("500 Internal Server Error", "", "oh"));
    let (outcome, server) = check("5xx", act).await;
    assert_eq!(outcome.count("http.response", &[("status", "500")]), USERS);
    assert_eq!(server.seen().request_count(), USERS, "nothing is tried again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_that_never_answers() {
    let (_, server) = check("timeout", Act::Hang).await;
    assert_eq!(server.seen().request_count(), USERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_that_answers_too_late() {
    let late = Act::AnswerAfter(Duration::from_secs(4), answer("200 OK", "", "{}"));
    check("timeout", late).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_in_an_answer() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{ \"half\":".to_vec();
    check("closed", Act::Cut(half)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_no_http() {
    let nonsense = b"HTP/9 four hundred and something\r\n\r\n".to_vec();
    check("protocol", Act::Cut(nonsense)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_without_end() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    check("body", Act::Flood(head, vec![b'x'; 16 * 1024])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_that_go_round_in_circles() {
    let circle = answer("302 Found", "location: /front\r\n", "");
    let server = Server::start(move |_| Act::Answer(circle.clone())).await;
    let scenario = SCENARIO.replace(r#"over("1s")"#, r#"over("1s"), thresholds: [ "http.failed rate < 1%" ]"#);
    let environment = format!("target = \"http://{}\"\n", server.address);
    let outcome = Rehearsal::of(&scenario).environment(&environment).run().await;
    outcome.assert_exit(99, "every hop was answered, and no call came to an end");
    assert_eq!(outcome.error("redirects").0, USERS);
    assert_eq!(outcome.count("http.failed", &[("kind", "redirects")]), USERS);
    // Ten redirects are followed, so each user is answered eleven times.
    assert_eq!(outcome.count("http.response", &[("status", "302")]), USERS * 11);
    assert_eq!(server.seen().request_count(), USERS * 11);
    assert_calls_add_up(&outcome);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_no_json_are_answers_and_errors() {
    let server = Server::start(|_| Act::Answer(answer("200 OK", "", "<html>"))).await;
    let scenario = r#"
fn plan() { #{ load: arrive(40).over("1s"), thresholds: [ "checks{name:readable} rate > 99%" ] } }
fn user() { check("readable", http::get("/front").json() != ()); }
"#;
    let environment = format!("target = \"http://{}\"\n", server.address);
    let outcome = Rehearsal::of(scenario).environment(&environment).run().await;
    outcome.assert_exit(99, "nothing could be read");
    assert_eq!(outcome.error("json").0, USERS);
    assert_eq!(outcome.count("http.response", &[("status", "200")]), USERS);
    assert_eq!(outcome.entry("checks", "name", "readable")["failed"], USERS);
    assert_eq!(outcome.users("finished"), USERS);
}
