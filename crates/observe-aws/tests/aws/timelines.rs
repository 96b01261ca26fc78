//! Whole replays through observers to a verdict: the healthy have no finding, each of the others its own.
//!
//! The clock of the replay is moved by hand, so that twenty-three minutes take seconds and no chance is in them.

use std::collections::BTreeSet;
use std::time::Duration;

use rehearsal_plan::{AutoscalerPlan, Backlog, Capacity, DuringOutage, InFlight, Keep};
use rehearsal_verdict::elasticity::{Assessment, Kind, Weight, assess};

use crate::amazon::Amazon;
use crate::seen::{Seen, watch};

/// From which second on how many users there are, as the files say it.
const LOAD: [(f64, f64); 3] = [(0.0, 900.0), (60.0, 2400.0), (900.0, 900.0)];

const SERVICE: &str = r#"
[autoscaler.supply]
observe = "ecs"
cluster = "realtime"
service = "web"
limits = true
[autoscaler.metrics.busy]
observe = "cloudwatch"
namespace = "Shop/NewRelic"
metric = "AppInstanceBusyPercent"
dimensions = { Service = "web" }
late = "70s"
[autoscaler.activities]
observe = "ecs"
cluster = "realtime"
service = "web"
"#;

const MACHINES: &str = r#"
[autoscaler.supply]
observe = "ecs"
cluster = "realtime"
machines = true
"#;

const GROUP: &str = r#"
[autoscaler.supply]
observe = "asg"
group = "web"
[autoscaler.activities]
observe = "asg"
group = "web"
"#;

/// What is expected of a scaler that sees its world through periods of a minute.
fn plan() -> AutoscalerPlan {
    AutoscalerPlan {
        capacity: Some(Capacity::Users(500.0)),
        react_within: Some(Duration::from_secs(180)),
        at_least: Some(2),
        ..AutoscalerPlan::default()
    }
}

