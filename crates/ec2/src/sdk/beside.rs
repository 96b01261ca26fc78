//! What services beside EC2 know: quotas, and the role by which Amazon launches spot instances.
//!
//! Neither is needed. Where they cannot be asked, because the account may not or because only EC2 is played by another
//! server, the answer is that it is not known.

use aws_sdk_iam::Client as Roles;
use aws_sdk_servicequotas::Client as Quotas;

use super::account::Amazon;
use super::errors::of_call;
use crate::cloud::Purchase;
use crate::failure::{Class, CloudError};
use crate::names::Region;

const EC2: &str = "ec2";
/// "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", in vCPUs.
const SPOT: &str = "L-34B43A08";
/// "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", in vCPUs.
const ON_DEMAND: &str = "L-1216C47A";
/// What Amazon calls the role.
const SPOT_ROLE: &str = "AWSServiceRoleForEC2Spot";
/// How it says that there is no such thing.
const NO_QUOTA: &str = "NoSuchResourceException";
const NO_ROLE: &str = "NoSuchEntity";

pub(super) async fn quota(amazon: &Amazon, at: &Region, of: Purchase) -> Result<Option<u32>, CloudError> {
    if amazon.is_played_without("Service Quotas") {
        return Ok(None);
    }
    let code = match of {
        Purchase::Spot => SPOT,
        Purchase::OnDemand => ON_DEMAND,
    };
    let ask = Quotas::new(&amazon.config_at(at)).get_service_quota().service_code(EC2).quota_code(code);
    match ask.send().await.map_err(of_call) {
        // A number with a point, whatever it counts; one that is too large becomes the largest.
        Ok(answer) => Ok(answer.quota().and_then(|quota| quota.value()).map(|vcpus| vcpus as u32)),
        Err(error) if error.code == NO_QUOTA => Ok(None),
        Err(error) => unless_permitted(error),
    }
}

pub(super) async fn has_spot_role(amazon: &Amazon) -> Result<Option<bool>, CloudError> {
    if amazon.is_played_without("IAM") {
        return Ok(None);
    }
    let ask = Roles::new(&amazon.config_at(amazon.home_region())).get_role().role_name(SPOT_ROLE);
    match ask.send().await.map_err(of_call) {
        Ok(_) => Ok(Some(true)),
        Err(error) if error.code == NO_ROLE => Ok(Some(false)),
        Err(error) => unless_permitted(error),
    }
}

/// Who may not ask does not know.
fn unless_permitted<T>(error: CloudError) -> Result<Option<T>, CloudError> {
    if error.class() == Class::NotPermitted { Ok(None) } else { Err(error) }
}
