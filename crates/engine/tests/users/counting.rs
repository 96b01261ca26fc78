//! What is counted and as what: the table of `contracts.md` §2, held against real answers.

use std::time::Duration;

use rehearsal_metrics::{CallCounts, UserState};
use tokio::net::TcpListener;

use crate::scene::{demo, play, scene};
use crate::server::{Act, Server};

async fn site() -> Server {
    Server::start(|request, _| match request.path.as_str() {
        "/json" => Act::Reply(200, "{\"answer\": 42}"),
        "/text" => Act::Reply(200, "no json at all"),
        "/missing" => Act::Reply(404, ""),
        "/broken" => Act::Reply(500, ""),
        "/hang" => Act::Hang,
        "/half" => Act::Cut("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"),
        "/noise" => Act::Cut("what do you want?\r\n\r\n"),
        "/around" => Act::With(302, "location: /around".to_owned()),
        "/items/17" => Act::With(302, "location: /json".to_owned()),
        _ => Act::Reply(200, ""),
    })
    .await
}

#[tokio::test]
async fn every_hop_of_a_redirect_is_a_call() {
    let demo = demo();
    let text = "fn user() { let reply = http::get(\"/auth/sns\", #{ name: \"sns sign-in\" });
        check(\"the last answer is seen\", reply.status == 200);
        check(\"signed in\", http::get(\"/api/heartbeat\").ok); }";
    let played = play(text, demo.address()).await;
    played.must_be_fine("the sign-in");
    let hops = [
        ("sns sign-in", "302"),
        ("GET /sns/authorize", "302"),
        ("GET /auth/callback", "302"),
        ("GET /auth/done", "200"),
        ("GET /api/heartbeat", "200"),
    ];
    for (name, status) in hops {
        for metric in ["http.response", "http.service", "http.first_byte"] {
            let tags = [("name", name), ("status", status), ("method", "GET")];
            assert_eq!(played.told.count(metric, &tags), 1, "{metric} {name}");
            assert_eq!(played.told.count(metric, &[("name", name)]), 1, "{metric} {name}");
        }
        assert_eq!(played.told.ratio("http.failed", &[("name", name)]), (0, 1), "{name}");
        assert_eq!(played.told.calls(name), CallCounts { begun: 1, answered: 1, failed: 0, cut: 0 }, "{name}");
    }
    assert_eq!(played.told.count("http.response", &[]), 5);
    assert_eq!(played.told.count("http.connect", &[]), 1, "one kept connection serves all");
}

/// A call without an answer: its kind, and nothing in any duration.
async fn fails_as(kind: &str, call: &str) {
    let server = site().await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap(); // closed again at once
    let call = call.replace("NOBODY", &nobody.to_string());
    let text = format!(
        "fn user() {{ let reply = {call};
         check(\"status 0\", reply.status == 0); check(\"not ok\", !reply.ok); check(\"why\", reply.error != ()); }}"
    );
    let played = play(text, server.address).await;
    played.must_pass(&call);
    let told = &played.told;
    assert_eq!(told.ratio("http.failed", &[("kind", kind)]), (1, 1), "{call}: {:?}", told.whole().errors);
    assert_eq!(told.error(kind).count, 1, "{call}");
    assert!(!told.error(kind).sample.is_empty(), "{call}");
    let durations =
        ["http.response", "http.service", "http.first_byte"].map(|metric| told.count(metric, &[("name", "it")]));
    assert_eq!(durations, [0; 3], "{call}");
    assert_eq!(told.calls("it"), CallCounts { begun: 1, answered: 0, failed: 1, cut: 0 }, "{call}");
}

#[tokio::test]
async fn calls_without_an_answer_are_failed_and_nothing_else() {
    fails_as("refused", "http::get(\"http://NOBODY/\", #{ name: \"it\" })").await;
    fails_as("timeout", "http::get(\"/hang\", #{ name: \"it\", timeout: \"200ms\" })").await;
    fails_as("closed", "http::get(\"/half\", #{ name: \"it\" })").await;
    fails_as("protocol", "http::get(\"/noise\", #{ name: \"it\" })").await;
    fails_as("url", "http::get(\"http://[\", #{ name: \"it\" })").await;
    fails_as("denied", "http::get(\"http://169.254.169.254/latest\", #{ name: \"it\" })").await;
}

/// A status from 400 on: answered, and a failure unless it was expected.
async fn status_counts(call: &str, status: &str, kind: Option<&str>) {
    let server = site().await;
    let played = play(format!("fn user() {{ check(\"status\", {call}.status == {status}); }}"), server.address).await;
    played.must_pass(call);
    assert_eq!(played.told.count("http.response", &[("status", status)]), 1, "{call}");
    let failed = u64::from(kind.is_some());
    assert_eq!(played.told.ratio("http.failed", &[]), (failed, 1), "{call}");
    if let Some(kind) = kind {
        assert_eq!(played.told.ratio("http.failed", &[("kind", kind)]), (1, 1), "{call}");
        assert_eq!(played.told.error(kind).count, 1, "{call}");
    }
    let calls: Vec<_> = played.told.whole().calls.values().collect();
    assert_eq!(calls, [&CallCounts { begun: 1, answered: 1, failed: 0, cut: 0 }], "{call}");
}

#[tokio::test]
async fn statuses_from_400_are_failures_unless_expected() {
    status_counts("http::get(\"/json\")", "200", None).await;
    status_counts("http::get(\"/missing\")", "404", Some("4xx")).await;
    status_counts("http::get(\"/broken\")", "500", Some("5xx")).await;
    status_counts("http::get(\"/missing\", #{ expect: 404 })", "404", None).await;
    status_counts("http::get(\"/missing\", #{ expect: [409, \"4xx\"] })", "404", None).await;
    status_counts("http::get(\"/broken\", #{ expect: \"4xx\" })", "500", Some("5xx")).await;
    status_counts("http::get(\"/items/17\", #{ follow: false })", "302", None).await;
}

#[tokio::test]
async fn redirects_without_end_fail_in_the_end() {
    let server = site().await;
    let played = play("fn user() { check(\"no answer\", http::get(\"/around\").status == 0); }", server.address).await;
    played.must_pass("a redirect to itself");
    assert_eq!(played.told.ratio("http.failed", &[("kind", "redirects")]).0, 1);
    assert!(server.seen().requests.len() <= 12, "{}", server.seen().requests.len());
}

#[tokio::test]
async fn ids_are_folded_and_parallel_calls_are_calls() {
    let server = site().await;
    let text = "fn user() {
        let replies = http::parallel([\"/items/17\", [\"POST\", \"/json\"], \"/missing\"]);
        check(\"in order\", replies[0].json().answer == 42 && replies[1].ok && replies[2].status == 404); }";
    let played = play(text, server.address).await;
    played.must_pass("three at once");
    for (name, answered) in [("GET /items/:id", 1), ("GET /json", 1), ("POST /json", 1), ("GET /missing", 1)] {
        assert_eq!(played.told.calls(name).answered, answered, "{name}");
    }
}

#[tokio::test]
async fn what_is_no_json_is_unit_and_an_error() {
    let server = site().await;
    let text = "fn user() { check(\"unit\", http::get(\"/text\").json() == ()); check(\"goes on\", true); }";
    let played = play(text, server.address).await;
    played.must_pass("text for JSON");
    assert_eq!(played.told.error("json").count, 1);
    assert!(played.told.error("json").sample.contains("no json at all"), "{}", played.told.error("json").sample);
    assert_eq!(played.told.ratio("http.failed", &[]), (0, 1), "the call itself was answered");
}

#[tokio::test]
async fn tags_are_on_everything_from_then_on() {
    let server = site().await;
    let text = "fn user() {
        http::get(\"/before\"); check(\"early\", true);
        tag(\"kind\", \"guest\"); tag(\"level\", 3);
        http::get(\"/after\"); check(\"late\", true); count(\"votes\", 2); record(\"thinking\", \"300ms\");
        http::get(\"/special\", #{ tags: #{ part: \"vote\" } }); http::get(\"/missing\");
        tag(\"kind\", \"member\"); http::get(\"/last\"); }";
    let played = play(text, server.address).await;
    played.must_pass("tags");
    let told = &played.told;
    let guest = [("kind", "guest"), ("level", "3")];
    for (metric, tags, all) in [
        ("http.response", &guest[..], 3),
        ("http.response", &[], 5),
        ("http.response", &[("kind", "member")], 1),
        ("http.response", &[("part", "vote")], 1),
        ("http.response", &[("part", "vote"), ("kind", "guest"), ("name", "GET /special")], 1),
        ("http.failed", &[("level", "3")], 4),
        ("checks", &guest[..], 1),
        ("checks", &[("name", "early")], 1),
        ("custom.votes", &guest[..], 2),
        ("custom.thinking", &guest[..], 1),
        ("errors", &[("level", "3")], 1),
    ] {
        assert_eq!(told.count(metric, tags), all, "{metric} {tags:?}");
    }
    assert_eq!(told.count("http.response", &[("region", "here")]), 5);
}

#[tokio::test]
async fn scenarios_measure_for_themselves() {
    let server = site().await;
    let text = "fn user() {
        check(\"yes\", true); check(\"no\", false); check(\"no\", true);
        count(\"once\"); count(\"many\", 41); count(\"many\", 1);
        record(\"given\", \"1500ms\"); record(\"given\", 0.5);
        let value = measure(\"slept\", || { sleep(\"250ms\"); 17 });
        check(\"its value\", value == 17);
        let inner = measure(\"outer\", || measure(\"inner\", || http::get(\"/json\").json().answer));
        check(\"nested\", inner == 42); }";
    let played = play(text, server.address).await;
    let told = &played.told;
    assert_eq!(played.end, UserState::Finished);
    assert_eq!(told.ratio("checks", &[("name", "no")]), (1, 2));
    assert_eq!(told.ratio("checks", &[]), (4, 5));
    assert_eq!((told.count("custom.once", &[]), told.count("custom.many", &[])), (1, 42));
    assert_eq!(told.count("custom.given", &[]), 2);
    assert!((told.seconds_at(100.0, "custom.given", &[]) - 1.5).abs() < 0.01);
    let slept = told.seconds_at(50.0, "custom.slept", &[]);
    assert!((0.25..0.6).contains(&slept), "{slept}");
    assert_eq!((told.count("custom.inner", &[]), told.count("custom.outer", &[])), (1, 1));
}

/// The header of the environment carries the user's number, and the agent's id.
#[tokio::test]
async fn requests_say_whose_they_are() {
    let server = site().await;
    let mut scene = scene("fn user() { http::get(\"/json\"); websocket(\"/socket\"); }", server.address);
    scene.environment.http.user_header = Some("x-user".into());
    scene.environment.http.agent_header = Some("x-agent".into());
    scene.environment.http.timeout = Duration::from_secs(5);
    scene.play().await;
    let seen = server.seen().requests;
    assert_eq!(seen.len(), 2);
    for request in seen {
        assert_eq!(
            (request.header("x-user"), request.header("x-agent")),
            (Some("0"), Some("agent-3")),
            "{}",
            request.path
        );
    }
}
