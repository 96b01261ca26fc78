//! Every row of the table of requests, answered rightly and refused rightly.

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;

use crate::viewer::{Viewer, hear, say, session_of, start};

async fn check(viewer: &Viewer, method: Method, path: &str, body: &str, expected: u16) {
    let request = viewer.request(method.clone(), path).body(body.to_owned());
    let status = request.send().await.unwrap().status();
    assert_eq!(status, expected, "{method} {path} {body}");
}

#[tokio::test]
async fn strangers_are_refused_until_they_sign_in() {
    let demo = start();
    let stranger = Viewer::stranger(&demo);
    let mut impostor = stranger.clone();
    impostor.cookie = Some(format!("session={}", "0".repeat(32)));
    for viewer in [stranger, impostor] {
        check(&viewer, Method::GET, "/api/programme", "", 401).await;
        check(&viewer, Method::GET, "/api/heartbeat", "", 401).await;
        check(&viewer, Method::POST, "/api/votes", r#"{"ballot":"b","choice":"A"}"#, 401).await;
        let refused = viewer.socket().await.unwrap_err();
        assert!(matches!(&refused, Error::Http(answer) if answer.status() == 401), "{refused}");
    }
    let guest = Viewer::guest(&demo).await;
    check(&guest, Method::GET, "/api/programme", "", 200).await;
    demo.stop().await;
}

#[tokio::test]
async fn the_programme_and_the_heartbeat_are_json() {
    let demo = start();
    let guest = Viewer::guest(&demo).await;
    let programme = guest.get("/api/programme").await;
    assert_eq!(programme.headers()[CONTENT_TYPE], "application/json");
    let programme: Value = programme.json().await.unwrap();
    assert_eq!(programme["candidates"].as_array().unwrap().len(), 3);
    let _socket = guest.socket().await.unwrap();
    let heartbeat: Value = guest.get("/api/heartbeat").await.json().await.unwrap();
    assert_eq!(heartbeat, json!({ "ok": true, "viewers": 1 }));
    demo.stop().await;
}

#[tokio::test]
async fn the_social_sign_in_is_a_chain_of_three_redirects() {
    let demo = start();
    let mut viewer = Viewer::stranger(&demo);
    let mut path = "/auth/sns".to_owned();
    let mut hops = Vec::new();
    loop {
        let response = viewer.get(&path).await;
        hops.push((path.split('?').next().unwrap().to_owned(), response.status().as_u16()));
        if hops.len() >= 3 {
            let cookie = session_of(&response);
            assert!(viewer.cookie.is_none_or(|earlier| earlier == cookie), "the session changed");
            viewer.cookie = Some(cookie);
        }
        let Some(location) = response.headers().get(LOCATION) else {
            break;
        };
        path = location.to_str().unwrap().to_owned();
    }
    let expected = [("/auth/sns", 302), ("/sns/authorize", 302), ("/auth/callback", 302), ("/auth/done", 200)];
    let expected = expected.map(|(path, status)| (path.to_owned(), status));
    assert_eq!(hops, expected);
    check(&viewer, Method::GET, "/api/programme", "", 200).await;
    demo.stop().await;
}

#[tokio::test]
async fn states_and_codes_of_sign_ins_are_checked() {
    let demo = start();
    let viewer = Viewer::stranger(&demo);
    let wrong = "f".repeat(32);
    check(&viewer, Method::GET, "/sns/authorize", "", 400).await;
    check(&viewer, Method::GET, "/sns/authorize?state=short", "", 400).await;
    check(&viewer, Method::GET, &format!("/sns/authorize?state={wrong}"), "", 400).await;

    let location = |response: reqwest::Response| response.headers()[LOCATION].to_str().unwrap().to_owned();
    let authorize = location(viewer.get("/auth/sns").await);
    let state = authorize.rsplit_once('=').unwrap().1;
    // Before it was authorized there is no right code.
    let guessed = format!("/auth/callback?code={wrong}&state={state}");
    check(&viewer, Method::GET, &guessed, "", 400).await;
    let callback = location(viewer.get(&authorize).await);
    check(&viewer, Method::GET, &guessed, "", 400).await;
    check(&viewer, Method::GET, &callback, "", 302).await;
    // A code works once.
    check(&viewer, Method::GET, &callback, "", 400).await;
    demo.stop().await;
}

#[tokio::test]
async fn a_session_votes_once_on_each_ballot() {
    let demo = start();
    let (first, second) = (Viewer::guest(&demo).await, Viewer::guest(&demo).await);
    for (viewer, body, status) in [
        (&first, r#"{"ballot":"b1","choice":"A"}"#, 201),
        (&first, r#"{"ballot":"b1","choice":"B"}"#, 409),
        (&first, r#"{"ballot":"b2","choice":"A"}"#, 201),
        (&second, r#"{"ballot":"b1","choice":"A"}"#, 201),
        (&second, r#"{"ballot":7,"choice":"A"}"#, 400),
        (&second, r#"{"ballot":"b3"}"#, 400),
        (&second, "not json", 400),
    ] {
        check(viewer, Method::POST, "/api/votes", body, status).await;
    }
    assert_eq!(demo.counters().votes, 3);
    demo.stop().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let demo = start();
    let guest = Viewer::guest(&demo).await;
    check(&guest, Method::GET, "/nowhere", "", 404).await;
    check(&guest, Method::GET, "/admin/nowhere", "", 404).await;
    check(&guest, Method::PUT, "/api/votes", "", 405).await;
    check(&guest, Method::GET, "/poll?cursor=-1", "", 400).await;
    check(&guest, Method::GET, "/socket", "", 400).await;
    check(&guest, Method::POST, "/admin/broadcast", r#"{"data":1}"#, 400).await;
    check(&guest, Method::POST, "/api/votes", &" ".repeat(100_000), 413).await;
    let refusal: Value = guest.get("/nowhere").await.json().await.unwrap();
    assert_eq!(refusal, json!({ "error": "there is nothing at this path" }));
    demo.stop().await;
}

#[tokio::test]
async fn a_socket_echoes_when_asked_and_survives_nonsense() {
    let demo = start();
    let guest = Viewer::guest(&demo).await;
    let mut socket = guest.socket().await.unwrap();
    say(&mut socket, "nonsense").await;
    say(&mut socket, r#"{"event":"chat","data":"hello"}"#).await;
    say(&mut socket, r#"{"event":"echo","data":{"n":1}}"#).await;
    assert_eq!(hear(&mut socket).await, json!({ "event": "echo", "data": { "n": 1 } }));
    let counters = serde_json::to_value(demo.counters()).unwrap();
    assert_eq!(counters["received"], json!({ "(other)": 1, "chat": 1, "echo": 1 }));
    demo.stop().await;
}

#[tokio::test]
async fn the_front_page_lists_the_requests() {
    let demo = start();
    let page = Viewer::stranger(&demo).get("/").await.text().await.unwrap();
    for path in ["/auth/guest", "/auth/sns", "/api/votes", "/poll?cursor=N", "/admin/counters"] {
        assert!(page.contains(path), "{path}");
    }
    demo.stop().await;
}
