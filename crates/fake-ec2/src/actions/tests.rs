//! Calls against an account, without a server, without machines, with a clock of our own.

mod opening;
use std::time::{Duration, SystemTime};

use rehearsal_fake_aws::Shape;
use serde_json::json;

use crate::account::{Account, Admission, Then};
use crate::call::Call;
use crate::instance::State;
use crate::refusal::Refusal;
use crate::world::World;

const USER_DATA: &str = "IyEvYmluL3NoCg=="; // "#!/bin/sh\n"

/// An account with a clock.
struct Stand {
    account: Account,
    now: SystemTime,
}

impl Stand {
    fn new(patch: serde_json::Value) -> Stand {
        let world = World::of(&["us-east-1", "eu-west-1"]).patched(&patch).unwrap();
        Stand { account: Account::new(world), now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000) }
    }

    fn pass(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
    }

    fn change(&mut self, patch: serde_json::Value) {
        let world = self.account.world.patched(&patch).unwrap();
        self.account.set(world);
    }

    fn read(&self, action: &str, body: &str) -> Call {
        let signed = "Credential=K/20261122/us-east-1/ec2/aws4_request";
        Call::read(Some(signed), None, format!("Action={action}&{body}").as_bytes()).unwrap()
    }

    fn call(&mut self, action: &str, body: &str) -> Result<Shape, Refusal> {
        let call = self.read(action, body);
        match self.account.admit(&call, self.now).then {
            Then::Act => self.account.act(&call, self.now),
            Then::Refuse(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    fn code(&mut self, action: &str, body: &str) -> String {
        match self.call(action, body) {
            Ok(_) => "ok".into(),
            Err(refusal) => refusal.code,
        }
    }

    fn template(&mut self) {
        let image = "ImageId=resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64";
        let body = format!(
            "LaunchTemplateName=t&LaunchTemplateData.{image}&LaunchTemplateData.UserData={USER_DATA}\
             &LaunchTemplateData.InstanceInitiatedShutdownBehavior=terminate"
        );
        self.call("CreateLaunchTemplate", &body).unwrap();
    }

    /// Makes a spot fleet of `c7g.large` in the zones a and b, and gives how many instances and which errors are told.
    fn fleet(&mut self, target: u32, more: &str) -> (usize, Vec<String>) {
        let told = self.call("CreateFleet", &fleet(target, more)).unwrap();
        (ids(&told).len(), codes(&told))
    }

    fn alive(&self) -> usize {
        self.account.instances().iter().filter(|instance| instance.state().is_alive()).count()
    }
}

fn fleet(target: u32, more: &str) -> String {
    let overrides = ["a", "b"].iter().enumerate().map(|(i, letter)| {
        let place = format!("LaunchTemplateConfigs.1.Overrides.{}", i + 1);
        format!("&{place}.InstanceType=c7g.large&{place}.AvailabilityZone=us-east-1{letter}")
    });
    let overrides: String = overrides.collect();
    format!(
        "Type=instant&LaunchTemplateConfigs.1.LaunchTemplateSpecification.LaunchTemplateName=t\
         &LaunchTemplateConfigs.1.LaunchTemplateSpecification.Version=$Latest{overrides}\
         &TargetCapacitySpecification.TotalTargetCapacity={target}\
         &TargetCapacitySpecification.DefaultTargetCapacityType=spot\
         &SpotOptions.AllocationStrategy=price-capacity-optimized&{more}"
    )
}

/// A part of an answer.
fn part<'a>(shape: &'a Shape, name: &str) -> &'a Shape {
    let Shape::Map(parts) = shape else { panic!("{shape:?}") };
    &parts.iter().find(|(key, _)| key == name).unwrap_or_else(|| panic!("no {name} in {shape:?}")).1
}

fn list(shape: &Shape) -> &[Shape] {
    let Shape::List(parts) = shape else { panic!("{shape:?}") };
    parts
}

fn text(shape: &Shape) -> String {
    let Shape::Text(text) = shape else { panic!("{shape:?}") };
    text.clone()
}

