//! How the exit code follows from the thresholds.

use rehearsal_tests::{Act, Outcome, Rehearsal, Server, answer};

const HOLDS: &str = "http.response{name:read} p(99) < 10s";
const FAILS: &str = "http.response{name:read} p(50) > 10s";
const NO_DATA: &str = "http.response{name:written} p(99) < 10s";

/// Runs a healthy load with these thresholds and asserts the code, the verdict and the outcome of
/// each threshold.
async fn check(thresholds: &[(&str, &str)], code: i32, verdict: &str) -> Outcome {
    let server = Server::start(|_| Act::Answer(answer("200 OK", "", "{}"))).await;
    let texts: Vec<&str> = thresholds.iter().map(|(text, _)| *text).collect();
    let scenario = format!(
        r#"
fn plan() {{ #{{ load: arrive(20).over("1s"), thresholds: {texts:?} }} }}
fn user() {{ http::get("/", #{{ name: "read" }}); }}
"#
    );
    let environment = format!("target = \"http://{}\"\n", server.address);
    let outcome = Rehearsal::of(&scenario).environment(&environment).run().await;
    outcome.assert_exit(code, verdict);
    assert_eq!(outcome.summary["verdict"], verdict, "{}", outcome.context());
    assert_eq!(outcome.list("thresholds").len(), thresholds.len());
    for (text, expected) in thresholds {
        assert_eq!(outcome.threshold(text), *expected, "{text}");
    }
    assert_eq!(outcome.users("finished"), 20);
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_threshold_that_holds_passes() {
    check(&[(HOLDS, "pass")], 0, "pass").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_threshold_that_fails_is_99_and_a_finding() {
    let outcome = check(&[(HOLDS, "pass"), (FAILS, "fail")], 99, "fail").await;
    let findings = outcome.list("findings").iter();
    let errors: Vec<_> = findings.filter(|finding| finding["severity"] == "error").collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    let said = errors[0].to_string();
    assert!(said.contains("http.response"), "the finding names its threshold: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_threshold_without_data_is_98() {
    check(&[(HOLDS, "pass"), (NO_DATA, "no_data")], 98, "inconclusive").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_beats_missing_data() {
    check(&[(FAILS, "fail"), (NO_DATA, "no_data")], 99, "fail").await;
}
