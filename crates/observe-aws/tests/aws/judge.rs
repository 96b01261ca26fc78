//! Amazon's own client for Python, which knows nothing of us, as the judge of the fake.

use crate::amazon::Amazon;
use crate::calls::{CLUSTER, GROUP};
use crate::emulator::{python, run};

/// The questions.
const JUDGE: &str = "tests/aws/judge.py";

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
    let told = run(&python, JUDGE, &[&[amazon.url.as_str()][..], &parts].concat()).await;
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
    assert_eq!(run(&python, JUDGE, &[&amazon.url, "faults"]).await, "faults\n");
}