/// The ids of the instances that `CreateFleet` names.
fn ids(told: &Shape) -> Vec<String> {
    let sets = list(part(told, "fleetInstanceSet")).iter();
    sets.flat_map(|set| list(part(set, "instanceIds")).iter().map(text)).collect()
}

fn codes(told: &Shape) -> Vec<String> {
    list(part(told, "errorSet")).iter().map(|error| text(part(error, "errorCode"))).collect()
}

/// The ids of the instances that `DescribeInstances` tells of.
fn described(told: &Shape) -> Vec<String> {
    let all = list(part(told, "reservationSet")).iter();
    all.flat_map(|it| list(part(it, "instancesSet")).iter().map(|it| text(part(it, "instanceId")))).collect()
}

#[test]
fn partial_success_is_told_in_one_answer() {
    let pools = json!({ "c7g.large": { "a": { "capacity": 1 }, "b": { "capacity": 2 } } });
    let mut stand = Stand::new(json!({ "regions": { "us-east-1": { "pools": pools } } }));
    stand.template();
    let short = vec!["InsufficientInstanceCapacity".to_owned(); 2];
    assert_eq!(stand.fleet(5, ""), (3, short));
    // What ends gives its place free again.
    let id = stand.account.instances()[0].id.clone();
    stand.call("TerminateInstances", &format!("InstanceId.1={id}")).unwrap();
    assert_eq!(stand.fleet(1, "").0, 1);
}

#[test]
fn quotas_count_what_runs_already() {
    let mut stand = Stand::new(json!({ "regions": { "us-east-1": { "spot_vcpus": 5 } } }));
    stand.template();
    assert_eq!(stand.fleet(3, ""), (2, vec!["MaxSpotInstanceCountExceeded".to_owned(); 2]));
    assert_eq!(stand.fleet(1, "").0, 0, "four of five processors are taken, and one needs two");
    let (started, errors) = stand.fleet(
        1,
        "OnDemandOptions.AllocationStrategy=lowest-price\
        &TargetCapacitySpecification.OnDemandTargetCapacity=1",
    );
    assert_eq!((started, errors), (1, vec![]), "on demand has a quota of its own");
}

#[test]
fn every_trouble_of_a_pool_is_told_as_an_error_of_its_override() {
    for (patch, expected) in [
        (json!({ "service_linked_role": false }), "AuthFailure.ServiceLinkedRoleCreationNotPermitted"),
        (json!({ "regions": { "us-east-1": { "fleets": 0 } } }), "MaxFleetCountExceeded"),
        (
            json!({ "regions": { "us-east-1": { "pools": { "c7g.large": {
                "a": { "error": "UnfulfillableCapacity" }, "b": { "error": "UnfulfillableCapacity" } } } } } }),
            "UnfulfillableCapacity",
        ),
        (
            json!({ "regions": { "us-east-1": { "pools": { "c7g.large": {
                "a": { "offered": false }, "b": { "offered": false } } } } } }),
            "Unsupported",
        ),
    ] {
        let mut stand = Stand::new(patch);
        stand.template();
        assert_eq!(stand.fleet(1, ""), (0, vec![expected.to_owned(); 2]));
    }
    let mut stand = Stand::new(json!({}));
    stand.template();
    let too_low = "LaunchTemplateConfigs.1.Overrides.1.MaxPrice=0.001&LaunchTemplateConfigs.1.Overrides.2.MaxPrice=1";
    assert_eq!(stand.fleet(2, too_low), (2, vec!["SpotMaxPriceTooLow".to_owned()]));
    // Both, for arm64 there is no such image.
    let other = "LaunchTemplateConfigs.1.Overrides.1.InstanceType=c7a.large";
    assert_eq!(stand.fleet(2, other), (2, vec!["InvalidParameterValue".to_owned()]));
}

