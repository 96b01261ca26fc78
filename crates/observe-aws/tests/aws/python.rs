//! Amazon's own client for Python, which knows nothing of us, as the judge of the fake.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

use crate::amazon::Amazon;
use crate::calls::{CLUSTER, GROUP};

/// Where the interpreter is that has the packages; `cargo xtask aws` puts them there and says so.
const PYTHON: &str = "REHEARSAL_AWS_PYTHON";
/// Set where the packages cannot be had; without it, their lack is a failure.
const SKIP: &str = "REHEARSAL_SKIP_AWS_PYTHON";

/// Finds the interpreter, or says loudly which test goes without.
pub fn python(test: &str) -> Option<PathBuf> {
    if std::env::var_os(SKIP).is_some() {
        eprintln!("SKIPPED: {test}: the Python packages boto3 and moto could not be had");
        return None;
    }
    let python = std::env::var_os(PYTHON);
    Some(python.unwrap_or_else(|| panic!("{PYTHON} is not set: run `cargo xtask aws`")).into())
}

/// Runs a script of this folder to its end, and gives what it printed.
pub async fn run(python: &PathBuf, script: &str, arguments: &[&str]) -> String {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/aws").join(script);
    let mut command = Command::new(python);
    command.arg(script).args(arguments).kill_on_drop(true).stdin(Stdio::null());
    let ended = command.output().await.unwrap();
    let (told, complained) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{told}\n{complained}");
    told.into_owned()
}

const REST: &str = r#"
[[metrics]]
namespace = "FiNC"
name = "Busy"
dimensions = { Service = "web" }
unit = "Percent"
points = [[0, 10], [20, 20], [30, 30], [60, 40]]
[alarms.out]
state = [[0, "OK"], [50, "ALARM"]]
namespace = "FiNC"
metric = "Busy"
threshold = 70
treat_missing_data = "breaching"
[queues.jobs]
visible = [[0, 7]]
not_visible = [[0, 2]]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn amazons_own_client_understands_every_answer() {
    let Some(python) = python("amazons_own_client_understands_every_answer") else { return };
    let cluster = CLUSTER.replace("page_size = 1", "");
    let amazon = Amazon::playing(&format!("{GROUP}{cluster}{REST}")).await;
    amazon.hold_at(60.0);
    let parts = ["auto_scaling", "application_auto_scaling", "ecs", "cloudwatch", "sqs"];
    let told = run(&python, "judge.py", &[&[amazon.url.as_str()][..], &parts].concat()).await;
    assert_eq!(told.lines().collect::<Vec<_>>(), parts);
}

const FAULTS: &str = r#"
[clusters.shop]
[[faults]]
from = 0
to = 100
operations = ["DescribeTasks", "GetMetricStatistics"]
error = "ThrottlingException"
message = "Rate exceeded"
[[faults]]
from = 0
to = 100
operations = ["DescribeScalingActivities"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn amazons_own_client_meets_refusals_and_silence() {
    let Some(python) = python("amazons_own_client_meets_refusals_and_silence") else { return };
    let amazon = Amazon::playing(FAULTS).await;
    assert_eq!(run(&python, "judge.py", &[&amazon.url, "faults"]).await, "faults\n");
}
