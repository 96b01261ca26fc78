//! What a doctor finds beforehand is what a launch would meet.

use rehearsal_ec2::cloud::Access;
use rehearsal_ec2::doctor::{Weight, examine};
use rehearsal_ec2::order::Order;

use crate::model::{Habits, Model, Place, World};
use crate::orders::{order, start};

fn model(change: impl FnOnce(&mut Place)) -> Model {
    let mut places = [Place::new(50, 0.02), Place::new(50, 0.03)];
    places.iter_mut().for_each(|place| place.tells_quota = true);
    change(&mut places[0]);
    Model::new(World::new(["eu", "us"].into_iter().zip(places), Habits::default(), 5))
}

async fn check(change: impl FnOnce(&mut Place), order: &Order, room: u32, expected: &[(Weight, &str)]) {
    let model = model(change);
    let seen = examine(&model, order, model.now_unix()).await.unwrap();
    let told: Vec<String> = seen.findings.iter().map(|finding| format!("{finding:?}")).collect();
    assert_eq!(seen.room, room, "{told:#?}");
    // Nothing runs yet: that ending it works is not known, and said each time.
    let is_untried = |text: &str| text.starts_with("whether instances may be ended cannot be tried");
    let (untried, others): (Vec<_>, Vec<_>) = seen.findings.iter().partition(|finding| is_untried(&finding.text));
    assert_eq!(untried.len(), 1, "{told:#?}");
    assert_eq!(others.len(), expected.len(), "{told:#?}");
    for (finding, (weight, text)) in others.iter().zip(expected) {
        assert_eq!(finding.weight, *weight, "{told:#?}");
        assert!(finding.text.contains(text), "{text}: {told:#?}");
    }
    assert_eq!(model.world().alive().len(), 0, "nothing is launched to find out");
    assert!(model.world().places.values().all(|place| place.group.is_none()), "nor made");
}

#[tokio::test(start_paused = true)]
async fn each_illness_is_found_with_its_cure() {
    let ten = &order(10);
    check(|_| (), ten, 10, &[]).await;
    check(
        |eu| eu.quota = 5,
        ten,
        10,
        &[(Weight::Limits, "the quota of 5 spot vCPUs is less than this region's share of 10")],
    )
    .await;
    check(|eu| eu.quota = 1, ten, 10, &[(Weight::Blocks, "too small for one agent of 2; raise the quota")]).await;
    check(|eu| eu.tells_quota = false, ten, 10, &[(Weight::Note, "in a new account it is 5")]).await;
    let network = "there is no default network; make a default network: aws ec2 create-default-vpc --region eu";
    check(|eu| eu.zones.clear(), ten, 10, &[(Weight::Blocks, network)]).await;
    let denied = |eu: &mut Place| eu.denied.extend(["CreateFleet", "RunInstances"]);
    let told = "CreateFleet, RunInstances: UnauthorizedOperation: said the model; attach the policy";
    check(denied, ten, 10, &[(Weight::Blocks, told)]).await;
    check(|eu| eu.is_shut = true, ten, 10, &[(Weight::Blocks, "AWS_STS_REGIONAL_ENDPOINTS=regional")]).await;
    check(|eu| eu.access = Access::NotOptedIn, ten, 10, &[]).await;
    let eu = ["eu"].into_iter().map(Into::into).collect();
    let only = Order { regions: rehearsal_ec2::order::Regions::Only(eu), min_agents: 1, ..order(10) };
    let closed = [(Weight::Blocks, "there is room for 0 of 10"), (Weight::Blocks, "enable-region --region-name eu")];
    check(|eu| eu.access = Access::NotOptedIn, &only, 0, &closed).await;
    let half = Order { on_demand_percent: 50, ..order(60) };
    let poor = |eu: &mut Place| eu.quota = 20;
    let expected = [
        (Weight::Limits, "the quota of 20 spot vCPUs is less than this region's share of 60"),
        (Weight::Limits, "is less than this region's share of"),
    ];
    let model = model(poor);
    let seen = examine(&model, &half, model.now_unix()).await.unwrap();
    assert!(
        expected.iter().all(|(_, text)| seen.findings.iter().any(|finding| finding.text.contains(text))),
        "{seen:#?}"
    );
    assert!(seen.is_fit(&half));
}

#[tokio::test(start_paused = true)]
async fn those_who_should_be_gone_are_found() {
    let model = model(|_| ());
    start(&model, &order(4)).await.unwrap();
    let later = model.now_unix() + 86_400;
    let seen = examine(&model, &order(4), later).await.unwrap();
    let told: Vec<&str> = seen.findings.iter().map(|finding| finding.text.as_str()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("2 instances should have ended and have not; run `coordinator fleet sweep`"),
        "{told:?}"
    );
    let seen = examine(&model, &order(4), model.now_unix()).await.unwrap();
    assert!(seen.findings.is_empty(), "{seen:?}");
    model.world().places.values_mut().for_each(|place| place.denied.extend(["TerminateInstances"]));
    let seen = examine(&model, &order(4), model.now_unix()).await.unwrap();
    assert!(seen.findings.iter().any(|finding| finding.text.starts_with("TerminateInstances: Unauth")), "{seen:?}");
}