#[test]
fn without_a_default_vpc_a_subnet_has_to_be_named() {
    let subnets = json!({ "subnet-1": { "zone": "a", "vpc": "vpc-1" } });
    let mut stand = Stand::new(json!({ "regions": { "us-east-1": { "default_vpc": false, "subnets": subnets } } }));
    stand.template();
    assert_eq!(stand.code("CreateFleet", &fleet(1, "")), "VPCIdNotSpecified");
    assert_eq!(stand.code("CreateSecurityGroup", "GroupName=g&GroupDescription=d"), "VPCIdNotSpecified");
    let named =
        "LaunchTemplateConfigs.1.Overrides.1.SubnetId=subnet-1&LaunchTemplateConfigs.1.Overrides.2.SubnetId=subnet-1";
    assert_eq!(stand.fleet(1, named), (1, vec![]));
    assert_eq!(stand.account.instances()[0].vpc, "vpc-1");
}

#[test]
fn fleets_may_start_more_than_was_asked_for_and_tell_of_less() {
    let mut stand = Stand::new(json!({ "regions": { "us-east-1": { "surplus": 2, "hidden": 1 } } }));
    stand.template();
    assert_eq!(stand.fleet(3, "").0, 5);
    assert_eq!(stand.alive(), 6);
}

/// A strategy that spot instances do not have was refused only after the on-demand instances had been started.
#[test]
fn what_makes_no_sense_starts_nobody() {
    let mut stand = Stand::new(json!({}));
    stand.template();
    for (more, expected) in [
        (
            "TargetCapacitySpecification.SpotTargetCapacity=1&SpotOptions.AllocationStrategy=prioritized\
          &TargetCapacitySpecification.DefaultTargetCapacityType=on-demand",
            "InvalidParameterValue",
        ),
        ("TargetCapacitySpecification.OnDemandTargetCapacity=-1", "InvalidParameterValue"),
        ("TargetCapacitySpecification.OnDemandTargetCapacity=3", "InvalidParameterCombination"),
        ("TargetCapacitySpecification.TotalTargetCapacity=10001", "InvalidParameterValue"),
        ("LaunchTemplateConfigs.1.Overrides.1.WeightedCapacity=0", "InvalidParameterValue"),
        ("LaunchTemplateConfigs.1.LaunchTemplateSpecification.Version=2", "InvalidLaunchTemplateId.VersionNotFound"),
        (
            "LaunchTemplateConfigs.1.LaunchTemplateSpecification.LaunchTemplateName=u",
            "InvalidLaunchTemplateName.NotFoundException",
        ),
        ("LaunchTemplateConfigs.1.Overrides.1.AvailabilityZone=us-east-1z", "InvalidParameterValue"),
        ("SpotOptions.MinTargetCapacity=1", "UnsupportedOperation"),
        ("Type=maintain", "UnsupportedOperation"),
    ] {
        assert_eq!(stand.code("CreateFleet", &fleet(2, more)), expected, "{more}");
    }
    assert_eq!(stand.alive(), 0);
}

#[test]
fn a_token_makes_a_fleet_once() {
    let mut stand = Stand::new(json!({}));
    stand.template();
    let first = stand.call("CreateFleet", &fleet(2, "ClientToken=x")).unwrap();
    assert_eq!(stand.call("CreateFleet", &fleet(2, "ClientToken=x")).unwrap(), first);
    assert_eq!(stand.alive(), 2);
    assert_eq!(stand.code("CreateFleet", &fleet(3, "ClientToken=x")), "IdempotentParameterMismatch");
    assert_eq!(stand.code("CreateFleet", &fleet(2, "ClientToken=y")), "ok");
    assert_eq!(stand.alive(), 4);
}

#[test]
fn knowledge_is_late() {
    let mut stand = Stand::new(json!({ "lag": { "describe": 5, "ids": 2 } }));
    stand.template();
    let told = stand
        .call(
            "CreateFleet",
            &fleet(
                1,
                "TagSpecification.1.ResourceType=instance\
        &TagSpecification.1.Tag.1.Key=run&TagSpecification.1.Tag.1.Value=7",
            ),
        )
        .unwrap();
    let named = format!("InstanceId.1={}", ids(&told)[0]);
    let by_tag = "Filter.1.Name=tag:run&Filter.1.Value.1=7";
    assert_eq!(described(&stand.call("DescribeInstances", by_tag).unwrap()), [""; 0]);
    assert_eq!(stand.code("DescribeInstances", &named), "InvalidInstanceID.NotFound");
    assert_eq!(stand.code("TerminateInstances", &named), "InvalidInstanceID.NotFound");
    stand.pass(2.0);
    assert_eq!(stand.code("TerminateInstances", &named), "ok");
    assert_eq!(described(&stand.call("DescribeInstances", by_tag).unwrap()), [""; 0]);
    stand.pass(3.0);
    let pending = format!("{by_tag}&Filter.2.Name=instance-state-name&Filter.2.Value.1=pending");
    assert_eq!(
        described(&stand.call("DescribeInstances", &pending).unwrap()),
        ids(&told),
        "what was true five seconds ago"
    );
    stand.pass(2.0);
    assert_eq!(described(&stand.call("DescribeInstances", &pending).unwrap()), [""; 0]);
}

