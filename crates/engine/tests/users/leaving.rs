//! Users whose agent has to go, and users who come back from one that went.

use std::collections::BTreeSet;
use std::time::Duration;

use rehearsal_engine::{Command, Stop};
use rehearsal_metrics::UserState as State;
use rehearsal_plan::{Change, Load, Returns, RunTime, Stage};

use crate::crew::arrive;
use crate::scene::{demo, scene};
use crate::server::{Act, Server};
use crate::told::Told;

fn returns(users: &[u64]) -> Change {
    Change::Return(Returns { over: Duration::ZERO, users: vec![users.to_vec()] })
}

/// Everybody of a scenario of whom it was said that they need not come back.
fn ended(told: &Told) -> BTreeSet<u64> {
    told.whole().ended.get(&0).cloned().unwrap_or_default()
}

/// Everybody who comes is sent away in order; sockets that close by that are neither the system's doing nor the script's.
#[tokio::test]
async fn users_leave_in_order_when_others_take_over() {
    let demo = demo();
    let text = "fn user() { http::post(\"/auth/guest\"); websocket(\"/socket\"); count(\"open\"); }";
    let mut crew = scene(text, demo.address()).crew(&[arrive(60, 3_000)], 2);
    crew.until_time(1.0).await;
    let from = RunTime::from_secs_f64(1.5);
    crew.tell(&Command::Relieve { from, over: Duration::from_secs(2) });
    crew.until_idle().await;
    assert!(
        crew.clock.now() >= RunTime::from_secs_f64(3.0),
        "idle at {}: the last leave after two seconds",
        crew.clock.now()
    );
    let told = crew.end_with_gaps().await;
    let started = told.moved(State::Waiting, State::Live);
    assert_eq!(started, 30, "who is due before 1.5 s starts");
    assert_eq!(told.moved(State::Live, State::Lost), started);
    assert_eq!((told.moved(State::Waiting, State::Cancelled), told.moved(State::Waiting, State::Dropped)), (0, 0));
    let lost = |second: i64| told.whole().users.get(&second).map_or(0, |moved| moved.get(State::Live, State::Lost));
    assert!((5..=15).contains(&lost(1)) && (5..=15).contains(&lost(2)), "of 20: {} and {}", lost(1), lost(2));
    let closed = |by| told.count("socket.closed", &[("by", by), ("code", "1000")]);
    assert_eq!((closed("agent"), closed("user"), closed("server")), (started, 0, 0));
}

/// A stop that comes while an agent leaves is about its own users only.
#[tokio::test]
async fn a_stop_cancels_nobody_who_is_others() {
    let server = Server::start(|_, _| Act::Reply(200, "")).await;
    let mut crew = scene("fn user() { sleep(3600); }", server.address).crew(&[arrive(40, 2_000)], 2);
    crew.until_time(0.5).await;
    crew.tell(&Command::Relieve { from: RunTime::from_secs_f64(1.0), over: Duration::from_secs(3_600) });
    crew.until_time(0.7).await;
    crew.stop(Stop::Graceful).await;
    let told = crew.end_with_gaps().await;
    assert_eq!(told.moved(State::Live, State::Cancelled) + told.moved(State::Waiting, State::Cancelled), 20);
    assert_eq!(told.moved(State::Live, State::Lost), 0);
}

/// The lease ran out and came back: who was here is lost, who comes later is not.
#[tokio::test]
async fn arrivals_go_on_after_users_were_sent_away() {
    let server = Server::start(|_, _| Act::Hang).await;
    let text = "fn user() { http::get(\"/hang\"); }";
    let mut crew = scene(text, server.address).crew(&[arrive(20, 2_000)], 2);
    crew.until_time(0.45).await;
    crew.tell(&Command::Hold(true));
    crew.tell(&Command::SendAway);
    crew.tell(&Command::Cut);
    crew.until_time(1.05).await;
    crew.tell(&Command::Hold(false));
    crew.until_time(2.0).await;
    let stopping = crew.stop(Stop::Hard).await;
    assert!(stopping < Duration::from_secs(1), "{stopping:?}");
    let told = crew.end_with_gaps().await;
    let (lost, dropped) = (told.moved(State::Live, State::Lost), told.moved(State::Waiting, State::Dropped));
    assert!((4..=6).contains(&lost) && (5..=7).contains(&dropped), "{lost} lost, {dropped} dropped");
    assert_eq!(told.moved(State::Live, State::Cancelled), 20 - lost - dropped);
    assert_eq!(told.calls("GET /hang").cut, 20 - dropped, "calls in flight were cut");
}

