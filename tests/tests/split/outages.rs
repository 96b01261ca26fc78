//! Nothing gets through for a while: within the lease, beyond lease and drain limit, and where nobody waits for them.

use std::time::Duration;

use rehearsal_tests::{Conditions, assert_equal_outside_spans, assert_nobody_twice, assert_report_equals};

use crate::stage::{FAR, Look, NEAR, PATIENCE, Setting, Stage, Stamp, assert_all_observed, between};

/// Viewers who come one after the other; each opens a socket, so that the demo sees when they come.
const SCENARIO: &str = r#"
fn plan() {
    #{ load: arrive(env.users).over(env.arrive_over).stay("4s"), restore: env.restore, takeover: env.takeover }
}
fn user() {
    http::post("/auth/guest");
    websocket("/socket");
    every("1s", || http::get("/api/heartbeat"));
}
"#;
/// Arrivals each second, of which every agent plays half.
const PER_SECOND: u64 = 6;
/// When the network goes bad: both agents are at work.
const CUT_AT: f64 = 5.0;

const SECOND: Duration = Duration::from_secs(1);
/// Longer than any run here.
const EVER: Duration = Duration::from_secs(1_000);

fn setting(arrive_over: Duration, restore: &str, takeover: &str) -> Setting {
    let seconds = arrive_over.as_secs();
    Setting {
        scenario: SCENARIO,
        keys: format!(
            "users = {}\narrive_over = \"{seconds}s\"\nrestore = \"{restore}\"\ntakeover = \"{takeover}\"",
            seconds * PER_SECOND
        ),
        ..Setting::default()
    }
}