#[test]
fn one_unknown_id_ends_nobody() {
    let mut stand = Stand::new(json!({}));
    stand.template();
    let told = stand.call("CreateFleet", &fleet(1, "")).unwrap();
    let both = format!("InstanceId.1={}&InstanceId.2=i-0", ids(&told)[0]);
    assert_eq!(stand.code("TerminateInstances", &both), "InvalidInstanceID.NotFound");
    assert_eq!(stand.alive(), 1);
    assert_eq!(stand.code("TerminateInstances", "InstanceId.1=x"), "InvalidInstanceID.Malformed");
    stand.call("TerminateInstances", &format!("InstanceId.1={}", ids(&told)[0])).unwrap();
    assert_eq!(stand.account.instances()[0].state(), State::ShuttingDown);
}

#[test]
fn who_may_not_is_refused_before_anything_happens() {
    for (patch, expected) in [
        (json!({ "denied": ["DescribeVpcs"] }), "UnauthorizedOperation"),
        (json!({ "access_keys": ["other"] }), "AuthFailure"),
        (json!({ "regions": { "us-east-1": { "credentials": false } } }), "AuthFailure"),
        (json!({ "regions": { "us-east-1": { "opt_in": "not-opted-in" } } }), "AuthFailure"),
        (json!({ "faults": [{ "code": "InternalError" }] }), "InternalError"),
        (json!({ "throttle": { "*": { "burst": 1, "per_second": 1 } } }), "DryRunOperation"),
    ] {
        assert_eq!(Stand::new(patch.clone()).code("DescribeVpcs", "DryRun=true"), expected, "{patch}");
    }
    assert_eq!(Stand::new(json!({})).code("Nonsense", ""), "InvalidAction");
}

#[test]
fn calls_are_throttled_for_each_action_and_region() {
    let mut stand = Stand::new(json!({ "throttle": { "DescribeVpcs": { "burst": 2, "per_second": 1 } } }));
    let codes: Vec<String> = (0..3).map(|_| stand.code("DescribeVpcs", "")).collect();
    assert_eq!(codes, ["ok", "ok", "RequestLimitExceeded"]);
    assert_eq!(stand.code("DescribeSubnets", ""), "ok");
    stand.pass(1.0);
    assert_eq!(stand.code("DescribeVpcs", ""), "ok");
}

#[test]
fn faults_strike_so_many_calls_or_by_chance() {
    let mut stand =
        Stand::new(json!({ "faults": [{ "action": "DescribeVpcs", "times": 2, "code": "InternalError" }] }));
    let codes: Vec<String> = (0..3).map(|_| stand.code("DescribeVpcs", "")).collect();
    assert_eq!(codes, ["InternalError", "InternalError", "ok"]);
    stand.change(json!({ "faults": [{ "probability": 0.5, "code": "Unavailable" }] }));
    let failed = (0..1_000).filter(|_| stand.code("DescribeVpcs", "") == "Unavailable").count();
    assert!((400..600).contains(&failed), "{failed} of 1000");
    stand.change(json!({ "faults": [{ "delay": 1.5, "silent": true }] }));
    let call = stand.read("DescribeVpcs", "");
    let expected = Admission { delay: Duration::from_millis(1_500), then: Then::Silence };
    assert_eq!(stand.account.admit(&call, stand.now), expected);
    stand
        .change(json!({ "faults": [{ "carried_out": true, "code": "InternalError", "status": 502, "message": "m" }] }));
    let lost = Refusal { status: 502, code: "InternalError".into(), message: "m".into() };
    assert_eq!(stand.account.admit(&call, stand.now).then, Then::ActInVain(Some(lost)));
}

