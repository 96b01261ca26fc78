//! What Amazon's error codes mean for a launch, and what a person can do about each.
//!
//! Codes are compared as whole texts with the table below, and a test goes through it: a misspelt code that silently
//! matches nothing is a classic of this trade. Sources: the list of "unfulfillable" codes that Karpenter keeps, the
//! error tables of the EC2 API reference, and reports of users.

use std::fmt;

use crate::names::Region;

/// What a code means for whoever launches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// This pool has nothing left; others may have.
    TryElsewhere,
    /// The account may not have more in this region.
    Quota,
    /// The account may have it, but we may not do it.
    NotPermitted,
    /// The account does not use this region, or its credentials do not hold there.
    NotEnabled,
    /// Too many calls; the same later.
    Throttled,
    /// What was just made is not known everywhere yet; the same later.
    NotYetVisible,
    /// The request can never succeed as it is.
    Invalid,
    /// A code that is not in the table.
    Unknown,
}

/// Whether the same call may succeed if it is made again, as far as whoever made it could tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The answer was final.
    Never,
    /// There was no answer, or the service failed. What was asked may have happened.
    Soon,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CloudError {
    /// Amazon's code, or one of [`UNANSWERED`] and [`UNREACHABLE`].
    pub code: String,
    /// Amazon's words.
    pub message: String,
    /// What Amazon's support asks for.
    pub request: Option<String>,
    /// Whether to call again.
    pub retry: Retry,
}

/// The code for a call that was given up because no answer came.
pub const UNANSWERED: &str = "Unanswered";
/// The code for a call that found no way to Amazon.
pub const UNREACHABLE: &str = "Unreachable";

impl fmt::Display for CloudError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.code, self.message)?;
        match &self.request {
            Some(request) => write!(out, " (request {request})"),
            None => Ok(()),
        }
    }
}

impl CloudError {
    /// An error with a code that speaks for itself.
    #[must_use]
    pub fn of_code(code: &str, message: &str) -> CloudError {
        CloudError { code: code.to_owned(), message: message.to_owned(), request: None, retry: Retry::Never }
    }

    /// No answer came in time. Nobody knows whether the call had its effect.
    #[must_use]
    pub fn unanswered() -> CloudError {
        CloudError { retry: Retry::Soon, ..CloudError::of_code(UNANSWERED, "no answer in time") }
    }

    /// What the code means.
    #[must_use]
    pub fn class(&self) -> Class {
        row(&self.code).map_or(Class::Unknown, |row| row.class)
    }

    /// Whether the same call may succeed a little later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.retry == Retry::Soon || matches!(self.class(), Class::Throttled | Class::NotYetVisible)
    }

    /// What a person can do about it in a region, as one sentence, with the command if there is one.
    #[must_use]
    pub fn advice(&self, region: &Region) -> Option<String> {
        row(&self.code).map(|row| row.fix.replace("{region}", &region.0))
    }
}

struct Row {
    code: &'static str,
    class: Class,
    /// `{region}` stands for the region's name.
    fix: &'static str,
}

fn row(code: &str) -> Option<&'static Row> {
    CATALOGUE.iter().find(|row| row.code == code)
}

const ELSEWHERE: &str = "nothing to do: other pools and regions are asked";
const SPOT_QUOTA: &str = "raise the quota of spot vCPUs (5 in a new account): aws service-quotas \
    request-service-quota-increase --service-code ec2 --quota-code L-34B43A08 --desired-value 64 --region {region}";
const ON_DEMAND_QUOTA: &str = "raise the quota of on-demand vCPUs: aws service-quotas \
    request-service-quota-increase --service-code ec2 --quota-code L-1216C47A --desired-value 64 --region {region}";
const REQUESTS_QUOTA: &str = "wait until other fleets of the account have ended, or raise the quota of fleets: \
    https://console.aws.amazon.com/servicequotas/home?region={region}";
const POLICY: &str = "attach the policy that `coordinator fleet doctor` prints to the user or role that launches";
const ROLE: &str = "make the role for spot instances once: aws iam create-service-linked-role --aws-service-name \
    spot.amazonaws.com, and another for ec2fleet.amazonaws.com";
