//! What people and programs send that is wrong: nothing of it does anything, and each is told what is wrong with it.

use rehearsal_api::{Command, RefusalBody};
use rehearsal_plan::Scale;

use crate::fake::World;

/// Sends a body and returns status and refusal.
async fn send(world: &World, path: &str, body: impl Into<reqwest::Body>) -> (u16, String) {
    let response = world.request("POST", path).body(body).send().await.unwrap();
    let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
    let refusal: RefusalBody =
        serde_json::from_str(&text).unwrap_or_else(|wrong| panic!("{path} {status}: {wrong}: {text}"));
    (status, refusal.error)
}

#[tokio::test]
async fn bad_bodies_are_refused_with_what_is_wrong() {
    let (scale, runs, stop) = ("/api/runs/last/scale", "/api/runs", "/api/runs/last/stop");
    let deep = "[".repeat(60_000);
    let cases: [(&str, &[u8], u16, &str); 26] = [
        (runs, b"", 422, "missing field `scenario`"),
        (runs, b"{", 400, "EOF"),
        (runs, b"[]", 400, "not a JSON object"),
        (runs, b"\"quiz\"", 400, "not a JSON object"),
        (runs, b"null", 400, "not a JSON object"),
        (runs, b"{} {}", 400, "trailing characters"),
        (runs, b"scenario=quiz", 400, "line 1 column 1"),
        (runs, b"\xff\xfe", 400, "line 1 column 1"),
        (runs, b"{\"scenario\": \"\xff\"}", 400, "unicode"),
        (runs, deep.as_bytes(), 400, "recursion limit"),
        (runs, br#"{"sceanrio": "quiz"}"#, 422, "did you mean `scenario`?"),
        (runs, br#"{"scenario": "quiz", "environmet": "dev"}"#, 422, "did you mean `environment`?"),
        (runs, br#"{"scenario": 7}"#, 422, "scenario: invalid type"),
        (runs, br#"{"scenario": "quiz", "agents": -1}"#, 422, "agents: invalid value"),
        (runs, br#"{"scenario": "quiz", "agents": 0}"#, 422, "at least one"),
        (runs, br#"{"scenario": "quiz", "agents": 1e99}"#, 422, "agents: invalid type"),
        (runs, br#"{"scenario": "quiz", "set": ["a=b"]}"#, 422, "set: invalid type"),
        (runs, br#"{"scenario": "quizz"}"#, 422, "did you mean `quiz`?"),
        (runs, br#"{"scenario": "../../etc/passwd"}"#, 422, "there is: broadcast_vote, quiz"),
        (runs, br#"{"scenario": "quiz", "environment": "../x"}"#, 422, "there is: dev, stress"),
        (stop, br#"{"now": "yes"}"#, 422, "now: invalid type"),
        (scale, b"{}", 422, "exactly one of"),
        (scale, br#"{"users": 10, "factor": 2}"#, 422, "exactly one of"),
        (scale, br#"{"factor": -1}"#, 422, "cannot be scaled to -1"),
        (scale, br#"{"factor": 1, "over": "soon"}"#, 422, "over: reading the duration `soon`"),
        (scale, br#"{"rate": 1e999}"#, 400, "number out of range"),
    ];
    let world = World::start();
    for (path, body, status, told) in cases {
        let (answered, error) = send(&world, path, body.to_vec()).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]);
        assert_eq!(answered, status, "{path} {shown}: {error}");
        assert!(error.contains(told), "{path} {shown}: {error}");
    }
    assert!(world.desk.commands.lock().unwrap().is_empty());
    assert!(world.desk.started.lock().unwrap().is_empty());
}

#[tokio::test]
async fn bad_places_are_refused() {
    let world = World::start();
    let long = format!("/api/runs/{}", "a".repeat(129));
    for (path, status) in [
        ("/api/runs/..%2f..%2fetc", 400),
        ("/api/runs/.hidden", 400),
        ("/api/runs/%ff", 400),
        ("/api/runs/a%20b", 400),
        ("/api/runs/a%00b", 400),
        (long.as_str(), 400),
        ("/api/runs/none", 404),
        ("/api/runs/last/timeline?since=-1", 400),
        ("/api/runs/last/timeline?sinec=1", 400),
        ("/api/runs/last/report", 400),
        ("/api/runs/last/report?format=pdf", 400),
    ] {
        let response = world.request("GET", path).send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        let _: RefusalBody = response.json().await.unwrap();
    }
}

#[tokio::test]
async fn who_gives_a_command_must_have_a_name_that_a_log_can_hold() {
    let world = World::start();
    let longest = "a".repeat(64);
    let too_long = "a".repeat(65);
    let cases = [
        (Some(b"anna".as_slice()), Some("anna")),
        (Some(longest.as_bytes()), Some(longest.as_str())),
        (None, Some("api")),
        (Some(too_long.as_bytes()), None),
        (Some(b""), None),
        (Some(b"an na"), None),
        (Some(b"an\tna"), None),
        (Some("änne".as_bytes()), None),
    ];
    for (name, logged) in cases {
        let request = world.request("POST", "/api/runs/last/pause");
        let request = name.into_iter().fold(request, |request, name| request.header("x-rehearsal-by", name));
        let status = request.send().await.unwrap().status();
        let by = world.desk.commands.lock().unwrap().pop().map(|(by, _)| by);
        assert_eq!((status.as_u16(), by.as_deref()), (if logged.is_some() { 200 } else { 400 }, logged), "{name:?}");
    }
}

#[tokio::test]
async fn commands_reach_the_desk_as_they_were_given() {
    let scale = |to, scenario: Option<&str>, seconds: Option<u64>| Command::Scale {
        to,
        scenario: scenario.map(str::to_owned),
        over: seconds.map(std::time::Duration::from_secs),
    };
    let cases = [
        ("stop", "", Command::Stop { now: false }),
        ("stop", "{}", Command::Stop { now: false }),
        ("stop", r#"{"now": true}"#, Command::Stop { now: true }),
        ("pause", "", Command::Pause),
        ("resume", "", Command::Resume),
        ("scale", r#"{"factor": 0}"#, scale(Scale::Factor(0.0), None, None)),
        ("scale", r#"{"rate": 2.5, "scenario": null}"#, scale(Scale::Rate(2.5), None, None)),
        ("scale", r#"{"users": 9, "scenario": "a", "over": "1m30s"}"#, scale(Scale::Users(9), Some("a"), Some(90))),
        ("cues/open_vote", "", Command::Cue { name: "open_vote".into() }),
        ("cues/open%20the%2Fvote", "", Command::Cue { name: "open the/vote".into() }),
    ];
    let world = World::start();
    for (place, body, command) in cases {
        let path = format!("/api/runs/last/{place}");
        let response = world.request("POST", &path).body(body).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path} {body}");
        let given = world.desk.commands.lock().unwrap().pop();
        assert_eq!(given, Some(("api".to_owned(), command)), "{path} {body}");
    }
}
