//! The account at Amazon. Its library takes ten minutes to build, so that a coordinator has it only on request.

use std::sync::Arc;

use rehearsal_ec2::cloud::{Cloud, CloudError, Retry};
use rehearsal_ec2::names::Region;

/// Who is asked unless the environment names another server.
const AMAZON: &str = "Amazon";

/// How to get what this coordinator lacks.
#[cfg(not(feature = "ec2"))]
const WITHOUT: &str = "reaching EC2: this coordinator was built without it; build one with `cargo build --release -p \
                       rehearsal-coordinator --features ec2` (some ten minutes, once)";

/// The account of a profile, or the one that this machine's configuration means. Whether its credentials are good is
/// found with the first call.
#[cfg(feature = "ec2")]
pub(super) async fn account(profile: Option<&str>) -> anyhow::Result<Arc<dyn Cloud>> {
    let reach = rehearsal_ec2::sdk::Reach { profile: profile.map(str::to_owned), ..Default::default() };
    Ok(Arc::new(rehearsal_ec2::sdk::Amazon::reached(&reach).await))
}

/// There is none.
#[cfg(not(feature = "ec2"))]
#[allow(clippy::unused_async)] // it is awaited where there is one
pub(super) async fn account(_profile: Option<&str>) -> anyhow::Result<Arc<dyn Cloud>> {
    anyhow::bail!(WITHOUT)
}

/// Who is asked.
pub(super) fn asked() -> String {
    endpoint().unwrap_or_else(|| AMAZON.to_owned())
}

/// The server that is asked instead of Amazon's, if the environment names one.
fn endpoint() -> Option<String> {
    ["AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL"].iter().find_map(|name| std::env::var(name).ok())
}

/// Nothing can be known of the account, with what to do about it.
pub(super) fn unreached(error: CloudError) -> anyhow::Error {
    let at = Region("us-east-1".to_owned());
    let (advice, asked) = match endpoint() {
        Some(endpoint) if error.retry == Retry::Soon => {
            (format!("; look whether this machine reaches {endpoint}"), endpoint)
        }
        played => {
            let advice = error.advice(&at).map_or(String::new(), |advice| format!("; {advice}"));
            (advice, played.unwrap_or_else(|| AMAZON.to_owned()))
        }
    };
    anyhow::anyhow!(
        "asking {asked} which regions there are: {error}{advice}. Credentials come from the environment, from --profile, or from \
         this machine's role; `aws sts get-caller-identity` tells whether they are good"
    )
}

#[cfg(all(test, not(feature = "ec2")))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_coordinator_without_amazons_library_says_in_one_line_how_to_get_one_with_it() {
        let Err(error) = account(None).await else { panic!("there is none") };
        let text = format!("{error:#}");
        assert!(text.contains("cargo build --release -p rehearsal-coordinator --features ec2"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
