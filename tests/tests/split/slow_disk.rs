//! The coordinator's disk takes its time: what is shown and what users do must not wait for it.

use std::time::Duration;

use rehearsal_tests::{assert_nobody_twice, assert_report_equals};

use crate::stage::{FAR, NEAR, Setting, Stage, Stamp, assert_all_observed, assert_goes_on, between, resident};

const SECOND: Duration = Duration::from_secs(1);
/// How long each write is delayed.
const DELAY: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_disk_holds_up_neither_load_nor_screen() {
    let setting = Setting {
        scenario: r#"
            fn plan() { #{ load: arrive(100).over("5s").stay("20s") } }
            fn user() {
                http::post("/auth/guest");
                websocket("/socket");
                every("500ms", || http::get("/api/heartbeat"));
            }
        "#,
        arguments: &["--fault", "slow-disk=2s"],
        ..Setting::default()
    };
    let Some(stage) = Stage::open(setting).await else { return };
    stage.at(6.0).await;
    let (began, before) = (Stamp::now(), [resident(&stage.near), resident(&stage.far)]);
    stage.at(20.0).await;
    let stretch = began.at.elapsed();
    let after = [resident(&stage.near), resident(&stage.far)];
    let calls = [NEAR, FAR].map(|agent| between(&stage.demo, agent, began, Duration::ZERO..stretch, |all| &all.calls));
    let looks = stage.watch.looks();
    let last = looks.last().unwrap();
    let age = last.seconds("now_s") - last.seconds("settled_s");
    eprintln!("{calls:?} calls in {stretch:?}; {before:?} to {after:?} KiB; numbers {age:.1} s old");
    assert_goes_on(&looks);
    // Every agent has half of the users, and the first and the last second are left out.
    let planned = 50 * 2 * (stretch.as_secs() - 2);
    assert!(calls.iter().all(|calls| calls * 100 >= planned * 90), "the load is unchanged: {calls:?} of {planned}");
    assert!(
        after[0].max(after[1]) <= before[0].max(before[1]) + 16 * 1024,
        "memory is bounded: {before:?} to {after:?}"
    );
    // Numbers are shown when they have come, not when they are stored.
    assert!(Duration::from_secs_f64(age.max(0.0)) < DELAY + 2 * SECOND, "{age} s");
    let (outcome, demo) = stage.end().await;
    outcome.assert_exit(0, "nothing was wrong with the system");
    assert_report_equals(&outcome, &demo.counters());
    assert_all_observed(&outcome);
    assert_eq!(outcome.assert_users_add_up(), 100);
    assert_nobody_twice(&demo.users(), &outcome, &[]);
}
