//! Each adapter over a small timeline: what it makes of the numbers, and of those that are not there.

use crate::amazon::Amazon;

pub const GROUP: &str = r#"
page_size = 1
[groups.other]
desired = [[0, 9]]
[groups.web]
min = [[0, 1]]
max = [[0, 8], [50, 10]]
desired = [[0, 5]]
[groups.web.instances]
i-1 = [[0, "InService"]]
i-2 = [[0, "InService"], [50, "InService Unhealthy"]]
i-3 = [[0, "Pending:Wait"], [50, "InService"]]
i-4 = [[0, "Terminating:Wait"], [50, "gone"]]
i-5 = [[0, "Standby"]]
i-6 = [[0, "Warmed:Stopped"]]
i-7 = [[50, "Terminated"]]
[[groups.web.activities]]
at = 20
end = 40
description = "Launching a new EC2 instance: i-3"
cause = "At {10} a monitor alarm busy in state ALARM triggered policy out changing the desired capacity from 3 to 5.  At {18} an instance was started in response to a difference between desired and actual capacity, increasing the capacity from 3 to 5."
[[groups.web.activities]]
at = 21
end = 45
description = "Launching a new EC2 instance: i-8"
cause = "At {10} a monitor alarm busy in state ALARM triggered policy out changing the desired capacity from 3 to 5.  At {18} an instance was started in response to a difference between desired and actual capacity, increasing the capacity from 3 to 5."
status = "Failed"
message = "We currently do not have sufficient capacity"
[[groups.web.activities]]
at = -5000
description = "Launching a new EC2 instance: i-1"
cause = "long ago"
"#;

/// A page of one group, or one activity, has others behind it.
#[tokio::test]
async fn a_group_is_counted_by_the_lifecycle_of_its_instances() {
    let amazon = Amazon::playing(GROUP).await;
    let table = "[autoscaler.supply]\nobserve = \"asg\"\ngroup = \"web\"\n";
    let expected =
        ["desired 5 running 5 ready 2 draining 1 min 1 max 8", "desired 5 running 4 ready 2 draining 0 min 1 max 10"];
    assert_eq!(amazon.outcomes(table, &[0.0, 50.0]).await, expected);
    let without = format!("{table}instances = false");
    assert_eq!(amazon.outcomes(&without, &[0.0]).await, ["desired 5 min 1 max 8"]);
    let gone = table.replace("web", "gone");
    assert_eq!(amazon.outcomes(&gone, &[0.0]).await, ["missing: there is no group `gone`"]);
}

#[tokio::test]
async fn a_groups_decisions_are_told_once_and_its_failures_too() {
    let amazon = Amazon::playing(GROUP).await;
    let table = "[autoscaler.activities]\nobserve = \"asg\"\ngroup = \"web\"\n";
    let told = amazon.outcomes(table, &[0.0, 30.0, 50.0]).await;
    let decision = "1800000010 +2 to 5 a monitor alarm busy in state ALARM triggered policy out changing the desired \
                    capacity from 3 to 5";
    let failed =
        "1800000045 ? to ? Failed: Launching a new EC2 instance: i-8: We currently do not have sufficient capacity";
    assert_eq!(told, ["", decision, &format!("{decision}; {failed}")]);
    let longer = format!("{table}look_back = \"2h\"");
    assert_eq!(amazon.outcomes(&longer, &[0.0]).await, ["1799995000 +1 to ? long ago"]);
}

pub const CLUSTER: &str = r#"
page_size = 1
[clusters.shop.services.web]
min = [[0, 2]]
max = [[0, 12]]
desired = [[0, 3], [50, 2]]
running = [[0, 2]]
pending = [[0, 1], [50, 0]]
[[clusters.shop.services.web.activities]]
at = 10
end = 15
description = "Setting desired count to 3."
cause = "monitor alarm busy in state ALARM triggered policy out"
[[clusters.shop.services.web.activities]]
at = 45
end = 50
description = "Setting desired count to 2."
cause = "monitor alarm idle in state ALARM triggered policy in"
status = "Failed"
message = "Failed to set desired count"
[[clusters.shop.services.web.activities]]
at = -5000
description = "Setting desired count to 9."
cause = "long ago"
[clusters.shop.services.free]
desired = [[0, 1]]
[clusters.shop.instances.m-1]
ec2 = "i-1"
status = [[0, "ACTIVE"]]
[clusters.shop.instances.m-2]
ec2 = "i-2"
status = [[0, "ACTIVE"], [50, "DRAINING"], [90, "gone"]]
[clusters.shop.instances.m-3]
ec2 = "i-3"
status = [[0, "ACTIVE"]]
connected = [[0, false]]
[clusters.shop.tasks.web-1]
service = "web"
family = "web"
instance = "m-1"
status = [[0, "RUNNING"]]
[clusters.shop.tasks.web-2]
service = "web"
family = "web"
instance = "m-2"
stop = 55
status = [[0, "RUNNING"], [60, "STOPPING"], [80, "STOPPED"], [95, "gone"]]
[clusters.shop.tasks.web-3]
service = "web"
family = "web"
instance = "m-2"
stop = 55
status = [[0, "RUNNING"], [60, "STOPPING"], [100, "STOPPED"]]
[clusters.shop.tasks.worker-1]
family = "web"
started_by = "daemon_watcher"
instance = "m-1"
status = [[0, "RUNNING"]]
[clusters.shop.tasks.worker-2]
family = "jobs"
started_by = "daemon_watcher"
stop = 70
instance = "m-1"
status = [[0, "PENDING"], [50, "RUNNING"], [70, "STOPPING"], [90, "STOPPED"]]
"#;

