//! Amazon's own library against the fake of EC2, and against an emulator that others wrote: what is asked arrives as it is
//! meant, and what is answered is read so.
#![allow(clippy::unwrap_used, reason = "clippy's leave for tests does not reach their shared functions")]

mod beside;
mod emulated;
#[path = "../../../observe-aws/tests/emulator/mod.rs"]
mod emulator;
mod relaying;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use rehearsal_ec2::cloud::{Access, Action, Cloud, Purchase, State, Thing};
use rehearsal_ec2::failure::Class;
use rehearsal_ec2::machines::Arch;
use rehearsal_ec2::names::{InstanceId, Region};
use rehearsal_ec2::order::{Order, Regions};
use rehearsal_ec2::sdk::{Amazon, Reach};
use rehearsal_ec2::tags::Scope;
use rehearsal_ec2::user_data::{Boot, Build};
use rehearsal_ec2::{launch, plan, survey};
use rehearsal_fake_ec2::{FakeEc2, World};

/// Five regions, each with a trouble of its own.
const TROUBLES: &str = include_str!("../../../fake-ec2/worlds/five-regions.toml");

async fn amazon(endpoint: String) -> Amazon {
    let keys = Some(("AKIAFAKE".to_owned(), "fake".to_owned()));
    Amazon::reached(&Reach { profile: None, endpoint: Some(endpoint), keys }).await
}

/// Instances whose agent is nowhere: they look for it for 15 s, and power off.
fn order(agents: u32) -> Order {
    let builds = vec![Build { arch: Arch::X86_64, sha256: "0".repeat(64) }];
    Order {
        fleet: "friday".into(),
        run: Some("run-7".into()),
        owner: "ann".into(),
        agents,
        min_agents: 1,
        vcpus: 2,
        regions: Regions::All,
        subnets: BTreeMap::new(),
        max_price: None,
        budget: None,
        duration: Duration::from_secs(600),
        ttl: Duration::from_secs(1_200),
        on_demand_percent: 0,
        beside: rehearsal_ec2::money::UsdPerHour::default(),
        boot: Boot { join: "rhj1_x".into(), builds, urls: vec!["https://127.0.0.1:9/agent".into()] },
    }
}

#[tokio::test]
async fn a_fleet_is_launched_found_and_ended() {
    let fake = FakeEc2::start(World::parse(TROUBLES).unwrap()).unwrap();
    let cloud = amazon(fake.url()).await;
    let order = order(6);
    let market = survey::survey(&cloud, &order, &|_| ()).await.unwrap();
    assert!(market.unusable.contains_key(&Region::from("me-south-1")), "{market:?}");
    let plan = plan::plan(&order, &market).unwrap();
    let fleet = launch::launch(&cloud, &order, &market, &plan, SystemTime::now(), &|_| ()).await.unwrap();
    assert_eq!((fleet.agents.len(), fleet.missing), (6, 0), "{:?}", fleet.reasons);

    let filter = Scope::Fleet("friday".into()).filter();
    let mut found = BTreeSet::new();
    for (region, _) in cloud.regions().await.unwrap().iter().filter(|(_, access)| *access == Access::Enabled) {
        // One region does not know our credentials.
        let Ok(listed) = cloud.instances(region, &filter).await else { continue };
        for instance in &listed {
            assert!(matches!(instance.state, State::Pending | State::Running), "{instance:?}");
            assert_eq!((instance.purchase, instance.tags["rehearsal:run"].as_str()), (Purchase::Spot, "run-7"));
            assert!(instance.of.zone.0.starts_with(&region.0) && instance.of.machine.ends_with(".large"));
            assert!(instance.since.elapsed().unwrap() < Duration::from_secs(60), "{:?}", instance.since);
        }
        let ids: Vec<InstanceId> = listed.into_iter().map(|instance| instance.id).collect();
        let leftovers = cloud.leftovers(region).await.unwrap();
        let is_request = |thing: &Thing| matches!(thing, Thing::Request(_));
        let has_request =
            leftovers.iter().any(|left| is_request(&left.what) && left.tags["rehearsal:fleet"] == "friday");
        assert!(ids.is_empty() || has_request, "{leftovers:?}");
        if !ids.is_empty() {
            cloud.terminate(region, &ids).await.unwrap();
        }
        found.extend(ids);
        for left in leftovers.iter().filter(|left| is_request(&left.what)) {
            cloud.delete(region, left).await.unwrap();
        }
        let after = cloud.leftovers(region).await.unwrap();
        assert!(!after.iter().any(|left| is_request(&left.what)), "{after:?}");
    }
    assert_eq!(found, fleet.agents.keys().cloned().collect());
    assert_eq!(fake.instances().len(), 6);
}

#[tokio::test]
async fn what_everybody_shares_is_made_once_and_can_be_deleted() {
    let fake = FakeEc2::start(World::of(&["eu-west-1"])).unwrap();
    let cloud = amazon(fake.url()).await;
    let at = Region::from("eu-west-1");
    let subnets = cloud.subnets(&at, &[]).await.unwrap();
    assert!(subnets.len() >= 2, "{subnets:?}");
    let named = cloud.subnets(&at, &[subnets[0].id.clone()]).await.unwrap();
    assert_eq!(named, subnets[..1]);
    let group = cloud.ensure_group(&at, &subnets[0].vpc).await.unwrap();
    assert_eq!(cloud.ensure_group(&at, &subnets[0].vpc).await.unwrap(), group);
    let skeleton = rehearsal_ec2::request::skeleton(&group);
    let template = cloud.ensure_template(&at, &skeleton).await.unwrap();
    assert_eq!(cloud.ensure_template(&at, &skeleton).await.unwrap(), template);
    let mut things = cloud.leftovers(&at).await.unwrap();
    things.sort_by(|one, other| one.what.cmp(&other.what));
    let kinds: Vec<Thing> = things.iter().map(|thing| thing.what.clone()).collect();
    assert_eq!(kinds, [Thing::Template(template), Thing::Group(group)]);
    for thing in &things {
        cloud.delete(&at, thing).await.unwrap();
    }
    assert_eq!(cloud.leftovers(&at).await.unwrap(), []);
}

#[tokio::test]
async fn errors_have_amazons_code_and_dry_runs_do_nothing() {
    let fake = FakeEc2::start(World::of(&["eu-west-1"])).unwrap();
    let cloud = amazon(fake.url()).await;
    let at = Region::from("eu-west-1");
    let error = cloud.terminate(&at, &["i-00000000000000001".into()]).await.unwrap_err();
    assert_eq!((error.class(), error.request.is_some()), (Class::NotYetVisible, true), "{error}");
    for action in [Action::CreateGroup, Action::CreateTemplate, Action::RunInstances] {
        cloud.may(&at, &action).await.unwrap_or_else(|error| panic!("{action:?}: {error}"));
    }
    assert_eq!(cloud.leftovers(&at).await.unwrap(), [], "nothing was made");
    let silent = amazon("http://127.0.0.1:9".to_owned()).await;
    let lost = silent.regions().await.unwrap_err();
    assert!(lost.is_passing() && lost.code == rehearsal_ec2::failure::UNREACHABLE, "{lost}");
}
