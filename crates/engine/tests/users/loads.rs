//! How users come and go: every load, on one thread and on two.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rehearsal_engine::{Command, Stop};
use rehearsal_metrics::UserState as State;
use rehearsal_plan::{Load, RateStage, Stage, Stay};

use crate::crew::{arrive, staying};
use crate::scene::{Scene, scene};
use crate::server::{Act, Request, Server};

async fn quiet() -> Server {
    Server::start(|_, _| Act::Reply(200, "")).await
}

fn numbered(text: &str, server: &Server) -> Scene {
    let mut scene = scene(text, server.address);
    scene.environment.http.user_header = Some("x-user".into());
    scene
}

fn number(request: &Request) -> u64 {
    request.header("x-user").unwrap().parse().unwrap()
}

#[tokio::test]
async fn threads_share_arrivals_without_loss_or_duplicate() {
    for threads in [1, 2, 3] {
        let server = quiet().await;
        let told =
            numbered("fn user() { http::get(\"/\" + user.number); }", &server).crew(&[arrive(60, 1_000)], threads);
        let told = told.play().await;
        let numbers: Vec<u64> = server.seen().requests.iter().map(number).collect();
        let different: BTreeSet<u64> = numbers.iter().copied().collect();
        assert_eq!((numbers.len(), different), (60, (0..60).collect()), "{threads} threads");
        assert_eq!(told.moved(State::Waiting, State::Live), 60, "{threads} threads");
        assert_eq!(told.moved(State::Live, State::Finished), 60, "{threads} threads");
        assert_eq!(told.count("users.start_lag", &[("scenario", "users")]), 60, "{threads} threads");
        assert!(told.seconds_at(50.0, "users.start_lag", &[]) < 0.1, "{threads} threads");
    }
}

/// How often each user beat, by number.
fn beats(server: &Server) -> BTreeMap<u64, u64> {
    let mut beats = BTreeMap::new();
    for request in server.seen().requests {
        *beats.entry(number(&request)).or_insert(0) += 1;
    }
    beats
}

#[tokio::test]
async fn users_stay_as_long_as_the_plan_says() {
    let text = "fn user() { every(\"100ms\", || http::get(\"/beat\")); }";
    let server = quiet().await;
    let told =
        numbered(text, &server).crew(&[staying(10, 1_000, Stay::Each(Duration::from_millis(750)))], 2).play().await;
    assert_eq!(told.moved(State::Live, State::Finished), 10);
    let each = beats(&server);
    assert!(each.len() == 10 && each.values().all(|beats| (6..=7).contains(beats)), "{each:?}");

    let server = quiet().await;
    let stay = Stay::AfterLastArrival(Duration::from_millis(550));
    let told = numbered(text, &server).crew(&[staying(10, 1_000, stay)], 2).play().await;
    assert_eq!(told.moved(State::Live, State::Finished), 10);
    let all = beats(&server);
    let expected = |number: &u64| (9 - number) + 5;
    assert!(all.len() == 10 && all.iter().all(|(number, beats)| beats.abs_diff(expected(number)) <= 1), "{all:?}");
}