const OPT_IN: &str = "enable the region: aws account enable-region --region-name {region}; or leave it out";
const CREDENTIALS: &str = "the credentials do not hold in {region}. If they do nowhere, they are wrong; if they do elsewhere, \
    they are tokens of the global STS endpoint, which are not valid in regions that one opts in to: export \
    AWS_STS_REGIONAL_ENDPOINTS=regional";
const SIGN_IN: &str = "get fresh credentials: aws sso login, or whatever you sign in with";
const LATER: &str =
    "the call is made again for a while; if it stays so, try later or leave {region} out with --regions";
const NETWORK: &str = "make a default network: aws ec2 create-default-vpc --region {region}; or name subnets";
const SUBNETS: &str = "name subnets that exist in {region}";
const MAX_PRICE: &str = "allow a higher --max-price, or leave it out: nobody pays more than the current price";
const BUG: &str = "this is a fault of the launcher: please report it with the request's id";
const CONNECTION: &str = "look whether this machine reaches https://ec2.{region}.amazonaws.com";

const fn of(code: &'static str, class: Class, fix: &'static str) -> Row {
    Row { code, class, fix }
}

const CATALOGUE: &[Row] = &[
    of("InsufficientInstanceCapacity", Class::TryElsewhere, ELSEWHERE),
    of("InsufficientHostCapacity", Class::TryElsewhere, ELSEWHERE),
    of("InsufficientCapacity", Class::TryElsewhere, ELSEWHERE),
    of("InsufficientFreeAddressesInSubnet", Class::TryElsewhere, ELSEWHERE),
    of("UnfulfillableCapacity", Class::TryElsewhere, ELSEWHERE),
    of("Unsupported", Class::TryElsewhere, ELSEWHERE),
    of("SpotMaxPriceTooLow", Class::TryElsewhere, MAX_PRICE),
    of("MaxSpotInstanceCountExceeded", Class::Quota, SPOT_QUOTA),
    of("VcpuLimitExceeded", Class::Quota, ON_DEMAND_QUOTA),
    of("InstanceLimitExceeded", Class::Quota, ON_DEMAND_QUOTA),
    of("TargetCapacityLimitExceededException", Class::Quota, SPOT_QUOTA),
    of("MaxFleetCountExceeded", Class::Quota, REQUESTS_QUOTA),
    of("MaxSpotFleetRequestCountExceeded", Class::Quota, REQUESTS_QUOTA),
    of("ResourceLimitExceeded", Class::Quota, REQUESTS_QUOTA),
    of("VolumeLimitExceeded", Class::Quota, REQUESTS_QUOTA),
    of("UnauthorizedOperation", Class::NotPermitted, POLICY),
    of("AccessDenied", Class::NotPermitted, POLICY),
    of("AccessDeniedException", Class::NotPermitted, POLICY),
    of("AuthFailure.ServiceLinkedRoleCreationNotPermitted", Class::NotPermitted, ROLE),
    of("OptInRequired", Class::NotEnabled, OPT_IN),
    of("AuthFailure", Class::NotEnabled, CREDENTIALS),
    of("InvalidClientTokenId", Class::NotEnabled, CREDENTIALS),
    of("UnrecognizedClientException", Class::NotEnabled, CREDENTIALS),
    of("ExpiredToken", Class::NotEnabled, SIGN_IN),
    of("RequestExpired", Class::NotEnabled, SIGN_IN),
    of("RequestLimitExceeded", Class::Throttled, LATER),
    of("Throttling", Class::Throttled, LATER),
    of("ThrottlingException", Class::Throttled, LATER),
    of("TooManyRequestsException", Class::Throttled, LATER),
    of("InvalidInstanceID.NotFound", Class::NotYetVisible, LATER),
    of("InvalidGroup.NotFound", Class::NotYetVisible, LATER),
    of("InvalidLaunchTemplateId.NotFound", Class::NotYetVisible, LATER),
    of("InvalidLaunchTemplateName.NotFoundException", Class::NotYetVisible, LATER),
    // A group cannot go before the network interfaces of instances that are ending.
    of("DependencyViolation", Class::NotYetVisible, LATER),
    of("VPCIdNotSpecified", Class::Invalid, NETWORK),
    of("InvalidSubnetID.NotFound", Class::Invalid, SUBNETS),
    of("InvalidSubnet", Class::Invalid, SUBNETS),
    of("IdempotentParameterMismatch", Class::Invalid, BUG),
    of("InvalidParameterValue", Class::Invalid, BUG),
    of("InvalidParameter", Class::Invalid, BUG),
    of("InvalidParameterCombination", Class::Invalid, BUG),
    of("InvalidFleetConfiguration", Class::Invalid, BUG),
    of("MissingParameter", Class::Invalid, BUG),
    of("UnknownParameter", Class::Invalid, BUG),
    of(UNANSWERED, Class::Unknown, CONNECTION),
    of(UNREACHABLE, Class::Unknown, CONNECTION),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn check(code: &str, class: Class, passing: bool, advice: &str) {
        let error = CloudError::of_code(code, "words");
        assert_eq!((error.class(), error.is_passing()), (class, passing), "{code}");
        let told = error.advice(&"eu-west-1".into()).unwrap_or_default();
        assert!(told.contains(advice), "{code}: {told}");
    }

    #[test]
    fn codes_mean_what_they_mean() {
        check("InsufficientInstanceCapacity", Class::TryElsewhere, false, "other pools");
        check("UnfulfillableCapacity", Class::TryElsewhere, false, "other pools");
        check("MaxSpotInstanceCountExceeded", Class::Quota, false, "L-34B43A08 --desired-value 64 --region eu-west-1");
        check("VcpuLimitExceeded", Class::Quota, false, "L-1216C47A");
        check("MaxFleetCountExceeded", Class::Quota, false, "region=eu-west-1");
        check("UnauthorizedOperation", Class::NotPermitted, false, "fleet doctor");
        let role = "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com";
        check("AuthFailure.ServiceLinkedRoleCreationNotPermitted", Class::NotPermitted, false, role);
        check("OptInRequired", Class::NotEnabled, false, "enable-region --region-name eu-west-1");
        check("AuthFailure", Class::NotEnabled, false, "AWS_STS_REGIONAL_ENDPOINTS=regional");
        check("InvalidClientTokenId", Class::NotEnabled, false, "do not hold in eu-west-1");
        check("RequestLimitExceeded", Class::Throttled, true, "again");
        check("InvalidInstanceID.NotFound", Class::NotYetVisible, true, "again");
        check("InvalidLaunchTemplateName.NotFoundException", Class::NotYetVisible, true, "again");
        check("VPCIdNotSpecified", Class::Invalid, false, "aws ec2 create-default-vpc --region eu-west-1");
        check("IdempotentParameterMismatch", Class::Invalid, false, "report it");
        check("SomethingNew", Class::Unknown, false, "");
        // Near misses are other codes: nothing is compared by its beginning.
        check("UnfillableCapacity", Class::Unknown, false, "");
        check("AuthFailure.Something", Class::Unknown, false, "");
    }

    #[test]
    fn each_code_stands_once_and_its_advice_is_complete() {
        let codes: BTreeSet<&str> = CATALOGUE.iter().map(|row| row.code).collect();
        assert_eq!(codes.len(), CATALOGUE.len());
        for row in CATALOGUE {
            let advice = CloudError::of_code(row.code, "").advice(&"x-y-1".into()).unwrap_or_default();
            assert!(!advice.is_empty() && !advice.contains(['{', '}', '\n']), "{}: {advice}", row.code);
            assert!(!advice.contains("  "), "{advice}");
        }
    }

    #[test]
    fn what_was_not_answered_is_asked_again() {
        assert!(CloudError::unanswered().is_passing());
        let error = CloudError { request: Some("req-1".into()), ..CloudError::of_code("Code", "words") };
        assert_eq!(error.to_string(), "Code: words (request req-1)");
    }
}