#[test]
fn groups_go_when_nobody_is_in_them() {
    let mut stand = Stand::new(json!({}));
    stand.template();
    stand.call("CreateSecurityGroup", "GroupName=g&GroupDescription=d").unwrap();
    assert_eq!(stand.code("CreateSecurityGroup", "GroupName=g&GroupDescription=d"), "InvalidGroup.Duplicate");
    let group = stand.account.holdings["us-east-1"].groups.keys().next().unwrap().clone();
    let run = format!(
        "LaunchTemplate.LaunchTemplateName=t&InstanceType=c7g.large&MinCount=1&MaxCount=1&SecurityGroupId.1={group}"
    );
    stand.call("RunInstances", &run).unwrap();
    let delete = format!("GroupId={group}");
    assert_eq!(stand.code("DeleteSecurityGroup", &delete), "DependencyViolation");
    let id = stand.account.instances()[0].id.clone();
    let now = stand.now;
    stand.account.instance_mut(&id).unwrap().turn(State::Terminated, now);
    assert_eq!(stand.code("DeleteSecurityGroup", &delete), "ok");
    assert_eq!(stand.code("DeleteSecurityGroup", &delete), "InvalidGroup.NotFound");
}

#[test]
fn run_instances_is_all_or_an_error() {
    let pools = json!({ "c7g.large": { "a": { "capacity": 2 }, "b": { "capacity": 4 }, "c": { "capacity": 0 } } });
    let mut stand = Stand::new(json!({ "regions": { "us-east-1": { "pools": pools } } }));
    stand.template();
    let run = |least: u32, most: u32| {
        format!("LaunchTemplate.LaunchTemplateName=t&InstanceType=c7g.large&MinCount={least}&MaxCount={most}")
    };
    assert_eq!(stand.code("RunInstances", &run(5, 5)), "InsufficientInstanceCapacity");
    assert_eq!(stand.code("RunInstances", &run(3, 9)), "ok");
    assert!(stand.account.instances().iter().all(|instance| instance.zone == "us-east-1b"));
    assert_eq!(stand.alive(), 4);
    assert_eq!(stand.code("RunInstances", &run(2, 1)), "InvalidParameterValue");
}

#[test]
fn what_ended_is_forgotten_after_an_hour() {
    let mut stand = Stand::new(json!({}));
    stand.template();
    stand.fleet(1, "");
    let (id, now) = (stand.account.instances()[0].id.clone(), stand.now);
    stand.account.instance_mut(&id).unwrap().turn(State::Terminated, now);
    stand.pass(3_600.0);
    assert_eq!(described(&stand.call("DescribeInstances", "").unwrap()), [id]);
    stand.pass(1.0);
    assert_eq!(described(&stand.call("DescribeInstances", "").unwrap()), [""; 0]);
}

#[test]
fn instant_fleets_are_only_told_of_by_name_and_take_their_instances_along() {
    let mut stand = Stand::new(json!({}));
    stand.template();
    let told = stand.call("CreateFleet", &fleet(2, "")).unwrap();
    let id = text(part(&told, "fleetId"));
    assert_eq!(list(part(&stand.call("DescribeFleets", "").unwrap(), "fleetSet")), []);
    let fleets = stand.call("DescribeFleets", &format!("FleetId.1={id}")).unwrap();
    assert_eq!(ids(&list(part(&fleets, "fleetSet"))[0]), ids(&told));
    assert_eq!(
        stand.code("DeleteFleets", &format!("FleetId.1={id}&TerminateInstances=false")),
        "InvalidParameterCombination"
    );
    let deleted =
        stand.call("DeleteFleets", &format!("FleetId.1={id}&FleetId.2=fleet-0&TerminateInstances=true")).unwrap();
    assert_eq!(list(part(&deleted, "successfulFleetDeletionSet")).len(), 1);
    assert_eq!(list(part(&deleted, "unsuccessfulFleetDeletionSet")).len(), 1);
    assert_eq!(stand.alive(), 0);
}
