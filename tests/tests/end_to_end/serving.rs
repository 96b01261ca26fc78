//! `coordinator serve`: runs are started, listed, steered, read and deleted over HTTP.

use std::path::Path;
use std::time::Duration;

use rehearsal_demo::{Demo, Options};
use rehearsal_tests::{Said, Served};
use reqwest::Method;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(40);

const SCENARIO: &str = r#"
fn plan() { #{ load: arrive(env.users).over(env.over).stay("1s"), thresholds: [ "http.failed rate < 1%" ] } }
fn user() { http::post("/auth/guest"); }
"#;

fn set(folder: &Path, demo: &Demo) {
    std::fs::write(folder.join("evening.rhai"), SCENARIO).unwrap();
    std::fs::write(folder.join("broken.rhai"), "fn plan() {\n    #{ load: arrive( }\n}\n").unwrap();
    std::fs::create_dir(folder.join("environments")).unwrap();
    let environment =
        format!("target = \"http://{}\"\nusers = 40\nover = \"4s\"\n[agents]\ncount = 1\n", demo.address());
    std::fs::write(folder.join("environments/dev.toml"), environment).unwrap();
}

/// Asks again and again until the answer is as wanted.
async fn until_answer(served: &Served, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let asking = async {
        loop {
            last = served.ask(Method::GET, path, None).await.1;
            if holds(&last) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let asked = tokio::time::timeout(PATIENCE, asking).await;
    assert!(asked.is_ok(), "{path} still says {last}");
    last
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_live_their_whole_life_over_http() {
    let demo = Demo::start(Options::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), &demo);
    let served = Served::start(folder.path(), "127.0.0.1:0").await;

    let (_, scenarios) = served.ask(Method::GET, "/api/scenarios", None).await;
    assert_eq!(scenarios.to_string().matches("\"name\"").count(), 2, "{scenarios}");
    let (status, refused) = served.ask(Method::POST, "/api/forecast", Some(json!({ "scenario": "broken" }))).await;
    assert_eq!(status, 422, "{refused}");
    assert!(refused["problems"][0]["line"].as_u64().is_some_and(|line| line > 0), "{refused}");
    let (_, forecast) = served.ask(Method::POST, "/api/forecast", Some(json!({ "scenario": "evening" }))).await;
    assert_eq!(forecast["users"], 40, "{forecast}");

    // Two at once; each has its own agents and numbers.
    let mut ids = Vec::new();
    for users in ["40", "60"] {
        let wanted = json!({ "scenario": "evening", "set": { "users": users } });
        let (status, started) = served.ask(Method::POST, "/api/runs", Some(wanted)).await;
        assert_eq!(status, 201, "{started}");
        ids.push(started["id"].as_str().unwrap().to_owned());
    }
    let first = format!("/api/runs/{}", ids[0]);
    until_answer(&served, &first, |run| run["state"] == "running").await;
    assert_eq!(served.ask(Method::DELETE, &first, None).await.0, 409, "a live run is not deleted");
    // Another coordinator on the same folder sees that it goes on and leaves it alone.
    let other = Served::start(folder.path(), "127.0.0.1:0").await;
    assert_eq!(other.ask(Method::DELETE, &first, None).await.0, 409, "nor by another coordinator");
    drop(other);
    let (status, answer) = served.ask(Method::POST, &format!("{first}/pause"), None).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["applied"][0]["agent"], "agent-1", "{answer}");
    assert_eq!(served.ask(Method::POST, &format!("{first}/resume"), None).await.0, 200);

    for (id, users) in ids.iter().zip([40, 60]) {
        let run = until_answer(&served, &format!("/api/runs/{id}"), |run| run["state"] == "judged").await;
        assert_eq!(run["users"]["finished"], users, "{run}");
        let (_, summary) = served.ask(Method::GET, &format!("/api/runs/{id}/report?format=json"), None).await;
        let found = (&summary["users"]["finished"], &summary["verdict"]);
        assert_eq!(found, (&json!(users), &json!("pass")), "{summary}");
        let (_, timeline) = served.ask(Method::GET, &format!("/api/runs/{id}/timeline?since=0"), None).await;
        let answers: u64 =
            timeline["seconds"].as_array().unwrap().iter().filter_map(|second| second["response"]["n"].as_u64()).sum();
        assert_eq!(answers, users);
    }
    let compared = Said::of(folder.path(), &["compare", &ids[0], &ids[1]]).await;
    assert_eq!(compared.code, Some(98), "too short to tell\n{}{}", compared.stdout, compared.stderr);

    assert_eq!(served.ask(Method::DELETE, &first, None).await.0, 204);
    assert_eq!(served.ask(Method::GET, &first, None).await.0, 404);
    let (_, runs) = served.ask(Method::GET, "/api/runs", None).await;
    assert!(!runs.to_string().contains(&ids[0]), "{runs}");
    assert_eq!(served.stop().await, Some(0));
}

/// Whoever ends the coordinator ends its runs, and leaves nothing running.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_serve_is_the_end_of_its_runs() {
    let demo = Demo::start(Options::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), &demo);
    let served = Served::start(folder.path(), "127.0.0.1:0").await;
    let wanted = json!({ "scenario": "evening", "set": { "users": "4000", "over": "60s" } });
    let (_, started) = served.ask(Method::POST, "/api/runs", Some(wanted)).await;
    let run = format!("/api/runs/{}", started["id"].as_str().unwrap());
    // They live for moments only: some have come and gone.
    until_answer(&served, &run, |run| run["users"]["finished"].as_u64() > Some(0)).await;
    assert_eq!(served.stop().await, Some(0));
    let report = Said::of(folder.path(), &["report", "last", "--format", "json"]).await;
    let summary: Value = serde_json::from_str(&report.assert_done().stdout).unwrap();
    let users = &summary["users"];
    assert!(users["cancelled"].as_u64() > Some(0), "{users}");
    assert_eq!((&users["waiting"], &users["live"]), (&json!(0), &json!(0)), "{users}");
}