fn ecs(role: &str, more: &str) -> String {
    format!("[autoscaler.{role}]\nobserve = \"ecs\"\ncluster = \"shop\"\n{more}")
}

#[tokio::test]
async fn a_service_has_tasks_that_stop_besides_those_that_it_counts() {
    let amazon = Amazon::playing(CLUSTER).await;
    let expected = [
        "desired 3 running 3 ready 2 draining 0",
        "desired 2 running 4 ready 2 draining 2",
        "desired 2 running 3 ready 2 draining 1",
        "desired 2 running 2 ready 2 draining 0",
    ];
    assert_eq!(amazon.outcomes(&ecs("supply", "service = \"web\""), &[0.0, 65.0, 85.0, 100.0]).await, expected);
    let limits = ecs("supply", "service = \"web\"\nlimits = true");
    assert_eq!(amazon.outcomes(&limits, &[0.0]).await, ["desired 3 running 3 ready 2 draining 0 min 2 max 12"]);
    let free = ecs("supply", "service = \"free\"\nlimits = true");
    assert_eq!(amazon.outcomes(&free, &[0.0]).await, ["desired 1 running 0 ready 0 draining 0"]);
    let gone = amazon.outcomes(&ecs("supply", "service = \"gone\""), &[0.0]).await;
    assert_eq!(gone, ["missing: there is no service `gone`: MISSING"]);
}

#[tokio::test]
async fn workers_are_the_tasks_that_no_service_looks_after() {
    let amazon = Amazon::playing(CLUSTER).await;
    let by_starter = ecs("supply", "started_by = \"daemon_watcher\"");
    let expected = [
        "running 2 ready 1 draining 0",
        "running 2 ready 2 draining 0",
        "running 2 ready 1 draining 1",
        "running 1 ready 1 draining 0",
    ];
    assert_eq!(amazon.outcomes(&by_starter, &[0.0, 50.0, 75.0, 95.0]).await, expected);
    let by_family = ecs("supply", "family = \"web\"");
    assert_eq!(amazon.outcomes(&by_family, &[0.0, 65.0]).await, ["running 1 ready 1 draining 0"; 2]);
}

#[tokio::test]
async fn machines_are_counted_by_their_status() {
    let amazon = Amazon::playing(CLUSTER).await;
    let expected = ["running 3 ready 2 draining 0", "running 3 ready 1 draining 1", "running 2 ready 1 draining 0"];
    assert_eq!(amazon.outcomes(&ecs("supply", "machines = true"), &[0.0, 50.0, 90.0]).await, expected);
}

/// From 60 s on the machine's own counts of tasks are zero, and from 90 s on it is gone: one of its two tasks had
/// not stopped by then. The other had, which the last look at 85 s saw.
#[tokio::test]
async fn tasks_that_still_stop_are_seen_and_so_is_that_they_were_cut_off() {
    let amazon = Amazon::playing(CLUSTER).await;
    let seconds = [0.0, 50.0, 65.0, 85.0, 90.0, 95.0];
    let unstopped = amazon.outcomes(&ecs("metrics.left", "counts = \"unstopped\""), &seconds).await;
    assert_eq!(unstopped, ["0", "2", "2", "1", "0", "0"]);
    let cut_off = amazon.outcomes(&ecs("metrics.cut", "counts = \"cut_off\""), &seconds).await;
    assert_eq!(cut_off, ["0", "0", "0", "0", "1", "1"]);
}

#[tokio::test]
async fn a_services_scaling_is_told_with_what_failed() {
    let amazon = Amazon::playing(CLUSTER).await;
    let told = amazon.outcomes(&ecs("activities", "service = \"web\""), &[0.0, 60.0]).await;
    let both = "1800000010 ? to 3 monitor alarm busy in state ALARM triggered policy out; \
                1800000045 ? to ? Failed: Setting desired count to 2: Failed to set desired count";
    assert_eq!(told, ["", both]);
}

const METRICS: &str = r#"
[[metrics]]
namespace = "FiNC"
name = "Busy"
dimensions = { Service = "web", Stage = "live" }
unit = "Percent"
delay = 20
points = [[0, 10], [30, 30], [60, 40], [120, 50], [300, 60]]
[alarms.out]
state = [[0, "OK"], [100, "ALARM"], [200, "INSUFFICIENT_DATA"]]
namespace = "FiNC"
metric = "Busy"
threshold = 70
treat_missing_data = "breaching"
[alarms.in]
state = [[0, "OK"]]
namespace = "FiNC"
metric = "Busy"
threshold = 30
comparison = "LessThanThreshold"
[queues.jobs]
visible = [[0, 5], [10, 0]]
not_visible = [[0, 2]]
delayed = [[0, 1]]
"#;

