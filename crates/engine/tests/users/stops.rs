//! Sending users away: quickly, in order, and for good.

use std::time::Duration;

use rehearsal_engine::{Command, Stop};
use rehearsal_metrics::UserState as State;
use rehearsal_plan::{Load, Stage};

use crate::crew::arrive;
use crate::scene::scene;
use crate::server::{Act, Server};

/// Dropping a parked fiber unwinds its stack by force, 197 µs each; resuming it with an error that no script can catch takes 20.
#[tokio::test]
async fn five_thousand_parked_users_are_gone_at_once() {
    let server = Server::start(|_, _| Act::Hang).await;
    let text = "fn user() { try { sleep(3600); } catch { sleep(3600); } http::get(\"/never\"); }";
    let mut crew = scene(text, server.address).crew(&[arrive(5_000, 500)], 1);
    crew.until("all are parked", |told| told.moved(State::Waiting, State::Live) == 5_000).await;
    let took = crew.stop(Stop::Graceful).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    let told = crew.end().await;
    assert_eq!(told.moved(State::Live, State::Cancelled), 5_000);
    assert!(server.seen().requests.is_empty());
}

/// A stop during the arrivals: who has not come never comes, who is there sends nothing more.
async fn stopped(how: Stop) {
    let server = Server::start(|_, _| Act::Reply(200, "ok")).await;
    let text =
        "fn user() { every(\"50ms\", || http::get(\"/beat\")); loop { http::get(\"/loop\"); sleep(\"20ms\"); } }";
    let mut crew = scene(text, server.address).crew(&[arrive(40, 2_000)], 2);
    crew.until_time(1.0).await;
    let sent_away = tokio::time::Instant::now();
    let took = crew.stop(how).await;
    assert!(took < Duration::from_secs(1), "{how:?} took {took:?}");
    crew.until_time(2.2).await; // the last planned arrival has passed
    let told = crew.end().await;
    let last = server.seen().requests.last().unwrap().at;
    assert!(last < sent_away + Duration::from_secs(1), "{how:?}: {:?} after it", last - sent_away);
    let (live, never) = (told.moved(State::Live, State::Cancelled), told.moved(State::Waiting, State::Cancelled));
    assert_eq!(live + never, 40, "{how:?}");
    assert!((15..=25).contains(&live), "{how:?}: {live} had come after half the time");
}

#[tokio::test]
async fn a_stop_ends_arrivals_and_requests() {
    stopped(Stop::Graceful).await;
    stopped(Stop::Hard).await;
}

/// A stop once missed users between the decision that they start and their first step, and between two iterations: they then
/// lived on for ever, and with them their agent.
#[tokio::test]
async fn a_stop_finds_users_who_have_not_begun() {
    let server = Server::start(|_, _| Act::Hang).await;
    let stages =
        vec![Stage::RampTo { users: 50, over: Duration::ZERO }, Stage::Hold { over: Duration::from_secs(3600) }];
    let population = Load::Population { stages, keep_session: false };
    for (sentence, load, text) in [
        ("at their arrival", arrive(3_000, 0), "fn user() { sleep(3600); }"),
        ("between iterations", population, "fn user() {}"),
    ] {
        for how in [Stop::Graceful, Stop::Hard] {
            let mut crew = scene(text, server.address).crew(std::slice::from_ref(&load), 1);
            crew.until_time(0.003).await;
            crew.stop(how).await;
            let told = crew.end().await;
            let finished = told.moved(State::Live, State::Finished);
            assert_eq!(finished, 0, "{sentence}: nobody has left by itself");
        }
    }
}

/// A call that hangs holds its user for five seconds when it leaves, and not at all when it is cut.
#[tokio::test]
async fn calls_in_flight_get_their_grace() {
    let server = Server::start(|request, _| match request.path.as_str() {
        "/slow" => Act::late(Duration::from_secs(1)),
        _ => Act::Hang,
    })
    .await;
    let leaving = |path: &str| {
        format!("fn user() {{ after(\"200ms\", || leave()); http::get(\"{path}\"); count(\"went on\"); }}")
    };
    let begun = std::time::Instant::now();
    let played = scene(leaving("/slow"), server.address).play().await;
    played.must_be_fine("an answer within the grace");
    assert_eq!((played.told.calls("GET /slow").answered, played.told.count("custom.went on", &[])), (1, 0));
    assert!(begun.elapsed() < Duration::from_secs(4));

    let begun = std::time::Instant::now();
    let played = scene(leaving("/hang"), server.address).play().await;
    played.must_pass("no answer within the grace");
    assert!(played.told.error("cut").sample.starts_with("GET http"), "what was cut is listed with its address");
    assert_eq!((played.told.calls("GET /hang").cut, played.told.count("custom.went on", &[])), (1, 0));
    assert_eq!(played.told.count("http.failed", &[]), 0, "a call that was cut has not failed");
    assert!((Duration::from_secs(5)..Duration::from_secs(8)).contains(&begun.elapsed()), "{:?}", begun.elapsed());

    let mut crew = scene("fn user() { http::get(\"/hang\"); }", server.address).crew(&[arrive(10, 0)], 1);
    server.until("all calls hang", |seen| seen.requests.len() == 12).await;
    crew.tell(&Command::Stop(Stop::Graceful));
    let took = crew.stop(Stop::Hard).await;
    assert!(took < Duration::from_secs(1), "a hard stop after a graceful one took {took:?}");
    assert_eq!(crew.end().await.calls("GET /hang").cut, 10);
}
