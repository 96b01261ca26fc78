//! The keys that all of these adapters have, and how Amazon is reached with them.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_types::retry::RetryConfig;
use rehearsal_observe::{ErrorKind, Failure, Secret, Settings, settings};
use rehearsal_plan::Problem;
use url::Url;

/// Whose numbers are read, and where.
#[derive(Clone)]
pub struct Account {
    region: Option<String>,
    profile: Option<String>,
    /// Instead of Amazon's own address.
    endpoint: Option<Url>,
    /// Key id and key; without them, whatever this machine has.
    keys: Option<(Secret, Secret)>,
}

impl Account {
    /// Takes `region`, `profile`, `endpoint`, `access_key` and `secret_key`.
    pub fn from_settings(settings: &mut Settings<'_>) -> Account {
        let region = settings.take("region", settings::text);
        let profile = settings.take("profile", settings::text);
        let endpoint = settings.take("endpoint", settings::url);
        let (id, key) = (settings.secret("access_key"), settings.secret("secret_key"));
        if settings.has("access_key") != settings.has("secret_key") {
            settings.complain(Problem::new("has one of the keys `access_key` and `secret_key` without the other"));
        }
        if settings.has("access_key") && settings.has("profile") {
            settings.complain(Problem::new("has both a `profile` and an `access_key`"));
        }
        Account { region, profile, endpoint, keys: id.zip(key) }
    }

    async fn config(&self) -> Result<SdkConfig, Failure> {
        let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            // A call that is repeated in secret makes a late value of what was an error. The source's own time
            // limit ends a call.
            .retry_config(RetryConfig::disabled());
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(endpoint.as_str());
        }
        if let Some((id, key)) = &self.keys {
            loader = loader.credentials_provider(Credentials::from_keys(id.reveal(), key.reveal(), None));
        }
        let config = loader.load().await;
        match config.region() {
            Some(_) => Ok(config),
            None => Err(Failure::Error(ErrorKind::Connection, "no region is known: give the key `region`".into())),
        }
    }
}

/// A client that is made with the first reading: looking for credentials takes time, and may need the network.
pub struct Lazy<C> {
    account: Account,
    make: fn(&SdkConfig) -> C,
    client: Option<C>,
}

impl<C: Clone> Lazy<C> {
    /// Makes a client out of an account, when it is needed.
    pub fn new(account: Account, make: fn(&SdkConfig) -> C) -> Lazy<C> {
        Lazy { account, make, client: None }
    }

    /// Gives the client. Its clones share connections.
    ///
    /// # Errors
    /// When no region is known. That credentials are missing is found with the first call.
    pub async fn get(&mut self) -> Result<C, Failure> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let client = (self.make)(&self.account.config().await?);
        self.client = Some(client.clone());
        Ok(client)
    }
}
