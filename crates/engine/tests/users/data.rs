//! Rows of data in the hands of users on several threads, and what becomes of users who find none left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rehearsal_metrics::UserState as State;
use rehearsal_plan::{Data, DataSource, Exhausted, Load, Plan, Scenario, Stage};

use crate::crew::arrive;
use crate::scene::{Scene, play, scene};
use crate::server::{Act, Server};

async fn quiet() -> Server {
    Server::start(|_, _| Act::Reply(200, "")).await
}

/// A script whose users have a load and may draw from so many `accounts`, which have an `id` from 0.
fn drawing(text: &str, server: &Server, load: &Load, rows: u64, exhausted: Exhausted) -> Scene {
    let mut scene = scene(text, server.address);
    let source = DataSource { path: "accounts.csv".into(), exhausted };
    let scenario = Scenario { name: "user".into(), run: "user".into(), load: load.clone() };
    let plan = Plan { scenarios: vec![scenario], data: [("accounts".into(), source)].into(), ..Plan::default() };
    let content: String = std::iter::once("id\n".into()).chain((0..rows).map(|row| format!("{row}\n"))).collect();
    scene.data = Arc::new(Data::read(&plan, &BTreeMap::from([("accounts".into(), content)])).unwrap());
    scene
}

fn paths(server: &Server) -> Vec<String> {
    server.seen().requests.into_iter().map(|request| request.path).collect()
}

#[tokio::test]
async fn no_row_goes_to_two_users_or_twice_to_one() {
    let text = "fn user() { for draw in 0..2 { http::get(\"/\" + data.accounts.next().id); } }";
    for threads in [1, 3] {
        let (server, load) = (quiet().await, arrive(40, 300));
        let scene = drawing(text, &server, &load, 80, Exhausted::Error);
        let told = scene.crew(&[load], threads).play().await;
        assert_eq!(told.moved(State::Live, State::Finished), 40, "{threads} threads");
        let drawn = paths(&server);
        let rows: BTreeSet<String> = (0..80).map(|row| format!("/{row}")).collect();
        assert_eq!((drawn.len(), drawn.into_iter().collect()), (80, rows), "{threads} threads");
    }
}

#[tokio::test]
async fn whoever_finds_no_row_fails_with_an_error_of_its_own_kind() {
    let text = "fn user() { http::get(\"/\" + data.accounts.next().id); }";
    let (server, load) = (quiet().await, arrive(5, 100));
    let told = drawing(text, &server, &load, 3, Exhausted::Error).crew(&[load], 1).play().await;
    assert_eq!((told.moved(State::Live, State::Finished), told.moved(State::Live, State::Failed)), (3, 2));
    let error = told.error("data");
    assert_eq!(error.count, 2);
    assert_eq!(error.sample, "scenario.rhai:1:43: the data `accounts` has no row 3 for user 3: its last row is 2");
}

/// Users of a population run again when they have finished: this one would do so as fast as the thread can.
#[tokio::test]
async fn whoever_is_stopped_for_want_of_a_row_does_not_come_again() {
    let text = "fn user() { count(\"begun\"); data.accounts.next(); sleep(3600); }";
    let stages = [Stage::RampTo { users: 3, over: Duration::ZERO }, Stage::Hold { over: Duration::from_secs(3600) }];
    let load = Load::Population { stages: stages.to_vec(), keep_session: false };
    let server = quiet().await;
    let mut crew = drawing(text, &server, &load, 2, Exhausted::Stop).crew(&[load], 1);
    crew.until("one has left", |told| told.moved(State::Live, State::Finished) == 1).await;
    crew.stop(rehearsal_engine::Stop::Hard).await;
    let told = crew.end().await;
    assert_eq!(told.count("custom.begun", &[]), 3);
    assert_eq!((told.moved(State::Live, State::Finished), told.moved(State::Live, State::Cancelled)), (1, 2));
}

#[tokio::test]
async fn a_scenario_without_data_says_so() {
    let server = quiet().await;
    let played = play("fn user() { data.accounts.next(); }", server.address).await;
    assert!(played.told.error("script").sample.contains("the plan declares no data `accounts`"));
}
