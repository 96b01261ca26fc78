//! What services beside EC2 tell, in the regions where they may be asked.

use rehearsal_ec2::cloud::{Cloud, Purchase};
use rehearsal_ec2::names::Region;
use rehearsal_fake_ec2::world::Throttle;
use rehearsal_fake_ec2::{FakeEc2, World};

use crate::amazon;

#[tokio::test]
async fn quotas_and_the_role_are_told_to_those_who_may_ask() {
    let mut world = World::of(&["eu-west-1", "us-west-2"]);
    let place = world.regions.get_mut("eu-west-1").unwrap();
    (place.spot_vcpus, place.on_demand_vcpus) = (Some(5), Some(32));
    let fake = FakeEc2::start(world).unwrap();
    let cloud = amazon(fake.url()).await;
    let at = Region::from("eu-west-1");
    assert_eq!(cloud.quota(&at, Purchase::Spot).await, Ok(Some(5)));
    assert_eq!(cloud.quota(&at, Purchase::OnDemand).await, Ok(Some(32)));
    let most = cloud.quota(&"us-west-2".into(), Purchase::Spot).await.unwrap();
    assert!(most > Some(1_000), "each region has its own: {most:?}");
    assert_eq!(cloud.has_spot_role().await, Ok(Some(true)));
    fake.change(|world| world.service_linked_role = false).unwrap();
    assert_eq!(cloud.has_spot_role().await, Ok(Some(false)));

    fake.change(|world| world.denied.extend(["GetRole", "GetServiceQuota"].map(str::to_owned))).unwrap();
    assert_eq!(cloud.has_spot_role().await, Ok(None));
    assert_eq!(cloud.quota(&at, Purchase::Spot).await, Ok(None));
    fake.change(|world| {
        world.denied.clear();
        world.throttle.insert("GetServiceQuota".into(), Throttle { burst: 1.0, per_second: 0.001 });
    })
    .unwrap();
    assert_eq!(cloud.quota(&at, Purchase::Spot).await, Ok(Some(5)));
    let error = cloud.quota(&at, Purchase::Spot).await.unwrap_err();
    assert!(error.is_passing(), "what passes is not taken for an answer: {error}");
}
