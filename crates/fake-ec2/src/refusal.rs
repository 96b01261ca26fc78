//! Refusals, with Amazon's codes, words and statuses.

/// Why a call was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Amazon's code.
    pub code: String,
    /// The words with it.
    pub message: String,
}

/// The statuses of codes that are no 400.
const STATUSES: [(&str, u16); 15] = [
    ("AccessDenied", 403),
    ("AuthFailure", 401),
    ("AuthFailure.ServiceLinkedRoleCreationNotPermitted", 403),
    ("Blocked", 401),
    ("DryRunOperation", 412),
    ("InsufficientInstanceCapacity", 500),
    ("InternalError", 500),
    ("InternalFailure", 500),
    ("InvalidClientTokenId", 403),
    ("NoSuchEntity", 404),
    ("OptInRequired", 401),
    ("RequestLimitExceeded", 503),
    ("ServiceUnavailable", 503),
    ("Unavailable", 503),
    ("UnauthorizedOperation", 403),
];

impl Refusal {
    /// Refuses with a code and its status.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Refusal {
        let code = code.into();
        let status = STATUSES.iter().find(|(name, _)| *name == code).map_or(400, |(_, status)| *status);
        Refusal { status, code, message: message.into() }
    }

    /// Refuses the value of a parameter.
    pub(crate) fn value(message: impl Into<String>) -> Refusal {
        Refusal::new("InvalidParameterValue", message)
    }

    /// Refuses a call that lacks a parameter.
    pub(crate) fn missing(parameter: &str) -> Refusal {
        Refusal::new("MissingParameter", format!("The request must contain the parameter {parameter}"))
    }

    /// Refuses what Amazon would do and this fake does not.
    pub(crate) fn unknown(what: &str) -> Refusal {
        Refusal::new("UnsupportedOperation", format!("the fake EC2 does not know {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_statuses() {
        for (code, status) in [("RequestLimitExceeded", 503), ("DryRunOperation", 412), ("InvalidParameterValue", 400)]
        {
            assert_eq!(Refusal::new(code, "").status, status, "{code}");
        }
    }
}
