//! Users whose scripts compute, recurse, grow and fail, beside users who do what they should.

use rehearsal_engine::Stop;
use rehearsal_metrics::UserState as State;

use rehearsal_plan::Stay;
use std::time::Duration;

use crate::crew::{arrive, staying};
use crate::scene::{demo, play, scene};
use crate::server::{Act, Server};

const GOOD: u64 = 200;
const BAD: u64 = 50;
/// What a good user does in its five seconds: a beat every 200 ms, none at once and perhaps none at the end.
const BEATS: u64 = 24;

#[tokio::test]
async fn good_users_do_not_notice() {
    let demo = demo();
    let text = "fn good() { http::post(\"/auth/guest\"); every(\"200ms\", || http::get(\"/api/heartbeat\")); }
        fn endless() { loop {} }
        fn recursion(n) { recursion(n + 1) }
        fn deep() { recursion(0); }
        fn nesting() { let a = []; loop { a = [a]; } }
        fn thrower() { sleep(between(0.0, 1.0)); throw \"no more\"; }";
    let mut scene = scene(text, demo.address());
    scene.runs = vec!["good", "endless", "deep", "nesting", "thrower"];
    let bad = arrive(BAD, 1_000);
    let good = staying(GOOD, 1_000, Stay::Each(Duration::from_secs(5)));
    let mut crew = scene.crew(&[good, bad.clone(), bad.clone(), bad.clone(), bad], 1);
    crew.until("the good ones have left", |told| told.moved(State::Live, State::Finished) == GOOD).await;
    crew.stop(Stop::Hard).await;
    let told = crew.end().await;

    let beats = told.count("http.response", &[("name", "GET /api/heartbeat"), ("status", "200")]);
    assert!((BEATS * GOOD..=(BEATS + 1) * GOOD).contains(&beats), "{beats} beats");
    let p99 = told.seconds_at(99.0, "http.response", &[("name", "GET /api/heartbeat")]);
    assert!(p99 < 0.15, "p99 of the good ones is {p99} s");
    assert_eq!(told.error("script").count, BAD);
    assert!(told.error("script").sample.contains(":6:") && told.error("script").sample.contains("no more"));
    assert_eq!(told.error("recursion").count, BAD);
    assert!(told.error("recursion").sample.contains(":3:"), "{}", told.error("recursion").sample);
    let failed = told.moved(State::Live, State::Failed);
    assert_eq!(failed + told.moved(State::Live, State::Cancelled), 4 * BAD);
}

#[tokio::test]
async fn who_computes_without_end_is_ended() {
    let server = Server::start(|_, _| Act::Reply(200, "")).await;
    let check = async |sentence: &str, kind: &str, line: usize, body: &str| {
        let played = play(format!("fn user() {{\n{body}\n}}"), server.address).await;
        assert_eq!(played.end, State::Failed, "{sentence}");
        let error = played.told.error(kind);
        assert_eq!(error.count, 1, "{sentence}: {:?}", played.told.whole().errors);
        assert!(error.sample.contains(&format!("scenario.rhai:{line}:")), "{sentence}: {}", error.sample);
        assert_eq!(played.told.count("errors", &[("kind", kind)]), 1, "{sentence}");
    };
    check("a loop", "endless", 2, "loop {}").await;
    check("a loop that cannot be caught", "endless", 2, "while true { try { loop {} } catch {} }").await;
    check("a loop in a timer", "endless", 3, "every(\"10ms\", ||\nloop {});").await;
    check("a thrown text", "script", 2, "throw \"enough\";").await;
    check("an unknown function", "script", 3, "let x = 1;\nfrobnicate(x);").await;
    check("a missing key of env", "script", 2, "env.nothing").await;
    check("a wrong duration", "script", 2, "sleep(\"soon\");").await;
}

/// Computing in many short stretches is no crime, however long it takes all in all.
#[tokio::test]
async fn who_waits_in_between_may_compute() {
    let server = Server::start(|_, _| Act::Reply(200, "")).await;
    let body = "for round in 0..8 { let n = 0; let end = now() + 0.2; while now() < end { n += 1; } sleep(0.001); }";
    play(format!("fn user() {{ {body} }}"), server.address).await.must_be_fine("1.6 s of computing");
}
