//! Users whose scripts compute without end, recurse, nest and throw cost nobody but themselves.

use std::time::Duration;

use rehearsal_demo::{Demo, Options};
use rehearsal_tests::{Outcome, Rehearsal, assert_calls_add_up};

const USERS: u64 = 60;
/// Of ten users five behave, and each makes ten calls.
const GOOD: u64 = USERS / 2;
const CALLS: u64 = 10;

const SCENARIO: &str = r#"
fn plan() {
    #{ load: arrive(60).over("1s"), thresholds: [ "http.response{name:good} p(99) < 1s" ] }
}
fn user() {
    switch user.number % 10 {
        0 => compute(),
        1 => spin(),
        2 => recurse(1),
        3 => nest(),
        4 => give_up(),
        _ => behave(),
    }
}
fn compute() { let n = 0; while n >= 0 { n += 1; } }    // endless
fn spin() { loop { } }                                  // endless
fn recurse(n) { 1 + recurse(n + 1) }                    // recursion
fn nest() { let a = []; loop { a = [a]; } }             // endless, or too large before
fn give_up() { throw "on purpose"; }                    // script
fn behave() {
    for n in 0..10 { http::post("/auth/guest", #{ name: "good" }); sleep("100ms"); }
}
"#;

/// Asserts that an error's sample names a line of the scenario with this remark.
#[track_caller]
fn assert_names_line(outcome: &Outcome, kind: &str) {
    let (_, sample) = outcome.error(kind);
    let lines = (1..).zip(SCENARIO.lines());
    let remark = format!("// {kind}");
    let mut marked = lines.filter(|(_, line)| line.contains(&remark) || line.contains("// endless, or"));
    let named = marked.any(|(number, _)| sample.contains(&format!(":{number}:")));
    assert!(named, "the error {kind} names no such line: {sample}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_users_do_not_notice_bad_ones() {
    let demo = Demo::start(Options::default()).unwrap();
    let environment = format!("target = \"http://{}\"\n[agents]\ncount = 2\n", demo.address());
    let outcome = Rehearsal::of(SCENARIO).environment(&environment).bound(Duration::from_secs(120)).run().await;
    outcome.assert_exit(0, "bad users fail no threshold of this plan");
    assert_eq!(outcome.assert_users_add_up(), USERS);
    assert_eq!(outcome.users("finished"), GOOD, "{}", outcome.context());
    assert_eq!(outcome.users("failed"), USERS - GOOD);

    let answered = outcome.count("http.response", &[("name", "good"), ("status", "200")]);
    assert_eq!(answered, GOOD * CALLS, "{}", outcome.context());
    assert_eq!(demo.counters().requests["POST /auth/guest"][&200], GOOD * CALLS);
    assert_calls_add_up(&outcome);

    let bad = USERS / 10;
    for (kind, least) in [("endless", 2 * bad), ("recursion", bad), ("script", bad)] {
        let (count, _) = outcome.error(kind);
        assert!(count >= least, "{kind}: {count}\n{}", outcome.context());
        assert_names_line(&outcome, kind);
    }
    let errors = outcome.list("errors").iter();
    let total: u64 = errors.map(|error| error["count"].as_u64().unwrap()).sum();
    assert_eq!(total, USERS - GOOD, "one error for each bad user\n{}", outcome.context());
}
