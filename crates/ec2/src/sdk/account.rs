//! How the account is reached: by what this machine has, as Amazon's own tools find it, or by keys that are given.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_ec2::Client;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_types::retry::RetryConfig;
use aws_types::service_config::ServiceConfigKey;

use crate::names::Region;

/// The region that is asked which others there are, if the machine's configuration names none.
const HOME: &str = "us-east-1";

/// How to reach an account. Nothing given means what this machine has: variables, a profile, a role.
#[derive(Clone, Default)]
pub struct Reach {
    /// A profile of the machine's configuration.
    pub profile: Option<String>,
    /// Another server than Amazon's, such as a fake or an emulator. All regions are asked there.
    pub endpoint: Option<String>,
    /// Key id and key. The key is a secret.
    pub keys: Option<(String, String)>,
}

/// An account at EC2. Clones of its clients share their connections.
pub struct Amazon {
    config: SdkConfig,
    home: Region,
    clients: Mutex<BTreeMap<Region, Client>>,
}

impl Amazon {
    /// Finds the machine's configuration. That credentials are missing or wrong is found with the first call.
    pub async fn reached(reach: &Reach) -> Amazon {
        let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        // Calls are repeated by whoever makes them, who knows what may be repeated.
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http.clone())
            .retry_config(RetryConfig::disabled());
        if let Some(profile) = &reach.profile {
            // Whoever names one means it, whatever keys are in the environment.
            let means = ProviderConfig::default().with_http_client(http);
            let credentials = ProfileFileCredentialsProvider::builder().configure(&means).profile_name(profile).build();
            loader = loader.profile_name(profile).credentials_provider(credentials);
        }
        if let Some(endpoint) = &reach.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some((id, key)) = &reach.keys {
            loader = loader.credentials_provider(Credentials::from_keys(id, key, None));
        }
        Amazon::of(loader.load().await)
    }

    fn of(config: SdkConfig) -> Amazon {
        let home = config.region().map_or_else(|| Region::from(HOME), |region| Region::from(region.as_ref()));
        Amazon { config, home, clients: Mutex::default() }
    }

    /// The client of the region that is asked about regions.
    pub(super) fn home(&self) -> Client {
        self.client(&self.home)
    }

    /// The client of a region.
    pub(super) fn client(&self, at: &Region) -> Client {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.entry(at.clone()).or_insert_with(|| Client::new(&self.config_at(at))).clone()
    }

    /// The region of [`Amazon::home`].
    pub(super) fn home_region(&self) -> &Region {
        &self.home
    }

    /// What the clients of all services in a region are made of.
    pub(super) fn config_at(&self, at: &Region) -> SdkConfig {
        self.config.to_builder().region(aws_config::Region::new(at.0.clone())).build()
    }

    /// Whether EC2 is another server than Amazon's, and nobody said where this service is then. Asking Amazon itself about
    /// an account that is only played would mix the two.
    pub(super) fn is_played_without(&self, service: &str) -> bool {
        self.endpoint("EC2").is_some() && self.endpoint(service).is_none()
    }

    /// The server that is asked instead of Amazon's, found as the library's own clients find it.
    fn endpoint(&self, service: &str) -> Option<String> {
        let of_all = || self.config.endpoint_url().map(str::to_owned);
        if self.config.get_origin("endpoint_url").is_client_config() {
            return of_all();
        }
        let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url");
        let of_service = key.build().ok().and_then(|key| self.config.service_config()?.load_config(key));
        of_service.or_else(of_all)
    }
}

#[cfg(test)]
mod tests {
    use aws_types::service_config::LoadServiceConfig;

    use super::*;

    /// The services that somebody set a URL for.
    #[derive(Debug)]
    struct Set(&'static [&'static str]);

    impl LoadServiceConfig for Set {
        fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
            assert_eq!((key.env(), key.profile()), ("AWS_ENDPOINT_URL", "endpoint_url"));
            self.0.contains(&key.service_id()).then(|| "http://127.0.0.1:9".to_owned())
        }
    }

    fn check(set: &'static [&'static str], for_all: Option<&str>, expected: bool, why: &str) {
        let config = SdkConfig::builder().service_config(Set(set));
        let config = match for_all {
            Some(url) => config.endpoint_url(url),
            None => config,
        };
        assert_eq!(Amazon::of(config.build()).is_played_without("IAM"), expected, "{why}");
    }

    #[test]
    fn amazon_is_not_asked_about_an_account_that_is_played() {
        let fake = Some("http://127.0.0.1:9");
        check(&[], None, false, "all of it is Amazon's");
        check(&["EC2"], None, true, "only EC2 is played");
        check(&["EC2", "IAM"], None, false, "both are, each by its own URL");
        check(&["IAM"], None, false, "somebody wants it so");
        check(&[], fake, false, "one URL is for all");
        check(&["EC2"], fake, false, "one URL is for all others");
    }
}
