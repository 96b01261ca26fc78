//! Agents on instances of a fake EC2 that are taken back.

use std::time::Duration;

use rehearsal_fake_ec2::{FakeEc2, World};
use rehearsal_link::LeaseTerms;
use rehearsal_metrics::UserState as State;

use crate::coordinator::{BOUND, Coordinator, Heard, Part};
use crate::process::part;

/// Starts a spot instance whose user data is an agent, and gives its id.
async fn launch(fake: &FakeEc2, blob: &str) -> String {
    let agent = env!("CARGO_BIN_EXE_agent");
    let script = format!("#!/bin/sh\nREHEARSAL_JOIN={blob} {agent} --instance $FAKE_EC2_INSTANCE\necho code $?\n");
    let fields = [
        ("Action", "RunInstances"),
        ("Version", "2016-11-15"),
        ("ImageId", "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"),
        ("InstanceType", "c7g.large"),
        ("InstanceMarketOptions.MarketType", "spot"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("UserData", &base64(&script)),
    ];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let signed = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/eu-west-1/ec2/aws4_request, Signature=0";
    let call = reqwest::Client::new().post(fake.url()).header("authorization", signed).body(body).send();
    let answer = call.await.unwrap().text().await.unwrap();
    fake.instances().first().unwrap_or_else(|| panic!("{answer}")).id.clone()
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode(text)
}

#[tokio::test]
async fn an_instance_that_is_taken_back_owes_nothing() {
    let coordinator = Coordinator::start(part(LeaseTerms::default()));
    let fake = FakeEc2::start(World::of(&["eu-west-1"])).unwrap();
    let id = launch(&fake, &coordinator.blob).await;
    coordinator.until("users are there", |heard| heard.moved(State::Waiting, State::Live) > 0).await;
    let joined = coordinator.heard().joined[0].clone();
    assert_eq!((joined.region.as_str(), &joined.instance), ("eu-west-1", &id));
    // Nine seconds remain to the agent.
    assert!(fake.interrupt(&id, Duration::from_secs(30)));
    coordinator.until("it has gone in order", |heard| heard.drained == 1).await;
    let heard = coordinator.heard();
    let reasons: Vec<_> = heard.leaving.iter().map(|leaving| leaving.reason.as_str()).collect();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(reasons[0].starts_with("preemption: Amazon takes the instance back at "), "{reasons:?}");
    assert_eq!(heard.moved(State::Live, State::Lost), heard.moved(State::Waiting, State::Live));
}

#[tokio::test]
async fn an_instance_that_should_be_replaced_goes_and_makes_haste_when_it_has_to() {
    let coordinator = Coordinator::start(part(LeaseTerms::default()));
    let fake = FakeEc2::start(World::of(&["eu-west-1"])).unwrap();
    let id = launch(&fake, &coordinator.blob).await;
    coordinator.until("users are there", |heard| heard.moved(State::Waiting, State::Live) > 0).await;
    assert!(fake.recommend(&id));
    let gone = |heard: &Heard| heard.leaving.iter().any(|leaving| leaving.reason.contains("recommends to replace"));
    coordinator.until("it says that it goes", gone).await;
    assert!(fake.interrupt(&id, Duration::from_secs(25)));
    let console = fake.folder(&id).join("console.log");
    coordinator.until("it has gone in order", |heard| heard.drained == 1).await;
    let words = std::fs::read_to_string(console).unwrap();
    assert!(words.contains("leaving sooner because of preemption: Amazon takes the instance back at "), "{words}");
}

#[tokio::test]
async fn an_agent_without_a_run_stays_until_it_has_to_go() {
    let coordinator = Coordinator::start(Part { agents: 2, ..part(LeaseTerms::default()) });
    let fake = FakeEc2::start(World::of(&["eu-west-1"])).unwrap();
    let id = launch(&fake, &coordinator.blob).await;
    coordinator.until("it is armed", |heard| heard.count_armed() == 1).await;
    assert!(fake.recommend(&id));
    let console = fake.folder(&id).join("console.log");
    let says = |words: &str| std::fs::read_to_string(&console).is_ok_and(|said| said.contains(words));
    until("it has heard the advice", || says("it stays as long as it can")).await;
    assert!(!says("code "), "and is still there");
    assert!(fake.interrupt(&id, Duration::from_secs(60)));
    until("it has gone", || says("code 0")).await;
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(BOUND, waiting).await.is_ok(), "waited in vain until {what}");
}
