//! The adapters against moto, an emulator of Amazon that others wrote, in the calls that it gets right.
//!
//! It tells no scaling activities, and its tasks change with every look: those are left to the timelines.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::amazon::sources;
use crate::emulator::{emulator, python, run};
use crate::harness::shown;

#[tokio::test(flavor = "multi_thread")]
async fn what_an_emulator_holds_is_read() {
    let Some(python) = python("what_an_emulator_holds_is_read") else { return };
    let (_server, url) = emulator(&python).await;
    // In the middle of a minute: its data points are whole with the next.
    let minute = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 60 * 60;
    let queue = run(&python, "tests/aws/world.py", &[&url, &(minute + 30).to_string()]).await;
    let now = UNIX_EPOCH + Duration::from_secs(minute + 61);
    let read = async |table: &str| {
        let mut sources = sources(&url, table).unwrap_or_else(|told| panic!("{told:#?}"));
        shown(&sources[0].observe(now).await.outcome)
    };
    let supply = |observer: &str, more: &str| format!("[autoscaler.supply]\nobserve = \"{observer}\"\n{more}");
    let metric = |observer: &str, more: &str| format!("[autoscaler.metrics.x]\nobserve = \"{observer}\"\n{more}");

    let group = read(&supply("asg", "group = \"web\"")).await;
    assert_eq!(group, "desired 3 running 3 ready 3 draining 0 min 1 max 5");
    let service = read(&supply("ecs", "cluster = \"shop\"\nservice = \"web\"\nlimits = true")).await;
    assert_eq!(service, "desired 4 running 4 ready 4 draining 0 min 2 max 12");
    let machines = read(&supply("ecs", "cluster = \"shop\"\nmachines = true")).await;
    assert_eq!(machines, "running 2 ready 1 draining 1");
    let busy = "namespace = \"Shop\"\nmetric = \"Busy\"\ndimensions = { Service = \"web\" }";
    assert_eq!(read(&metric("cloudwatch", busy)).await, "50");
    assert_eq!(read(&metric("cloudwatch", &format!("{busy}\nstatistic = \"Maximum\""))).await, "60");
    let wrong = read(&metric("cloudwatch", &format!("{busy}\nunit = \"Count\""))).await;
    assert_eq!(wrong, "missing: no data point for the period that ended 1 s ago, or none in this unit");
    assert_eq!(read(&metric("cloudwatch", "alarm = \"out\"")).await, "1");
    let jobs = format!("queue = \"{}\"\ncounts = [\"visible\", \"not_visible\"]", queue.trim());
    assert_eq!(read(&metric("sqs", &jobs)).await, "3");
    let gone = read(&supply("ecs", "cluster = \"gone\"\nservice = \"web\"")).await;
    assert!(gone.starts_with("refused: DescribeServices: ClusterNotFoundException"), "{gone}");
}
