//! `every` and `after`: when ticks run, and from when their response times count.

use std::time::Duration;

use crate::crew::arrive;
use crate::scene::{play, scene};
use crate::server::{Act, Server};

async fn quiet() -> Server {
    Server::start(|_, _| Act::Reply(200, "")).await
}

#[tokio::test]
async fn the_first_tick_comes_after_the_period() {
    let server = quiet().await;
    let text = "fn user() { let begun = now();
        after(\"300ms\", || record(\"after\", now() - begun));
        let n = 0;
        every(\"200ms\", || { n += 1; record(\"tick \" + n, now() - begun); if n == 3 { leave(); } }); }";
    let played = play(text, server.address).await;
    played.must_be_fine("a timer of each sort");
    for (name, due) in [("tick 1", 0.2), ("after", 0.3), ("tick 2", 0.4), ("tick 3", 0.6)] {
        let at = played.told.seconds_at(0.0, &format!("custom.{name}"), &[]);
        assert!((due - 0.002..due + 0.15).contains(&at), "{name} came after {at} s");
        assert_eq!(played.told.count(&format!("custom.{name}"), &[]), 1, "{name}");
    }
}

/// A server that stalls once: the ticks that came due meanwhile run one after the other, keep the schedule, and their
/// response times tell how long a viewer would have waited; their service times do not.
#[tokio::test]
async fn late_ticks_keep_the_schedule_and_show_the_stall() {
    let server = Server::start(|_, nth| match nth {
        0 => Act::late(Duration::from_secs(1)),
        _ => Act::Reply(200, ""),
    })
    .await;
    let text = "fn user() { let n = 0;
        every(\"200ms\", || { n += 1; http::get(\"/beat\", #{ name: \"beat \" + n }); });
        after(\"1900ms\", || leave()); }";
    let played = play(text, server.address).await;
    played.must_be_fine("a stall of a second");
    assert_eq!(server.seen().most_at_once, 1, "ticks of one timer overlap");
    let expected = [1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0, 0.0, 0.0];
    for (nth, expected) in expected.into_iter().enumerate() {
        let name = format!("beat {}", nth + 1);
        let response = played.told.seconds_at(50.0, "http.response", &[("name", &name)]);
        let service = played.told.seconds_at(50.0, "http.service", &[("name", &name)]);
        assert!((expected - 0.05..expected + 0.15).contains(&response), "{name}: response time {response} s");
        assert!(nth == 0 || service < 0.1, "{name}: service time {service} s");
    }
    assert_eq!(played.told.count("http.response", &[]), 9);
}

/// Only the first call of a tick waited for it; what the script does after a pause of its own is not late.
#[tokio::test]
async fn only_the_first_call_of_a_tick_is_late() {
    let server = Server::start(|request, _| match request.path.as_str() {
        "/stall" => Act::late(Duration::from_millis(600)),
        _ => Act::Reply(200, ""),
    })
    .await;
    let text = "fn user() { let n = 0; every(\"200ms\", || { n += 1;
        if n == 1 { http::get(\"/stall\"); }
        else if n == 2 { http::get(\"/first\"); http::get(\"/second\"); }
        else { sleep(\"1ms\"); http::get(\"/slept\"); leave(); } }); }";
    let played = play(text, server.address).await;
    let response = |name: &str| played.told.seconds_at(50.0, "http.response", &[("name", name)]);
    assert!(response("GET /first") > 0.35, "{}", response("GET /first"));
    assert!(response("GET /second") < 0.2, "{}", response("GET /second"));
    assert!(response("GET /slept") < 0.2, "{}", response("GET /slept"));
}

#[tokio::test]
async fn a_random_phase_spreads_first_ticks_over_the_period() {
    let server = quiet().await;
    let text = "fn user() { let begun = now(); let n = 0;
        every(\"1s\", || { n += 1; record(\"tick \" + n, now() - begun); if n == 2 { leave(); } }).random_phase(); }";
    let told = scene(text, server.address).crew(&[arrive(30, 0)], 1).play().await;
    let (earliest, latest) = (told.seconds_at(0.0, "custom.tick 1", &[]), told.seconds_at(100.0, "custom.tick 1", &[]));
    assert!(earliest < 0.3 && (0.6..1.2).contains(&latest), "first ticks from {earliest} to {latest} s");
    assert!(told.seconds_at(0.0, "custom.tick 2", &[]) >= 0.99, "the second tick keeps the period");
}

#[tokio::test]
async fn a_cancelled_timer_is_silent() {
    let server = quiet().await;
    let check = async |sentence: &str, body: &str, ticks: u64| {
        let played = play(format!("fn user() {{ {body} }}"), server.address).await;
        played.must_be_fine(sentence);
        assert_eq!(played.told.count("custom.tick", &[]), ticks, "{sentence}");
    };
    check("before its first tick", "let t = every(\"50ms\", || count(\"tick\")); t.cancel();", 0).await;
    check("an `after` before its time", "after(\"50ms\", || count(\"tick\")).cancel();", 0).await;
    check("an `after` runs once", "after(\"50ms\", || count(\"tick\"));", 1).await;
    check("twice", "let t = every(1, || count(\"tick\")); t.cancel(); t.cancel();", 0).await;
    let parked = "let t = every(\"50ms\", || { count(\"tick\"); sleep(\"300ms\"); count(\"tick\"); }); sleep(\"150ms\"); t.cancel();";
    check("in the middle of a tick, which ends", parked, 2).await;
    check("kept where its tick finds it", "user.t = every(\"20ms\", || { count(\"tick\"); user.t.cancel(); });", 1)
        .await;
}