fn cloudwatch(role: &str, more: &str) -> String {
    format!("[autoscaler.{role}]\nobserve = \"cloudwatch\"\n{more}")
}

fn busy(more: &str) -> String {
    let dimensions = "dimensions = { Stage = \"live\", Service = \"web\" }";
    cloudwatch("metrics.busy", &format!("namespace = \"FiNC\"\nmetric = \"Busy\"\n{dimensions}\n{more}"))
}

/// The point of the first minute is of its two values; that of the third comes at 140 s; those of the fourth and fifth
/// never do.
#[tokio::test]
async fn a_data_point_is_of_the_last_period_that_is_over_or_missing() {
    let amazon = Amazon::playing(METRICS).await;
    let missing = |age: u32| format!("missing: no data point for the period that ended {age} s ago");
    let seconds = [10.0, 60.0, 119.0, 125.0, 185.0, 239.0, 241.0, 301.0, 375.0];
    let expected = [&*missing(10), "20", "20", "40", "50", "50", "50", &missing(1), "60"];
    assert_eq!(amazon.outcomes(&busy(""), &seconds).await, expected);
    let strict = amazon.outcomes(&busy("late = \"5s\""), &[241.0, 246.0]).await;
    assert_eq!(strict, ["50", &missing(6)]);
    let sum = amazon.outcomes(&busy("statistic = \"Sum\"\nperiod = \"120s\""), &[125.0]).await;
    assert_eq!(sum, ["80"]);
    let p99 = amazon.outcomes(&busy("statistic = \"p50\""), &[60.0]).await;
    assert_eq!(p99, ["10"]);
}

#[tokio::test]
async fn a_point_says_of_when_it_is() {
    let amazon = Amazon::playing(METRICS).await;
    let mut sources = amazon.sources(&busy("stale_after = \"90s\""));
    let seen = amazon.observe(&mut sources[0], 119.0).await;
    assert_eq!(seen.source_time, Some(crate::amazon::at(60.0)));
}

/// The wrong unit, or one dimension less, and CloudWatch finds nothing, without a word.
#[tokio::test]
async fn what_is_asked_for_wrongly_is_missing() {
    let amazon = Amazon::playing(METRICS).await;
    assert_eq!(amazon.outcomes(&busy("unit = \"Percent\""), &[60.0]).await, ["20"]);
    let unit = "missing: no data point for the period that ended 0 s ago, or none in this unit";
    assert_eq!(amazon.outcomes(&busy("unit = \"Count\""), &[60.0]).await, [unit]);
    let fewer = busy("").replace("Stage = \"live\", ", "");
    assert_eq!(amazon.outcomes(&fewer, &[60.0]).await, ["missing: no data point for the period that ended 0 s ago"]);
}

#[tokio::test]
async fn alarms_tell_what_they_make_of_missing_data() {
    let amazon = Amazon::playing(METRICS).await;
    let state = cloudwatch("metrics.out", "alarm = \"out\"");
    let unknown = "missing: INSUFFICIENT_DATA, with missing data as breaching";
    assert_eq!(amazon.outcomes(&state, &[0.0, 100.0, 200.0]).await, ["0", "1", unknown]);
    let gone = cloudwatch("metrics.out", "alarm = \"gone\"");
    assert_eq!(amazon.outcomes(&gone, &[0.0]).await, ["missing: there is no alarm `gone`"]);
    let transitions = cloudwatch("activities", "alarms = [\"out\", \"in\"]");
    let expected = "1800000000 ? to ? in: OK, with missing data as missing: replayed: OK; \
                    1800000100 ? to ? out: ALARM, with missing data as breaching: replayed: ALARM";
    assert_eq!(amazon.outcomes(&transitions, &[150.0]).await, [expected]);
}

#[tokio::test]
async fn a_queue_is_counted_by_what_is_asked_for() {
    let amazon = Amazon::playing(METRICS).await;
    let queue = |name: &str, more: &str| {
        format!("[autoscaler.metrics.jobs]\nobserve = \"sqs\"\nqueue = \"{}/123456789012/{name}\"\n{more}", amazon.url)
    };
    assert_eq!(amazon.outcomes(&queue("jobs", ""), &[0.0, 10.0]).await, ["5", "0"]);
    let all = queue("jobs", "counts = [\"visible\", \"not_visible\", \"delayed\"]");
    assert_eq!(amazon.outcomes(&all, &[0.0]).await, ["8"]);
    let gone = amazon.outcomes(&queue("gone", ""), &[0.0]).await;
    assert!(gone[0].starts_with("refused: GetQueueAttributes: ") && gone[0].contains("QueueDoesNotExist"), "{gone:?}");
}