/// Nothing gets through from now on, neither way.
async fn cut(stage: &Stage) -> Stamp {
    stage.at(CUT_AT).await;
    stage.network.set_both(Conditions::DOWN);
    Stamp::now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_within_the_lease_moves_nothing_and_loses_nothing() {
    let (outage, arrive_over) = (10 * SECOND, 25 * SECOND);
    let Some(stage) = Stage::open(setting(arrive_over, "2s", "lease")).await else { return };
    let cut = cut(&stage).await;
    let silent = stage.watch.until("the screen says that it is silent", |look| look.is(FAR, "silent")).await;
    cut.and(outage).await;
    stage.network.set_both(Conditions::default());
    let healed = Stamp::now();
    let opened = between(&stage.demo, FAR, cut, SECOND..outage, |seconds| &seconds.websocket_opened);
    assert!(opened > PER_SECOND, "users came to the far agent all the while: {opened}");
    let back = stage.watch.until("the agent is back", |look| look.is(FAR, "connected")).await;
    let settled = |look: &Look| look.seconds("settled_s") >= look.seconds("now_s") - 3.0;
    let delivered = stage.watch.until("all of the outage was delivered", settled).await;
    eprintln!(
        "silent after {:?}; after the repair back in {:?}, all delivered in {:?}",
        silent.at - cut.at,
        back.at - healed.at,
        delivered.at - healed.at
    );
    let looks = stage.watch.looks();
    assert!(!looks.iter().any(|look| look.is(FAR, "expired")), "nothing moved");
    let (outcome, demo) = stage.end().await;
    outcome.assert_exit(0, "nothing was wrong with the system");
    assert_report_equals(&outcome, &demo.counters());
    assert_eq!(outcome.assert_users_add_up(), arrive_over.as_secs() * PER_SECOND);
    assert_eq!(outcome.users("lost") + outcome.users("restored"), 0, "{}", outcome.context());
    assert_all_observed(&outcome);
    assert_nobody_twice(&demo.users(), &outcome, &[]);
}

/// The terms of a lease, and an outage that outlasts them.
struct Beyond {
    lease: Duration,
    drain: Duration,
    agents: &'static str,
    outage: Duration,
    arrive_over: Duration,
}

async fn outlast(beyond: Beyond) {
    let Beyond { lease, drain, agents, outage, arrive_over } = beyond;
    let setting = Setting { agents, ..setting(arrive_over, "2s", "lease") };
    let Some(mut stage) = Stage::open(setting).await else { return };
    let cut = cut(&stage).await;
    let expired = stage.watch.until("the lease has run out", |look| look.is(FAR, "expired")).await;
    let restored = stage.watch.until("users come once more", |look| look.run["users"]["restored"] != 0).await;
    cut.and(outage).await;
    stage.network.set_both(Conditions::default());
    let healed = Stamp::now();
    let status = tokio::time::timeout(PATIENCE, stage.far.wait()).await.expect("it ends").unwrap();
    assert!(status.success(), "the fenced agent handed everything in: {status}");
    eprintln!(
        "taken over after {:?}, restored after {:?}; after the repair gone in {:?}",
        expired.at - cut.at,
        restored.at - cut.at,
        healed.at.elapsed()
    );
    let (outcome, demo) = stage.end().await;
    outcome.assert_exit(0, "nothing was wrong with the system");
    let far = |stretch, counts| between(&demo, FAR, cut, stretch, counts);
    // A heartbeat may have been answered just before, so arrivals stop at the latest at L.
    assert!(
        far(SECOND..lease - 2 * SECOND, |seconds| &seconds.websocket_opened) > 0,
        "users came until the lease ran out"
    );
    assert_eq!(far(lease..EVER, |seconds| &seconds.websocket_opened), 0, "and no longer");
    assert_eq!(far(lease + drain..EVER, |seconds| &seconds.calls), 0, "all have left");
    assert!(restored.at - cut.at >= lease + drain - 2 * SECOND, "restored only when they have left");
    assert_eq!(outcome.assert_users_add_up(), arrive_over.as_secs() * PER_SECOND);
    assert!(outcome.users("restored") > 0, "{}", outcome.context());
    assert_eq!(outcome.users("lost"), 0, "{}", outcome.context());
    assert_equal_outside_spans(&outcome, &demo.counters());
    assert_nobody_twice(&demo.users(), &outcome, &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_beyond_a_short_lease_is_outlasted() {
    outlast(Beyond {
        lease: 8 * SECOND,
        drain: 6 * SECOND,
        agents: "lease = \"8s\"\ndrain = \"6s\"",
        outage: 20 * SECOND,
        arrive_over: 40 * SECOND,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minute_without_a_network_is_outlasted_with_the_usual_lease() {
    outlast(Beyond {
        lease: 20 * SECOND,
        drain: 12 * SECOND,
        agents: "",
        outage: 60 * SECOND,
        arrive_over: 80 * SECOND,
    })
    .await;
}

/// Whoever cannot wait for a lease is told what that may cost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_eager_takeover_says_how_long_users_may_be_live_twice() {
    let arrive_over = 35 * SECOND;
    let setting = Setting { agents: "lease = \"8s\"\ndrain = \"6s\"", ..setting(arrive_over, "2s", "eager") };
    let Some(stage) = Stage::open(setting).await else { return };
    let cut = cut(&stage).await;
    let closed = stage.watch.until("the connection is gone", |look| look.is(FAR, "closed")).await;
    cut.and(20 * SECOND).await;
    stage.network.set_both(Conditions::default());
    let (outcome, demo) = stage.end().await;
    outcome.assert_exit(0, "nothing was wrong with the system");
    let finding = outcome.list("findings").iter().find(|finding| finding["text"].to_string().contains("live twice"));
    let finding = finding.unwrap_or_else(|| panic!("double load is told of\n{}", outcome.context()));
    let from_s = finding["from_s"].as_f64().unwrap();
    let text = finding["text"].as_str().unwrap();
    let until_s: f64 = text.split("until ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap();
    let users = demo.users();
    eprintln!("closed after {:?}; {text}, from {from_s}; {} were", closed.at - cut.at, users.live_twice.len());
    assert!(!users.live_twice.is_empty(), "or nothing was shown here");
    assert_nobody_twice(&users, &outcome, &[(from_s, until_s)]);
    assert_equal_outside_spans(&outcome, &demo.counters());
    assert_eq!(outcome.assert_users_add_up(), arrive_over.as_secs() * PER_SECOND);
    assert!(outcome.entry("agents", "id", NEAR)["users"].as_u64() > Some(0));
}
