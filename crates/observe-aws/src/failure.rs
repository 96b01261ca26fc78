//! What the errors of Amazon's library mean to an observer, and how its numbers and instants are read.

use std::error::Error;
use std::time::SystemTime;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::DateTime;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use rehearsal_observe::web::chain;
use rehearsal_observe::{ErrorKind, Failure};

/// Parts of codes by which Amazon says that it does not know us, or does not let us read.
const DENIALS: [&str; 9] = [
    "AccessDenied",
    "UnauthorizedOperation",
    "AuthFailure",
    "UnrecognizedClient",
    "InvalidClientTokenId",
    "ExpiredToken",
    "SignatureDoesNotMatch",
    "MissingAuthenticationToken",
    "IncompleteSignature",
];
/// Parts of codes by which it says that it is asked too often.
const THROTTLES: [&str; 4] = ["Throttl", "RequestLimitExceeded", "TooManyRequests", "LimitExceeded"];

/// Gives the failure that a call ended with.
pub fn of_call<E, R>(operation: &str, error: SdkError<E, R>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    let (kind, text) = match &error {
        SdkError::ServiceError(refusal) => refused(refusal.err()),
        SdkError::TimeoutError(_) => (ErrorKind::Timeout, causes(&error)),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => (ErrorKind::Timeout, causes(&error)),
        SdkError::DispatchFailure(failure) if failure.is_io() => (ErrorKind::Connection, causes(&error)),
        // Whatever else keeps a call from being sent is a lack of credentials.
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => (ErrorKind::Denied, causes(&error)),
        _ => (ErrorKind::Format, causes(&error)),
    };
    Failure::Error(kind, text).within(operation)
}

fn refused(error: &impl ProvideErrorMetadata) -> (ErrorKind, String) {
    let (code, message) = (error.code().unwrap_or("no code"), error.message().unwrap_or_default());
    let is_one_of = |parts: &[&str]| parts.iter().any(|part| code.contains(part));
    let words = if message.is_empty() { code.to_owned() } else { format!("{code}: {message}") };
    match () {
        () if is_one_of(&DENIALS) => (ErrorKind::Denied, words),
        () if is_one_of(&THROTTLES) => (ErrorKind::Refused, format!("throttled: {words}")),
        () => (ErrorKind::Refused, words),
    }
}

/// Leaves out the first words, which only say what kind of failure it is.
fn causes(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), chain)
}

/// Reads a count, which Amazon writes as a number that could be below zero and never is.
pub fn count(number: i32) -> Result<u64, Failure> {
    u64::try_from(number).map_err(|_| Failure::format(format!("a count below zero: {number}")))
}

/// Reads an instant.
pub fn instant(time: &DateTime) -> Result<SystemTime, Failure> {
    SystemTime::try_from(*time).map_err(|_| Failure::format(format!("an instant outside of all calendars: {time}")))
}
