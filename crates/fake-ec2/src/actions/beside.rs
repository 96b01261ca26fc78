//! What services beside EC2 tell about it: quotas, and the role by which spot instances are launched.

use std::time::SystemTime;

use rehearsal_fake_aws::Shape;

use crate::account::Account;
use crate::call::{Call, Fields};
use crate::refusal::Refusal;

const SPOT: &str = "L-34B43A08";
const ON_DEMAND: &str = "L-1216C47A";
/// What is told where the world sets no quota: more than anybody has.
const UNLIMITED: u32 = 1_000_000;

const SPOT_ROLE: &str = "AWSServiceRoleForEC2Spot";
const SPOT_SERVICE: &str = "spot.amazonaws.com";

/// `GetServiceQuota`
pub(super) fn quota(account: &Account, call: &Call) -> Result<Shape, Refusal> {
    let missing = |name: &str| Refusal::new("IllegalArgumentException", format!("{name} is required"));
    let service = call.fields.text("ServiceCode").ok_or_else(|| missing("ServiceCode"))?;
    let code = call.fields.text("QuotaCode").ok_or_else(|| missing("QuotaCode"))?;
    let place = account.world.regions.get(&call.region);
    let (name, vcpus) = match (service, code) {
        ("ec2", SPOT) => ("Spot Instance Requests", place.and_then(|place| place.spot_vcpus)),
        ("ec2", ON_DEMAND) => ("Running On-Demand instances", place.and_then(|place| place.on_demand_vcpus)),
        _ => {
            let message = "The request failed because the specified service quota does not exist.";
            return Err(Refusal::new("NoSuchResourceException", message));
        }
    };
    let arn = format!("arn:aws:servicequotas:{}:{}:{service}/{code}", call.region, account.world.account);
    let quota = Shape::map([
        ("ServiceCode", service.into()),
        ("ServiceName", "Amazon Elastic Compute Cloud (Amazon EC2)".into()),
        ("QuotaArn", arn.into()),
        ("QuotaCode", code.into()),
        ("QuotaName", format!("All Standard (A, C, D, H, I, M, R, T, Z) {name}").into()),
        ("Value", f64::from(vcpus.unwrap_or(UNLIMITED)).into()),
        ("Unit", "None".into()),
        ("Adjustable", true.into()),
        ("GlobalQuota", false.into()),
    ]);
    Ok(Shape::map([("Quota", quota)]))
}

/// `GetRole`
pub(super) fn role(account: &Account, call: &Call) -> Result<Shape, Refusal> {
    let missing = || Refusal::new("ValidationError", "the role's name is required");
    let name = call.fields.text("RoleName").ok_or_else(missing)?;
    if name != SPOT_ROLE || !account.world.service_linked_role {
        return Err(Refusal::new("NoSuchEntity", format!("The role with name {name} cannot be found.")));
    }
    let path = format!("/aws-service-role/{SPOT_SERVICE}/");
    let trust = format!(
        "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22\
         Service%22%3A%22{SPOT_SERVICE}%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D"
    );
    let role = Shape::map([
        ("Arn", format!("arn:aws:iam::{}:role{path}{name}", account.world.account).into()),
        ("Path", path.into()),
        ("RoleName", name.into()),
        ("RoleId", "AROA0123456789EXAMPLE".into()),
        ("CreateDate", Shape::Time(SystemTime::UNIX_EPOCH)),
        ("AssumeRolePolicyDocument", trust.into()),
    ]);
    Ok(Shape::map([("Role", role)]))
}
