//! The adapters against moto, an emulator of Amazon that others wrote, in the calls that it gets right.
//!
//! It tells no scaling activities, and its tasks change with every look: those are left to the timelines.

use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::amazon::sources;
use crate::harness::shown;
use crate::python::{python, run};

/// How long the emulator may take to start on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the emulator on a free port, and gives its URL. It ends with the value.
async fn emulator(python: &std::path::Path) -> (Child, String) {
    let mut command = Command::new(python.with_file_name("moto_server"));
    command.args(["-H", "127.0.0.1", "-p", "0"]).env("MOTO_EC2_LOAD_DEFAULT_AMIS", "false");
    let mut server = command.kill_on_drop(true).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
    let url = tokio::time::timeout(PATIENCE, async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, url)) = line.split_once("Running on ") {
                return url.trim().to_owned();
            }
        }
        panic!("the emulator ended without saying where it answers");
    });
    let url = url.await.expect("the emulator says where it answers");
    // It goes on saying things, and would wait for somebody to listen.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (server, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_emulator_holds_is_read() {
    let Some(python) = python("what_an_emulator_holds_is_read") else { return };
    let (_server, url) = emulator(&python).await;
    // In the middle of a minute: its data points are whole with the next.
    let minute = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 60 * 60;
    let queue = run(&python, "world.py", &[&url, &(minute + 30).to_string()]).await;
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
