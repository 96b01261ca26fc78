//! Mistakes of people: all are reported at once, each with its place, and nothing is started.

use rehearsal_tests::{Act, Outcome, Rehearsal, Server, answer};
use serde_json::Value;

/// A mistake in every line that says so.
const MISTAKEN: &str = r#"
fn plan() {
    #{
        load: arrive(20).over("1s"),
        thresholds: [ "http.respons p(99) < 1s" ],      // mistake: no such metric
        sped: 3,                                        // mistake: no such key
    }
}
fn user() {
    http::get("/", #{ naem: "read" });                  // mistake: no such option
    every(env.hartbeat, || http::get("/"));             // mistake: no such key of the environment
    slep("1s");                                         // mistake: no such function
    check("counted");                                   // mistake: an argument is missing
    log(usr.number);                                    // mistake: no such variable
}
"#;

const ENVIRONMENT: &str = "target = \"http://127.0.0.1:9\"\nheartbeat = \"1s\"\n";

fn mistaken_lines() -> Vec<u64> {
    let lines = (1..).zip(MISTAKEN.lines());
    lines.filter(|(_, line)| line.contains("// mistake")).map(|(number, _)| number).collect()
}

/// Asserts that nothing was started: exit 2, no run folder, and an explanation that says this.
#[track_caller]
fn assert_refused(outcome: &Outcome, says: &[&str]) {
    outcome.assert_exit(2, "a mistake of the user's");
    assert_eq!(outcome.summary, Value::Null, "nothing is judged");
    for text in says {
        assert!(outcome.stderr.contains(text), "no {text:?}\n{}", outcome.context());
    }
}

#[tokio::test]
async fn start_names_every_mistake_and_starts_nothing() {
    let outcome = Rehearsal::of(MISTAKEN).environment(ENVIRONMENT).run().await;
    assert_refused(&outcome, &[]);
    assert_eq!(outcome.stdout, "", "explanations are no data");
    for line in mistaken_lines() {
        let place = format!("scenario.rhai:{line}:");
        assert!(outcome.stderr.contains(&place), "no {place}\n{}", outcome.context());
    }
}

#[tokio::test]
async fn validate_lists_every_mistake_for_machines() {
    let rehearsal = Rehearsal::of(MISTAKEN).environment(ENVIRONMENT);
    let outcome = rehearsal.arguments(["--json"]).validate().await;
    outcome.assert_exit(2, "the scenario is invalid");
    let diagnostics: Vec<Value> = serde_json::from_str(&outcome.stdout).unwrap();
    for diagnostic in &diagnostics {
        let keys: Vec<&String> = diagnostic.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["file", "line", "column", "severity", "message", "hint"]);
        assert!(diagnostic["file"].as_str().unwrap().ends_with("scenario.rhai"));
    }
    let errors = diagnostics.iter().filter(|one| one["severity"] == "error");
    let mut lines: Vec<u64> = errors.map(|error| error["line"].as_u64().unwrap()).collect();
    lines.sort_unstable();
    assert_eq!(lines, mistaken_lines(), "{}", outcome.stdout);
    let hints = diagnostics.iter().filter_map(|one| one["hint"].as_str());
    assert!(hints.clone().any(|hint| hint.contains("heartbeat")), "{}", outcome.stdout);
    assert!(hints.clone().any(|hint| hint.contains("sleep")), "{}", outcome.stdout);
}

#[tokio::test]
async fn validate_has_nothing_to_say_about_a_good_scenario() {
    let scenario = r#"
fn plan() { #{ load: arrive(20).over("1s"), thresholds: [ "http.failed rate < 1%" ] } }
fn user() { http::get("/"); }
"#;
    let rehearsal = Rehearsal::of(scenario).environment(ENVIRONMENT);
    let outcome = rehearsal.arguments(["--json"]).validate().await;
    outcome.assert_exit(0, "the scenario is valid");
    let diagnostics: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(diagnostics, Value::Array(Vec::new()));
}

#[tokio::test]
async fn mistakes_of_an_environment_are_named_by_line() {
    let scenario = r#"fn plan() { #{ load: arrive(1).over("1s") } } fn user() { }"#;
    let environment = "target = 7\n[agents]\ncuont = 2\nlaunch = \"lokal\"\n";
    let outcome = Rehearsal::of(scenario).environment(environment).run().await;
    let says = ["dev.toml:1", "dev.toml:3", "dev.toml:4", "did you mean `count`", "local"];
    assert_refused(&outcome, &says);
}

#[tokio::test]
async fn words_that_nobody_knows_are_refused() {
    let scenario = r#"fn plan() { #{ load: arrive(1).over("1s") } } fn user() { }"#;
    let cases: [(&[&str], &str); 3] = [
        (&["--agnets", "local:1"], "--agnets"),
        (&["--env", "prodution"], "prodution"),
        (&["--agents", "loacl:1"], "loacl"),
    ];
    for (arguments, named) in cases {
        let rehearsal = Rehearsal::of(scenario).environment(ENVIRONMENT);
        let outcome = rehearsal.arguments(arguments.iter().copied()).run().await;
        assert_refused(&outcome, &[named]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_are_not_allowed_are_not_asked() {
    let server = Server::start(|_| Act::Answer(answer("200 OK", "", "{}"))).await;
    let scenario = r#"
fn plan() { #{ load: arrive(5).over("1s"), thresholds: [ "http.failed rate < 1%" ] } }
fn user() { http::get("/", #{ name: "ours" }); http::get("http://192.0.2.1/", #{ name: "theirs" }); }
"#;
    let environment = format!("target = \"http://{}\"\n", server.address);
    let outcome = Rehearsal::of(scenario).environment(&environment).run().await;
    outcome.assert_exit(99, "half of the calls were denied");
    assert_eq!(server.seen().request_count(), 5);
    assert_eq!(outcome.error("denied").0, 5);
}
