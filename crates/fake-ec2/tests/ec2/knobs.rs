//! What can be set about a world, set over HTTP while it runs.

use std::time::{Duration, Instant};

use rehearsal_fake_ec2::FakeEc2;
use reqwest::{Client, Method};
use serde_json::json;

use crate::asking::{REGION, admin, awaited, call, call_in, fleet, launch, quiet, refusal, template, texts};

async fn patch(fake: &FakeEc2, change: serde_json::Value) {
    let (status, told) = admin(fake, Method::PATCH, "/fake/world", &change.to_string()).await;
    assert_eq!(status, 200, "{change}: {told}");
}

#[tokio::test]
async fn a_world_is_changed_while_it_runs_or_left_as_it_was() {
    let fake = FakeEc2::start(quiet()).unwrap();
    patch(&fake, json!({ "regions": { REGION: { "price": 2 }, "ap-south-1": {} } })).await;
    let (_, world) = admin(&fake, Method::GET, "/fake/world", "").await;
    assert_eq!((&world["regions"][REGION]["price"], fake.world().regions.len()), (&json!(2.0), 3));
    for wrong in [json!({ "regions": { REGION: { "cost": 1 } } }), json!({ "faults": [{ "probability": 2 }] })] {
        let (status, told) = admin(&fake, Method::PATCH, "/fake/world", &wrong.to_string()).await;
        assert_eq!(status, 400, "{told}");
    }
    assert_eq!(fake.world().regions[REGION].price, 2.0);
    assert!(fake.change(|world| world.machines.boot = -1.0).is_err());
    fake.change(|world| world.machines.boot = 1.0).unwrap();
    assert_eq!(fake.world().machines.boot, 1.0);
}

#[tokio::test]
async fn regions_that_cannot_be_used_say_so_and_others_go_on() {
    let fake = FakeEc2::start(quiet()).unwrap();
    patch(
        &fake,
        json!({ "regions": { "eu-west-1": { "credentials": false }, "af-south-1": { "opt_in": "not-opted-in" } } }),
    )
    .await;
    for region in ["eu-west-1", "af-south-1"] {
        assert_eq!(refusal(&fake, region, "DescribeVpcs", "").await, (401, "AuthFailure".into()), "{region}");
    }
    let enabled = texts(&call(&fake, "DescribeRegions", "").await, "regionName");
    assert_eq!(enabled, ["eu-west-1", REGION]);
    let all = texts(&call(&fake, "DescribeRegions", "AllRegions=true").await, "optInStatus");
    assert_eq!(all, ["not-opted-in", "opt-in-not-required", "opt-in-not-required"]);
}

#[tokio::test]
async fn dry_runs_say_who_may_do_what() {
    let fake = FakeEc2::start(quiet()).unwrap();
    patch(&fake, json!({ "denied": ["CreateFleet"] })).await;
    let asked = |action: &'static str| refusal(&fake, REGION, action, "DryRun=true");
    assert_eq!(asked("RunInstances").await, (412, "DryRunOperation".into()));
    assert_eq!(asked("TerminateInstances").await, (412, "DryRunOperation".into()));
    assert_eq!(asked("CreateFleet").await, (403, "UnauthorizedOperation".into()));
}

#[tokio::test]
async fn faults_and_delays_come_as_often_as_they_are_set() {
    let fake = FakeEc2::start(quiet()).unwrap();
    let fault = json!({ "action": "DescribeVpcs", "region": REGION, "times": 1, "code": "RequestLimitExceeded" });
    patch(&fake, json!({ "faults": [fault, { "action": "DescribeSubnets", "delay": 0.3 }] })).await;
    assert_eq!(refusal(&fake, REGION, "DescribeVpcs", "").await, (503, "RequestLimitExceeded".into()));
    call(&fake, "DescribeVpcs", "").await;
    assert_eq!(fake.world().faults[0].times, Some(0));
    let began = Instant::now();
    call(&fake, "DescribeSubnets", "").await;
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
}

/// What a coordinator that is cut off cannot know: whether its call was carried out.
#[tokio::test]
async fn a_call_is_carried_out_though_its_answer_is_lost() {
    let fake = FakeEc2::start(quiet()).unwrap();
    template(&fake, "").await;
    let lost = json!({ "action": "CreateFleet", "times": 1, "code": "InternalError", "carried_out": true });
    patch(&fake, json!({ "faults": [lost] })).await;
    let fields = fleet(2, "ClientToken=once");
    assert_eq!(refusal(&fake, REGION, "CreateFleet", &fields).await, (500, "InternalError".into()));
    assert_eq!(fake.alive(), 2);
    let told = call(&fake, "CreateFleet", &fields).await;
    assert_eq!((texts(&texts(&told, "instanceIds").concat(), "item").len(), fake.alive()), (2, 2));
    assert_eq!(
        refusal(&fake, REGION, "CreateFleet", &fleet(3, "ClientToken=once")).await.1,
        "IdempotentParameterMismatch"
    );
    // A caller that gives up does not take its call back.
    patch(&fake, json!({ "faults": [{ "action": "CreateFleet", "delay": 0.3 }] })).await;
    let (url, fields) = (fake.url(), fleet(1, ""));
    let hasty = call_in(&url, REGION, "CreateFleet", &fields);
    assert!(tokio::time::timeout(Duration::from_millis(100), hasty).await.is_err(), "it waits");
    awaited("the third instance", || (fake.alive() == 3).then_some(())).await;
}

