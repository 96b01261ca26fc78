//! What the errors of Amazon's library are to whoever asked.

use std::error::Error;

use aws_sdk_ec2::operation::RequestId;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::failure::{CloudError, Retry, UNANSWERED, UNREACHABLE};

/// The code for what is no answer of EC2's.
const SENSELESS: &str = "Senseless";
/// The code for a call that could not be signed.
const NO_CREDENTIALS: &str = "NoCredentials";

/// Gives the error that a call ended with.
pub(super) fn of_call<E, R>(error: SdkError<E, R>) -> CloudError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
    SdkError<E, R>: RequestId,
{
    let request = error.request_id().map(str::to_owned);
    let told = |code: &str, retry| CloudError { code: code.to_owned(), message: causes(&error), request: None, retry };
    match &error {
        SdkError::ServiceError(refusal) => {
            let (code, message) = (refusal.err().code(), refusal.err().message());
            let code = code.unwrap_or(SENSELESS).to_owned();
            // Amazon's own failures have these codes; the same call may succeed a little later.
            let is_theirs =
                matches!(code.as_str(), "InternalError" | "InternalFailure" | "ServiceUnavailable" | "Unavailable");
            let retry = if is_theirs { Retry::Soon } else { Retry::Never };
            CloudError { code, message: message.unwrap_or("without a word").to_owned(), request, retry }
        }
        SdkError::TimeoutError(_) => told(UNANSWERED, Retry::Soon),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => told(UNANSWERED, Retry::Soon),
        SdkError::DispatchFailure(failure) if failure.is_io() => told(UNREACHABLE, Retry::Soon),
        // Whatever else keeps a call from being sent is a lack of credentials.
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => told(NO_CREDENTIALS, Retry::Never),
        _ => told(SENSELESS, Retry::Soon),
    }
}

/// An answer without something that every such answer has.
pub(super) fn lacks(what: &str) -> CloudError {
    CloudError::of_code(SENSELESS, &format!("the answer has no {what}"))
}

/// Leaves out the first words, which only say what kind of failure it is.
fn causes(error: &dyn Error) -> String {
    let mut texts = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    if texts.is_empty() { error.to_string() } else { texts.join(": ") }
}
