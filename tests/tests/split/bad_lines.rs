//! The link gets through, but badly: lossy and far, with one slow direction, and narrow.

use std::time::Duration;

use rehearsal_tests::{Conditions, Outcome, assert_equal_outside_spans, assert_nobody_twice, assert_report_equals};

use crate::stage::{FAR, Look, NEAR, Setting, Stage, Stamp, assert_all_observed, assert_goes_on, between, resident};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// The states in which the far agent was seen, in the order in which they came.
fn states(looks: &[Look]) -> Vec<String> {
    let mut states: Vec<String> =
        looks.iter().filter_map(|look| Some(look.agent(FAR)?["state"].as_str()?.to_owned())).collect();
    states.dedup();
    states
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lossy_link_from_far_away_plays_the_run_to_its_end() {
    let lossy = Conditions { loss: 0.3, delay: 300 * MS, ..Conditions::default() };
    let setting = Setting {
        scenario: r#"
            fn plan() { #{ load: arrive(180).over("30s").stay("4s"), restore: "2s" } }
            fn user() {
                http::post("/auth/guest");
                websocket("/socket");
                every("1s", || http::get("/api/heartbeat"));
            }
        "#,
        ..Setting::default()
    };
    let Some(stage) = Stage::open(setting).await else { return };
    stage.network.set_both(lossy);
    let watch = stage.watch.clone();
    // A second before the load ends: without the far agent nothing is left to wait for then, and nobody sees the end itself.
    stage.at(33.0).await;
    // From an agent that has just been away for longer than its lease nothing more is heard; any other hands in its numbers.
    stage.network.set_both(Conditions::default());
    let (outcome, demo) = stage.end_with_or_without_far().await;
    let far = outcome.entry("agents", "id", FAR);
    eprintln!("states {:?}; {far}", states(&watch.looks()));
    outcome.assert_users_add_up();
    assert_equal_outside_spans(&outcome, &demo.counters());
    assert_nobody_twice(&demo.users(), &outcome, &[]);
}

/// The bound of the far agent's clock, in seconds.
fn bound_s(outcome: &Outcome) -> f64 {
    outcome.entry("agents", "id", FAR)["clock_bound_s"].as_f64().unwrap()
}

/// Everybody hears the director exactly one second after the cue began, and a little.
const CUE: &str = r#"
    fn plan() {
        #{
            load: arrive(40).over("4s").stay("7s"),
            cues: [ cue("ask").after_arrivals("2s").hears("question", "/id") ],
        }
    }
    fn user() {
        http::post("/auth/guest");
        let socket = websocket("/socket");
        socket.on("question", |socket, question| {});
    }
    fn ask() {
        http::get(env.admin + "/counters");
        sleep("1s");
        http::post(env.admin + "/broadcast", #{ json: #{ event: "question", data: #{ id: cue.id } } });
    }
"#;
/// What delivering and hearing may take on a busy machine beside the second that the cue waits, in seconds.
const HEARING_S: f64 = 0.25;

/// What a user of the far agent heard a second after the cue, as its clock says, is wrong by half the delay: which way, says
/// `is_early`. The bound must say so.
async fn hear_over(before: [Conditions; 2], ahead_s: i64, is_early: bool) {
    let Some(stage) = Stage::open(Setting { scenario: CUE, before, ahead_s, ..Setting::default() }).await else {
        return;
    };
    let (outcome, demo) = stage.end().await;
    assert_report_equals(&outcome, &demo.counters());
    let cue = outcome.cue("ask");
    assert_eq!((cue["heard"].as_u64(), cue["live"].as_u64()), (Some(40), Some(40)), "{cue}");
    let figure = |key: &str| cue[key].as_f64().unwrap();
    let (first, last, bound) = (figure("first"), figure("last"), figure("clock_bound_s"));
    eprintln!("first {first} s, last {last} s, ± {bound} s; the far agent's worst ± {} s", bound_s(&outcome));
    assert!(bound >= 0.1 && bound_s(&outcome) >= 0.1, "a one-sided delay of 200 ms hides an error of 100 ms: {cue}");
    assert!(first >= 1.0 - bound && last <= 1.0 + HEARING_S + bound, "the truth is within the bound: {cue}");
    // Or nothing was shown here.
    match is_early {
        true => assert!(first < 0.97, "{cue}"),
        false => assert!(last > 1.07, "{cue}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_late_by_a_slow_answer_stays_within_its_bound() {
    let slow = Conditions { delay: 200 * MS, ..Conditions::default() };
    hear_over([slow, Conditions::default()], 100_000, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_early_by_a_slow_question_stays_within_its_bound() {
    let slow = Conditions { delay: 200 * MS, ..Conditions::default() };
    hear_over([Conditions::default(), slow], -5, false).await;
}

/// Each user asks for many things by many names, so that a second of an agent is heavy.
const TALKATIVE: &str = r#"
    fn plan() { #{ load: arrive(20).over("2s").stay("45s") } }
    fn user() {
        http::post("/auth/guest");
        websocket("/socket");
        user.turn = user.number * 7;
        every("50ms", || {
            user.turn += 1;
            http::get("/api/heartbeat", #{ name: "call " + user.turn % 300 });
        });
    }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_narrow_link_holds_up_the_screen_and_nothing_else() {
    let narrow = 30 * SECOND;
    let Some(stage) = Stage::open(Setting { scenario: TALKATIVE, ..Setting::default() }).await else { return };
    stage.at(5.0).await;
    let (began, before) = (Stamp::now(), resident(&stage.far));
    // 64 kbit/s.
    stage.network.set_both(Conditions { rate: Some(8_000), ..Conditions::default() });
    began.and(narrow).await;
    let during = resident(&stage.far);
    stage.network.set_both(Conditions::default());
    let healed = Stamp::now();
    let delivered = |look: &Look| look.seconds("settled_s") >= look.seconds("now_s") - 3.0;
    let delivered = stage.watch.until("everything was delivered", delivered).await;
    let [near, far] =
        [NEAR, FAR].map(|agent| between(&stage.demo, agent, began, SECOND..narrow, |seconds| &seconds.calls));
    let looks = stage.watch.looks();
    let age = |look: &Look| look.seconds("now_s") - look.seconds("settled_s");
    let oldest = looks.iter().filter(|look| look.at >= began.at && look.at <= healed.at).map(age).fold(0.0, f64::max);
    eprintln!(
        "{far} calls in {narrow:?}, {near} of the other; {before} to {during} KiB; numbers up to {oldest:.1} s old; states {:?}; after the repair delivered in {:?}",
        states(&looks),
        delivered.at - healed.at
    );
    assert!(near > 0 && far * 100 >= near * 97, "the load is unchanged: {far} calls, {near} of the other");
    assert!(oldest >= 3.0, "or the link was not narrow: {oldest}");
    assert!(!looks.iter().any(|look| look.is(FAR, "expired")), "the lease was kept");
    assert!(during <= before + 32 * 1024, "memory is bounded: {before} to {during} KiB");
    assert_goes_on(&looks);
    let (outcome, demo) = stage.end().await;
    assert_all_observed(&outcome);
    assert_equal_outside_spans(&outcome, &demo.counters());
    assert_eq!(outcome.users("lost"), 0, "{}", outcome.context());
}
