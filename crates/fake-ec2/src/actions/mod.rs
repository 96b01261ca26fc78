//! The actions. Each reads its part of the call, changes the account, and gives what is to be answered.

mod places;
mod types;
mod prices;
mod groups;
mod templates;
mod blueprint;
mod launch;
mod allocation;
mod fleets;
mod instances;
mod tags;
mod beside;

#[cfg(test)]
mod tests;

use std::time::SystemTime;

use rehearsal_fake_aws::Shape;

use crate::account::Account;
use crate::call::Call;
use crate::refusal::Refusal;
use crate::service::Service;

/// Carries a call out.
pub(crate) fn perform(account: &mut Account, call: &Call, now: SystemTime) -> Result<Shape, Refusal> {
    match call.service {
        Service::Ec2 => perform_on_ec2(account, call, now),
        Service::ServiceQuotas if call.action == "GetServiceQuota" => beside::quota(account, call),
        Service::Iam if call.action == "GetRole" => beside::role(account, call),
        _ => Err(invalid(call)),
    }
}

fn perform_on_ec2(account: &mut Account, call: &Call, now: SystemTime) -> Result<Shape, Refusal> {
    match call.action.as_str() {
        "DescribeRegions" => places::regions(account, call),
        "DescribeAvailabilityZones" => places::zones(account, call),
        "DescribeVpcs" => places::vpcs(account, call),
        "DescribeSubnets" => places::subnets(account, call),
        "DescribeImages" => places::images(account, call),
        "DescribeInstanceTypes" => types::types(account, call),
        "DescribeInstanceTypeOfferings" => types::offerings(account, call),
        "DescribeSpotPriceHistory" => prices::history(account, call, now),
        "GetSpotPlacementScores" => prices::scores(account, call),
        "DescribeSecurityGroups" => groups::describe(account, call),
        "CreateSecurityGroup" => groups::create(account, call),
        "DeleteSecurityGroup" => groups::delete(account, call),
        "AuthorizeSecurityGroupIngress" => groups::authorize(account, call),
        "DescribeLaunchTemplates" => templates::describe(account, call),
        "CreateLaunchTemplate" => templates::create(account, call, now),
        "DeleteLaunchTemplate" => templates::delete(account, call),
        "RunInstances" => launch::run(account, call, now),
        "CreateFleet" => fleets::create(account, call, now),
        "DescribeFleets" => fleets::describe(account, call),
        "DeleteFleets" => fleets::delete(account, call, now),
        "DescribeInstances" => instances::describe(account, call, now),
        "TerminateInstances" => instances::terminate(account, call, now),
        "CreateTags" => tags::create(account, call, now),
        "DescribeTags" => tags::describe(account, call),
        _ => Err(invalid(call)),
    }
}

fn invalid(call: &Call) -> Refusal {
    let message = format!("The action {} is not valid for this web service.", call.action);
    Refusal::new(call.service.code("InvalidAction"), message)
}
