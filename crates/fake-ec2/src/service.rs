//! The services that are played: EC2, and of two others the one call each that tells what EC2 does not.
//!
//! Which one a call is for stands in its signature. They write in different ways, and have codes of their own for what
//! can happen anywhere.

/// One service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// EC2: forms, answered in XML.
    Ec2,
    /// Service Quotas: JSON.
    ServiceQuotas,
    /// IAM: forms, answered in XML of another kind. It has no regions.
    Iam,
}

/// What the services call what can happen anywhere: EC2, Service Quotas, IAM.
const CODES: [[&str; 3]; 5] = [
    ["AuthFailure", "UnrecognizedClientException", "InvalidClientTokenId"],
    ["InvalidAction", "UnknownOperationException", "InvalidAction"],
    ["MissingParameter", "IllegalArgumentException", "ValidationError"],
    ["RequestLimitExceeded", "TooManyRequestsException", "Throttling"],
    ["UnauthorizedOperation", "AccessDeniedException", "AccessDenied"],
];

impl Service {
    /// The service that a signature names.
    #[must_use]
    pub fn named(name: &str) -> Option<Service> {
        [Service::Ec2, Service::ServiceQuotas, Service::Iam].into_iter().find(|service| service.name() == name)
    }

    /// What signatures and policies call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Service::Ec2 => "ec2",
            Service::ServiceQuotas => "servicequotas",
            Service::Iam => "iam",
        }
    }

    /// Its own code for what EC2 calls so.
    pub(crate) fn code(self, of_ec2: &'static str) -> &'static str {
        let row = CODES.into_iter().find(|[code, ..]| *code == of_ec2);
        row.map_or(of_ec2, |[ec2, quotas, iam]| match self {
            Service::Ec2 => ec2,
            Service::ServiceQuotas => quotas,
            Service::Iam => iam,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_has_its_own_codes() {
        let of = |service: &str| Service::named(service).map(|service| service.code("UnauthorizedOperation"));
        let expected =
            [("ec2", "UnauthorizedOperation"), ("servicequotas", "AccessDeniedException"), ("iam", "AccessDenied")];
        for (service, code) in expected {
            assert_eq!(of(service), Some(code));
        }
        assert_eq!((of("sqs"), Service::Iam.code("NoSuchEntity")), (None, "NoSuchEntity"));
    }
}
