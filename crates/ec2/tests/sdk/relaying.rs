//! One instance in a group of its own, as the fake of EC2 sees it.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use rehearsal_ec2::cloud::{Cloud, Purchase, Thing};
use rehearsal_ec2::machines::{Arch, Machine};
use rehearsal_ec2::names::Region;
use rehearsal_ec2::relay::{Relay, address, launch};
use rehearsal_ec2::tags::{Scope, is_agent};
use rehearsal_ec2::user_data::UserData;
use rehearsal_fake_ec2::world::Fault;
use rehearsal_fake_ec2::{FakeEc2, OnShutdown, World};
use tokio::time::Instant;

use crate::amazon;

const AT: &str = "eu-west-1";

pub fn relay() -> Relay {
    Relay {
        fleet: "friday".into(),
        run: None,
        owner: "ann".into(),
        ports: BTreeSet::from([7443, 7444]),
        machines: vec![Machine { name: "c7g.large".into(), vcpus: 2, arch: Arch::Aarch64 }],
        subnets: Vec::new(),
        user_data: UserData("#!/bin/sh\nshutdown -P +60\n".into()),
        ttl: Duration::from_secs(3_600),
    }
}

/// How often an action was called, and with which outcomes.
fn outcomes(fake: &FakeEc2, action: &str) -> Vec<String> {
    fake.calls().into_iter().filter(|logged| logged.call.action == action).map(|logged| logged.outcome).collect()
}

#[tokio::test]
async fn a_relay_is_launched_once_and_has_an_address() {
    let fake = FakeEc2::start(World::of(&[AT])).unwrap();
    let (cloud, at, now) = (amazon(fake.url()).await, Region::from(AT), SystemTime::now());
    let id = launch(&cloud, &at, &relay(), now).await.unwrap();
    assert_eq!(launch(&cloud, &at, &relay(), now).await.unwrap(), id);
    let instances = fake.instances();
    assert_eq!(instances.len(), 1, "{instances:?}");
    let groups: Vec<&str> = instances[0].groups.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!((groups, instances[0].on_shutdown), (vec!["rehearsal-open-7443-7444"], OnShutdown::Terminate));
    assert_eq!(instances[0].user_data, relay().user_data.0.as_bytes());
    let run = fake.calls().into_iter().find(|logged| logged.call.action == "RunInstances").unwrap().call.fields;
    assert_eq!(run["MetadataOptions"]["HttpTokens"], "required");
    let tagged = run["TagSpecification"].as_array().unwrap().iter();
    let tagged: Vec<&str> = tagged.map(|tags| tags["ResourceType"].as_str().unwrap()).collect();
    assert_eq!(tagged, ["instance", "volume", "network-interface"]);

    let until = Instant::now() + Duration::from_secs(30);
    assert!(address(&cloud, &at, "friday", &id, until).await.unwrap().is_loopback());
    let listed = cloud.instances(&at, &Scope::Fleet("friday".into()).filter()).await.unwrap();
    assert_eq!((listed[0].purchase, is_agent(&listed[0].tags)), (Purchase::OnDemand, false));
    let groups = cloud.leftovers(&at).await.unwrap();
    let is_group = |thing: &Thing| matches!(thing, Thing::Group(_));
    assert!(groups.len() == 1 && is_group(&groups[0].what), "{groups:?}");
    let used = cloud.delete(&at, &groups[0]).await.unwrap_err();
    assert_eq!(used.code, "DependencyViolation");
}

/// Between making a group and opening it everything can end.
#[tokio::test]
async fn a_group_that_was_left_closed_is_opened() {
    let fault = |code: &str| {
        let (action, code) = (Some("AuthorizeSecurityGroupIngress".into()), Some(code.into()));
        Fault { action, times: Some(1), code, ..Fault::default() }
    };
    let fake = FakeEc2::start(World { faults: vec![fault("InternalError")], ..World::of(&[AT]) }).unwrap();
    let (cloud, at) = (amazon(fake.url()).await, Region::from(AT));
    let network = cloud.subnets(&at, &[]).await.unwrap()[0].vpc.clone();
    let ports = BTreeSet::from([443, 7443]);
    let error = cloud.ensure_open_group(&at, &network, &ports).await.unwrap_err();
    assert!(error.is_passing(), "{error}");
    let group = cloud.ensure_open_group(&at, &network, &ports).await.unwrap();
    assert_eq!(cloud.ensure_open_group(&at, &network, &ports).await.unwrap(), group);
    assert_eq!(outcomes(&fake, "CreateSecurityGroup"), ["ok"]);
    assert_eq!(outcomes(&fake, "AuthorizeSecurityGroupIngress"), ["InternalError", "ok"], "what is open is left alone");
    assert_ne!(cloud.ensure_open_group(&at, &network, &BTreeSet::from([443])).await.unwrap(), group);
    assert_ne!(cloud.ensure_group(&at, &network).await.unwrap(), group, "agents let nobody in");

    // Somebody else opens it between our look and our call: the fake does it and says the opposite.
    let late = Fault { carried_out: true, ..fault("InvalidPermission.Duplicate") };
    fake.change(|world| world.faults = vec![late]).unwrap();
    cloud.ensure_open_group(&at, &network, &BTreeSet::from([9])).await.unwrap();
}
