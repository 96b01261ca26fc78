//! How the account is reached: by what this machine has, as Amazon's own tools find it, or by keys that are given.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_ec2::Client;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_types::retry::RetryConfig;

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
        let mut loader =
            aws_config::defaults(BehaviorVersion::latest()).http_client(http).retry_config(RetryConfig::disabled());
        if let Some(profile) = &reach.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(endpoint) = &reach.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some((id, key)) = &reach.keys {
            loader = loader.credentials_provider(Credentials::from_keys(id, key, None));
        }
        let config = loader.load().await;
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
        let make = || {
            let region = aws_config::Region::new(at.0.clone());
            Client::from_conf(aws_sdk_ec2::config::Builder::from(&self.config).region(region).build())
        };
        clients.entry(at.clone()).or_insert_with(make).clone()
    }
}