async fn play(name: &str, environment: &str, end: usize, mut plan: AutoscalerPlan) -> (Seen, Assessment) {
    let file = format!("{}/../fake-aws/timelines/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let amazon = Amazon::playing(&std::fs::read_to_string(file).unwrap()).await;
    let users = match plan.capacity {
        Some(Capacity::Users(users)) => Some(users),
        _ => None,
    };
    let seen = watch(&amazon, environment, end, &LOAD, users).await;
    // Where the plan names no bound, the platform's own is the ceiling.
    plan.at_most = plan.at_most.or(seen.most.and_then(|most| u32::try_from(most).ok()));
    assert!(plan.validate().is_empty(), "{:?}", plan.validate());
    let assessment = assess(&plan, &seen.observations);
    (seen, assessment)
}

/// Holds the findings that decide the verdict against those that are expected.
fn check(assessment: &Assessment, expected: &[Kind]) {
    let decide = assessment.findings.iter().filter(|finding| finding.weight != Weight::Tell);
    let found: BTreeSet<Kind> = decide.map(|finding| finding.kind).collect();
    assert_eq!(found, expected.iter().copied().collect(), "{:#?}", assessment.findings);
}

#[tokio::test]
async fn a_service_that_follows_its_load_has_no_finding() {
    let mut plan = plan();
    plan.keep = vec![Keep::new("busy", 20.0, 80.0)];
    let (seen, assessment) = play("ecs-healthy", SERVICE, 1380, plan).await;
    check(&assessment, &[]);
    // What it says itself is how it was seen: decided at 130 s, and ready 45 s later.
    let changes: Vec<(f64, i64)> = seen.observations.activities.iter().map(|one| (one.at_s, one.change)).collect();
    assert_eq!(changes, [(1000.0, -1), (1060.0, -1), (1120.0, -1)], "the first has nothing before it");
    assert_eq!(seen.most, Some(10));
    assert!(assessment.figures["readiness_s"] < 130.0, "{:?}", assessment.figures);
}

#[tokio::test]
async fn tasks_that_come_too_late_are_seen() {
    let (_, assessment) = play("ecs-slow", SERVICE, 1380, plan()).await;
    check(&assessment, &[Kind::Slow]);
}

/// What the machine counted itself was 0, as in the healthy replay.
#[tokio::test]
async fn a_machine_that_is_ended_too_early_is_seen() {
    for (name, expected, cut_off) in [("ecs-healthy", &[][..], 0), ("ecs-cut-off", &[Kind::Ungraceful], 1)] {
        let mut plan = AutoscalerPlan::default();
        plan.draining.in_flight = InFlight::None;
        let (seen, assessment) = play(name, MACHINES, 1380, plan).await;
        check(&assessment, expected);
        let gone = seen.observations.departures.iter().map(|gone| (&*gone.instance, gone.in_flight));
        assert_eq!(gone.collect::<Vec<_>>(), [("i-03", Some(cut_off))], "{name}");
    }
}

#[tokio::test]
async fn missing_data_as_breaching_is_no_fault() {
    let mut plan = plan();
    plan.outage.then = DuringOutage::ScaleOut;
    let (seen, assessment) = play("ecs-missing-data-breaching", SERVICE, 1380, plan).await;
    check(&assessment, &[]);
    let busy = &seen.observations.metrics["busy"].samples;
    let missing = busy.iter().filter(|(second, value)| (420.0..660.0).contains(second) && value.is_none()).count();
    assert!(missing > 20, "the metric was missing for minutes: {busy:?}");
}

#[tokio::test]
async fn a_service_that_scales_in_while_its_metric_is_missing_is_blind() {
    let (_, assessment) = play("ecs-missing-data-scales-in", SERVICE, 1380, plan()).await;
    check(&assessment, &[Kind::Blind, Kind::Short]);
}

/// Which alarm treats missing data how is told with its state.
#[tokio::test]
async fn what_alarms_make_of_missing_data_is_told() {
    let alarms = "[autoscaler.activities]\nobserve = \"cloudwatch\"\nalarms = [\"web-busy\", \"web-idle\"]";
    let (seen, _) = play("ecs-missing-data-scales-in", alarms, 600, plan()).await;
    let told = |words: &str| assert!(seen.words.iter().any(|said| said.starts_with(words)), "{:#?}", seen.words);
    told("web-idle: ALARM, with missing data as breaching");
    told("web-busy: INSUFFICIENT_DATA, with missing data as missing");
}

#[tokio::test]
async fn workers_are_judged_by_their_queue() {
    for (name, expected) in [("workers-healthy", &[][..]), ("workers-frozen", &[Kind::Backlog])] {
        let backlog = Backlog { metric: "votes".into(), below: 100.0, within: Duration::from_secs(240) };
        let plan = AutoscalerPlan { backlogs: vec![backlog], ..AutoscalerPlan::default() };
        let environment = "[autoscaler.supply]\nobserve = \"ecs\"\ncluster = \"async\"\nstarted_by = \"daemon_watcher\"\n\
                           [autoscaler.metrics.votes]\nobserve = \"sqs\"\nqueue = \"http://queue.example.com/1/votes\"\n";
        let (_, assessment) = play(name, environment, 900, plan).await;
        check(&assessment, expected);
    }
}

/// Half a minute of throttling is error samples, and no count.
#[tokio::test]
async fn a_group_that_follows_its_load_has_no_finding() {
    let (seen, assessment) = play("asg-healthy", GROUP, 1380, plan()).await;
    check(&assessment, &[]);
    let changes: Vec<(f64, i64)> = seen.observations.activities.iter().map(|one| (one.at_s, one.change)).collect();
    assert_eq!(changes, [(130.0, 3), (1000.0, -3)], "three instances each, by one decision");
    let failed: BTreeSet<&str> = seen.observations.failures.iter().map(|failure| failure.why.as_str()).collect();
    let throttled = ["DescribeAutoScalingGroups", "DescribeScalingActivities"]
        .map(|call| format!("refused: {call}: throttled: Throttling: Rate exceeded"));
    assert_eq!(failed, throttled.iter().map(String::as_str).collect());
    let ready = &seen.observations.ready.samples;
    assert!(ready.iter().all(|(_, count)| count.is_none_or(|count| count >= 2.0)), "{ready:?}");
}

#[tokio::test]
async fn a_group_at_its_maximum_is_not_at_fault() {
    let (seen, assessment) = play("asg-ceiling", GROUP, 1380, plan()).await;
    check(&assessment, &[Kind::Ceiling]);
    assert_eq!(seen.most, Some(4));
    assert!(assessment.findings.iter().all(|finding| finding.weight != Weight::Fail), "{:#?}", assessment.findings);
}

#[tokio::test]
async fn a_group_that_cannot_make_up_its_mind_is_seen() {
    let (_, assessment) = play("asg-flapping", GROUP, 1380, plan()).await;
    check(&assessment, &[Kind::Flapping]);
}

#[tokio::test]
async fn a_group_that_gets_no_instances_is_seen_with_the_reason() {
    let (seen, assessment) = play("asg-no-capacity", GROUP, 1380, plan()).await;
    check(&assessment, &[Kind::Slow]);
    let failed = seen.words.iter().filter(|words| words.starts_with("Failed: Launching a new EC2 instance: ")).count();
    assert_eq!(failed, 6, "{:#?}", seen.words);
}
