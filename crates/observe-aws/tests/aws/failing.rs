//! An error is an error sample, at once and of its own kind, and never a count.

use std::time::SystemTime;

use rehearsal_observe::Outcome;

use crate::amazon::{Amazon, sources, sources_of};
use crate::harness::shown;

const SOURCES: [&str; 8] = [
    "[autoscaler.supply]\nobserve = \"asg\"\ngroup = \"web\"",
    "[autoscaler.activities]\nobserve = \"asg\"\ngroup = \"web\"",
    "[autoscaler.supply]\nobserve = \"ecs\"\nservice = \"web\"",
    "[autoscaler.metrics.x]\nobserve = \"ecs\"\ncounts = \"cut_off\"",
    "[autoscaler.activities]\nobserve = \"ecs\"\nservice = \"web\"",
    "[autoscaler.metrics.x]\nobserve = \"cloudwatch\"\nnamespace = \"N\"\nmetric = \"m\"",
    "[autoscaler.activities]\nobserve = \"cloudwatch\"\nalarms = [\"out\"]",
    "[autoscaler.metrics.x]\nobserve = \"sqs\"\nqueue = \"http://sqs.example.com/1/jobs\"",
];

const FAULTS: &str = r#"
[clusters.default.services.web]
[[faults]]
from = 0
to = 10
error = "ThrottlingException"
message = "Rate exceeded"
[[faults]]
from = 10
to = 20
error = "AccessDeniedException"
message = "no right"
status = 403
[[faults]]
from = 20
to = 30
error = "InternalFailure"
status = 500
[[faults]]
from = 30
to = 40
"#;

#[tokio::test]
async fn throttling_denial_breakdown_and_silence_are_told_apart() {
    let amazon = Amazon::playing(FAULTS).await;
    for table in SOURCES {
        let mut told = amazon.outcomes(table, &[0.0, 10.0, 20.0]).await;
        told.extend(amazon.outcomes(&format!("{table}\ntimeout = \"300ms\""), &[30.0]).await);
        let expected = [
            ("refused: ", "throttled: ThrottlingException: Rate exceeded"),
            ("denied: ", "AccessDeniedException: no right"),
            ("refused: ", "InternalFailure"),
            ("timeout: ", "no answer within 300ms"),
        ];
        for (told, (begin, end)) in told.iter().zip(expected) {
            assert!(told.starts_with(begin) && told.ends_with(end), "{table}\n{told}");
        }
    }
}

/// A source that failed is well again as soon as Amazon is.
#[tokio::test]
async fn an_error_passes() {
    let amazon = Amazon::playing(FAULTS).await;
    let told = amazon.outcomes(SOURCES[2], &[0.0, 50.0]).await;
    assert_eq!(told[1], "desired 0 running 0 ready 0 draining 0");
}

#[tokio::test]
async fn nobody_there_is_no_answer() {
    // Taken and given back: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut sources = sources(&format!("http://{free}"), SOURCES[0]).unwrap();
    let seen = sources[0].observe(SystemTime::now()).await;
    assert!(shown(&seen.outcome).starts_with("connection: DescribeAutoScalingGroups: "), "{seen:?}");
}

/// Something else answers: a page of HTML, say.
#[tokio::test]
async fn what_is_not_amazon_is_no_answer() {
    let html = axum::Router::new().fallback(async || axum::response::Html("<html>welcome</html>"));
    let url = crate::harness::serve(html).await;
    for table in SOURCES {
        let mut sources = sources(&url, table).unwrap();
        let seen = sources[0].observe(SystemTime::now()).await;
        assert!(!matches!(seen.outcome, Outcome::Ok(_)), "{table}\n{seen:?}");
    }
}

/// A key that Amazon repeats in its refusal is not passed on.
#[tokio::test]
async fn keys_are_kept_out_of_messages() {
    let faults = "[[faults]]\nfrom = 0\nto = 9\nerror = \"SignatureDoesNotMatch\"\nmessage = \"signed with hush-hush\"";
    let amazon = Amazon::playing(faults).await;
    let told = amazon.outcomes(SOURCES[0], &[0.0]).await;
    assert_eq!(told, ["denied: DescribeAutoScalingGroups: SignatureDoesNotMatch: signed with ***"]);
}

#[tokio::test]
async fn a_profile_that_is_not_there_is_a_lack_of_credentials() {
    let amazon = Amazon::playing("").await;
    let reached = format!("endpoint = \"{}\"\nregion = \"eu-west-1\"\nprofile = \"nobody-has-this-one\"", amazon.url);
    let mut sources = sources_of(&format!("{}\n{reached}", SOURCES[0])).unwrap();
    let seen = sources[0].observe(SystemTime::now()).await;
    assert!(shown(&seen.outcome).starts_with("denied: DescribeAutoScalingGroups: "), "{seen:?}");
}