/// A user of the same number, who knows that it was here or elsewhere before.
#[tokio::test]
async fn who_comes_back_knows_it() {
    let stages =
        vec![Stage::RampTo { users: 4, over: Duration::ZERO }, Stage::Hold { over: Duration::from_millis(1_500) }];
    for (sentence, load) in
        [("arrivals", arrive(4, 0)), ("a population", Load::Population { stages, keep_session: false })]
    {
        let server = Server::start(|_, _| Act::Reply(200, "")).await;
        let text = "fn user() { http::get(if user.restored { \"/again\" } else { \"/first\" }); sleep(\"400ms\"); }";
        let mut scene = scene(text, server.address);
        scene.environment.http.user_header = Some("x-user".into());
        let mut crew = scene.crew(&[load], 2);
        crew.until_time(0.2).await;
        crew.tell(&Command::SendAway);
        crew.change(returns(&[1, 3]), 0.5);
        crew.until("two are back", |told| told.moved(State::Waiting, State::Live) == 6).await;
        crew.until_idle().await;
        let told = crew.end_with_gaps().await;
        assert_eq!(
            (told.moved(State::Waiting, State::Live), told.moved(State::Live, State::Lost)),
            (6, 4),
            "{sentence}"
        );
        assert_eq!(told.moved(State::Live, State::Finished), 2, "{sentence}");
        let seen = server.seen().requests;
        let by = |path: &str| -> Vec<&str> {
            let of_path = seen.iter().filter(|request| request.path == path);
            of_path.map(|request| request.header("x-user").unwrap()).collect()
        };
        let (first, again) = (by("/first"), by("/again"));
        assert_eq!(BTreeSet::from_iter(&first), BTreeSet::from_iter(&["0", "1", "2", "3"]), "{sentence}");
        assert_eq!(BTreeSet::from_iter(&again), BTreeSet::from_iter(&["1", "3"]), "{sentence}");
        assert_eq!(first.len(), 4, "{sentence}: every later life, and every iteration of it, is a restored one");
    }
}

/// Whoever has to be brought back if the agent is lost is exactly who is not told of as ended.
#[tokio::test]
async fn all_who_need_not_come_back_are_told_of() {
    let server = Server::start(|_, _| Act::Reply(200, "")).await;
    let text = "fn user() { if user.number % 3 == 0 { throw \"no\" } if user.number % 3 == 1 { sleep(3600); } }";
    let mut scene = scene(text, server.address);
    scene.restore = Some(Duration::ZERO);
    let mut crew = scene.crew(&[arrive(30, 3_000)], 2);
    crew.until_time(0.45).await;
    crew.tell(&Command::Hold(true));
    crew.until_time(0.75).await;
    crew.tell(&Command::Hold(false)); // some are dropped
    crew.until_time(1.45).await;
    crew.tell(&Command::SendAway); // those who sleep are lost
    crew.until_time(2.05).await;
    crew.stop(Stop::Graceful).await; // those who sleep now are cancelled, and all who are to come
    let planned = crew.planned();
    let told = crew.end_with_gaps().await;
    let ended = ended(&told);
    let to_bring_back: Vec<u64> = (0..planned).filter(|number| !ended.contains(number)).collect();
    assert_eq!(told.moved(State::Live, State::Lost), to_bring_back.len() as u64, "{to_bring_back:?}");
    assert!(to_bring_back.len() >= 3 && to_bring_back.iter().all(|number| number % 3 == 1), "{to_bring_back:?}");
    let moves = [(State::Live, State::Failed), (State::Live, State::Finished), (State::Live, State::Cancelled)];
    let moves = moves.into_iter().chain([(State::Waiting, State::Cancelled), (State::Waiting, State::Dropped)]);
    let by_end: Vec<u64> = moves.map(|(from, to)| told.moved(from, to)).collect();
    assert!(by_end.iter().all(|count| *count > 0), "{by_end:?}");
    assert_eq!(by_end.iter().sum::<u64>(), ended.len() as u64);
}

#[tokio::test]
async fn nobody_is_told_of_when_nobody_comes_back() {
    let server = Server::start(|_, _| Act::Reply(200, "")).await;
    let told = scene("fn user() {}", server.address).crew(&[arrive(3, 0)], 1).play().await;
    assert!(ended(&told).is_empty());
}