#[tokio::test]
async fn a_population_runs_again_with_fresh_cookies() {
    let server = Server::start(|request, _| match request.path.as_str() {
        "/first" => Act::With(200, "set-cookie: session=1".to_owned()),
        _ => Act::Reply(200, ""),
    })
    .await;
    let stages = vec![
        Stage::RampTo { users: 4, over: Duration::ZERO },
        Stage::Hold { over: Duration::from_secs(1) },
        Stage::RampTo { users: 2, over: Duration::ZERO },
        Stage::Hold { over: Duration::from_secs(1) },
    ];
    let text = "fn user() { check(\"fresh\", user.seen == ()); user.seen = true;
        http::get(\"/first\"); sleep(\"50ms\"); http::get(\"/last\"); }";
    let load = Load::Population { stages, keep_session: false };
    let told = numbered(text, &server).crew(&[load], 2).play().await;
    let requests = server.seen().requests;
    let (first, last): (Vec<_>, Vec<_>) = requests.iter().partition(|request| request.path == "/first");
    assert_eq!(first.len(), last.len(), "a user that is sent away finishes its iteration");
    assert!(first.iter().all(|request| request.header("cookie").is_none()), "an iteration starts with fresh cookies");
    assert!(last.iter().all(|request| request.header("cookie") == Some("session=1")));
    let (passed, all) = told.ratio("checks", &[]);
    assert_eq!(passed, all, "an iteration starts with fresh state");
    assert_eq!((told.moved(State::Waiting, State::Live), told.moved(State::Live, State::Finished)), (4, 4));
    let each = beats(&server);
    assert_eq!(each.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
    let (stayed, left) = (each[&0] + each[&1], each[&2] + each[&3]);
    assert!(left >= 16 && stayed * 2 > left * 3, "two left after half the time: {each:?}");
}

#[tokio::test]
async fn a_population_that_keeps_its_session_goes_on_with_it() {
    let server = Server::start(|_, _| Act::With(200, "set-cookie: session=1".to_owned())).await;
    let stages =
        vec![Stage::RampTo { users: 2, over: Duration::ZERO }, Stage::Hold { over: Duration::from_millis(600) }];
    let text = "fn user() { user.rounds = if user.rounds == () { 1 } else { user.rounds + 1 };
        http::get(\"/round\"); sleep(\"50ms\"); if user.rounds == 5 { count(\"fifth\", 1); } }";
    let load = Load::Population { stages, keep_session: true };
    let told = numbered(text, &server).crew(&[load], 1).play().await;
    assert_eq!(told.count("custom.fifth", &[]), 2, "each comes once to its fifth iteration");
    let seen = server.seen();
    let without = seen.requests.iter().filter(|request| request.header("cookie").is_none()).count();
    assert_eq!(without, 2, "only a user's first request is without its cookie");
    assert_eq!(told.moved(State::Live, State::Finished), 2);
}

#[tokio::test]
async fn a_rate_drops_what_it_may_not_start() {
    let server = quiet().await;
    let stages = vec![
        RateStage::RampTo { per_second: 50.0, over: Duration::ZERO },
        RateStage::Hold { over: Duration::from_secs(1) },
    ];
    let load = Load::Rate { stages, at_most: 5 };
    let mut crew = scene("fn user() { sleep(3600); }", server.address).crew(&[load], 2);
    crew.until_time(2.0).await;
    let stopping = crew.stop(Stop::Graceful).await;
    assert!(stopping < Duration::from_secs(1));
    let told = crew.end().await;
    let live = told.moved(State::Waiting, State::Live);
    let dropped = told.moved(State::Waiting, State::Dropped);
    assert_eq!(live, 5);
    assert!((49..=51).contains(&(live + dropped)), "{dropped} dropped");
    let health: u64 = told.whole().health.values().map(|health| health.dropped_starts).sum();
    assert_eq!(health, 0, "what the plan drops is no fault of the agent's");
}

/// A plan that comes late is not made up for in a burst.
#[tokio::test]
async fn a_late_version_drops_what_it_missed() {
    let server = quiet().await;
    let scene = scene("fn user() { http::get(\"/\"); }", server.address);
    let mut crew = scene.waiting_crew(&[arrive(20, 2_000)], 2);
    crew.until_time(1.05).await;
    crew.begin();
    let told = crew.play().await;
    let dropped = told.moved(State::Waiting, State::Dropped);
    assert!((11..=13).contains(&dropped), "{dropped} of 20 were due in the first half");
    assert_eq!(told.moved(State::Live, State::Finished), 20 - dropped);
    assert_eq!(server.seen().requests.len() as u64, 20 - dropped);
}

#[tokio::test]
async fn who_is_held_back_is_dropped_or_cancelled() {
    let server = quiet().await;
    let scene = scene("fn user() { http::get(\"/\"); }", server.address);
    let mut crew = scene.crew(&[arrive(20, 2_000)], 2);
    crew.tell(&Command::Hold(true));
    crew.until_time(1.05).await;
    assert!(server.seen().requests.is_empty(), "nobody starts while held");
    crew.tell(&Command::Hold(false));
    let told = crew.play().await;
    let dropped = told.moved(State::Waiting, State::Dropped);
    assert!((11..=13).contains(&dropped), "{dropped} of 20 were due while held");
    assert_eq!(told.moved(State::Live, State::Finished), 20 - dropped);

    let mut crew = scene.crew(&[arrive(20, 2_000)], 2);
    crew.tell(&Command::Hold(true));
    crew.until_time(0.5).await;
    crew.stop(Stop::Graceful).await;
    let told = crew.end().await;
    assert_eq!(told.moved(State::Waiting, State::Cancelled), 20);
}

/// Silence is told too: a second without an interval would be a second that nobody knows of.
#[tokio::test]
async fn every_second_yields_an_interval() {
    let server = quiet().await;
    let told =
        scene("fn user() { sleep(3.5); http::get(\"/\"); }", server.address).crew(&[arrive(2, 0)], 2).play().await;
    let from = told.seconds[0];
    assert!(from <= 0, "{:?}", told.seconds);
    assert_eq!(told.seconds, (from..=3).collect::<Vec<_>>());
    assert_eq!(told.whole().users.keys().copied().collect::<Vec<_>>(), [0, 3]);
}