#[tokio::test]
async fn a_silent_call_is_never_answered_and_logged() {
    let fake = FakeEc2::start(quiet()).unwrap();
    patch(&fake, json!({ "faults": [{ "action": "DescribeVpcs", "silent": true }] })).await;
    let client = Client::builder().timeout(Duration::from_millis(300)).build().unwrap();
    let signed = format!("AWS4-HMAC-SHA256 Credential=K/20261122/{REGION}/ec2/aws4_request");
    let asked = client.post(fake.url()).header("authorization", signed).body("Action=DescribeVpcs").send().await;
    assert!(asked.unwrap_err().is_timeout());
    let (_, calls) = admin(&fake, Method::GET, "/fake/calls?action=DescribeVpcs", "").await;
    assert_eq!((calls.as_array().unwrap().len(), &calls[0]["outcome"]), (1, &json!("silence")));
}

#[tokio::test]
async fn every_call_is_logged_with_its_region_and_outcome() {
    let fake = FakeEc2::start(quiet()).unwrap();
    call(&fake, "DescribeVpcs", "").await;
    call_in(&fake.url(), "eu-west-1", "DescribeVpcs", "DryRun=true").await;
    call_in(&fake.url(), "eu-west-1", "Nonsense", "A.1=x").await;
    let (_, calls) = admin(&fake, Method::GET, "/fake/calls?region=eu-west-1", "").await;
    let told: Vec<_> =
        calls.as_array().unwrap().iter().map(|it| (it["action"].clone(), it["outcome"].clone())).collect();
    let expected = [("DescribeVpcs", "DryRunOperation"), ("Nonsense", "InvalidAction")];
    assert_eq!(told, expected.map(|(action, outcome)| (json!(action), json!(outcome))));
    assert_eq!((&calls[0]["dry_run"], &calls[1]["fields"]["A"]), (&json!(true), &json!(["x"])));
    assert_eq!(fake.calls().len(), 3);
    admin(&fake, Method::DELETE, "/fake/calls", "").await;
    assert_eq!(fake.calls().len(), 0);
}

#[tokio::test]
async fn lists_come_in_pages_when_the_world_says_so() {
    let fake = FakeEc2::start(quiet()).unwrap();
    launch(&fake, "", 5).await;
    patch(&fake, json!({ "page_size": 2 })).await;
    let (mut found, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let by_tag = format!("Filter.1.Name=tag:run&Filter.1.Value.1=7{token}");
        let page = call(&fake, "DescribeInstances", &by_tag).await;
        (pages, found) = (pages + 1, [found, texts(&page, "instanceId")].concat());
        match texts(&page, "nextToken").first() {
            Some(next) => token = format!("&NextToken={next}"),
            None => break,
        }
    }
    found.dedup();
    assert_eq!((found.len(), pages), (5, 3));
}

#[tokio::test]
async fn prices_are_those_of_regions_types_and_zones() {
    let fake = FakeEc2::start(quiet()).unwrap();
    let bargain = json!({ "c7g.large": { "b": { "price": 0.001 }, "c": { "offered": false } } });
    patch(&fake, json!({ "regions": { REGION: { "price": 2, "pools": bargain } } })).await;
    let asked = "InstanceType.1=c7g.large&ProductDescription.1=Linux/UNIX&StartTime=2026-11-22T00:00:00Z";
    let told = call(&fake, "DescribeSpotPriceHistory", asked).await;
    assert_eq!(texts(&told, "spotPrice"), ["0.055200", "0.001000"]);
    assert_eq!(texts(&told, "availabilityZone"), ["us-east-1a", "us-east-1b"]);
    let windows = "ProductDescription.1=Windows";
    assert_eq!(texts(&call(&fake, "DescribeSpotPriceHistory", windows).await, "spotPrice").len(), 0);
    patch(&fake, json!({ "regions": { "eu-west-1": { "score": 3 } } })).await;
    let scores = call(&fake, "GetSpotPlacementScores", "TargetCapacity=9&InstanceType.1=c7g.large").await;
    assert_eq!(
        (texts(&scores, "region"), texts(&scores, "score")),
        (vec![REGION.into(), "eu-west-1".into()], vec!["9".into(), "3".into()])
    );
}
