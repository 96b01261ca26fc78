//! Which addresses may be loaded: those that the environment names, never link-local or metadata addresses.
//!
//! Checked after the name was resolved, for every connection of users, cues and setup alike. Whoever allows a service that is
//! followed allows the hosts of its instances as they stand.

use std::net::IpAddr;
use std::sync::Arc;

use rehearsal_plan::{Environment, Instances};
use tokio::sync::watch;
use url::Url;

/// The hosts of one environment.
#[derive(Clone, Debug)]
pub struct AllowList {
    hosts: Vec<String>,
    /// The instances of the target, if it is a service that is followed and allowed.
    instances: Option<watch::Receiver<Arc<Instances>>>,
}

impl AllowList {
    /// The hosts under `allow`, or those of target and admin when it is empty. Loopback is always allowed.
    #[must_use]
    pub fn new(environment: &Environment, target: &Url, instances: Option<&watch::Receiver<Arc<Instances>>>) -> Self {
        let named = environment.allow.iter().map(|host| host.trim_matches(['[', ']']).to_ascii_lowercase());
        let mut hosts: Vec<String> = named.collect();
        if hosts.is_empty() {
            let admin = environment.admin.as_deref().and_then(|admin| Url::parse(admin).ok());
            let urls = [Some(target.clone()), admin];
            hosts.extend(
                urls.iter().flatten().filter_map(|url| Some(url.host_str()?.trim_matches(['[', ']']).to_owned())),
            );
        }
        let is_allowed = target.host_str().is_some_and(|host| hosts.iter().any(|allowed| allowed == host));
        Self { hosts, instances: instances.filter(|_| is_allowed).cloned() }
    }

    /// Whether a host at an address may be loaded.
    ///
    /// # Errors
    /// Why not, for the operator.
    pub fn check(&self, host: &str, address: IpAddr) -> Result<(), String> {
        let address = address.to_canonical();
        if address.is_loopback() {
            return Ok(());
        }
        let link_local = match address {
            IpAddr::V4(v4) => v4.is_link_local() || v4.is_unspecified() || v4.is_broadcast() || v4.is_multicast(),
            IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_unspecified() || v6.is_multicast() || is_metadata(v6),
        };
        if link_local {
            return Err(format!("{host} leads to {address}: link-local and metadata addresses are never loaded"));
        }
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        let named = self.hosts.iter().any(|allowed| *allowed == host || *allowed == address.to_string());
        let listed = || self.instances.as_ref().is_some_and(|instances| instances.borrow().has_host(&host));
        match named || listed() {
            true => Ok(()),
            false => Err(format!("{host} ({address}) is not in the environment's `allow`: {}", self.hosts.join(", "))),
        }
    }
}

/// The metadata service of EC2 over IPv6, `fd00:ec2::254` (AWS EC2 user guide).
fn is_metadata(address: std::net::Ipv6Addr) -> bool {
    address.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rehearsal_plan::{Endpoint, Layer, Standing};

    use super::*;

    fn check(host: &str, address: &str, allowed: bool) {
        let list = AllowList { hosts: vec!["stress.example.com".into()], instances: None };
        assert_eq!(list.check(host, address.parse().unwrap()).is_ok(), allowed, "{host} at {address}");
    }

    #[test]
    fn only_named_hosts_and_loopback_are_loaded() {
        check("stress.example.com", "203.0.113.7", true);
        check("STRESS.example.com", "203.0.113.7", true);
        check("other.example.com", "203.0.113.7", false);
        check("anything", "127.0.0.1", true);
        check("localhost", "::1", true);
    }

    fn check_instance(toml: &str, host: &str, address: &str, allowed: bool) {
        let layer = Layer { name: "dev.toml".into(), toml: format!("target = \"consul://web\"\n{toml}") };
        let environment = Environment::from_layers(&[layer], &BTreeMap::new(), &[]).unwrap();
        let endpoint = |host: &str| (Endpoint { host: host.into(), port: 80 }, Standing::Serving);
        let (sender, instances) = watch::channel(Arc::default());
        let list = AllowList::new(&environment, &Url::parse("http://web").unwrap(), Some(&instances));
        sender.send_replace(Arc::new(
            ["10.1.0.1", "169.254.169.254", "one.internal"].map(endpoint).into_iter().collect(),
        ));
        assert_eq!(list.check(host, address.parse().unwrap()).is_ok(), allowed, "{toml}: {host} at {address}");
    }

    #[test]
    fn instances_may_be_loaded_when_their_service_may() {
        check_instance("", "10.1.0.1", "10.1.0.1", true);
        check_instance("", "ONE.internal", "10.1.0.7", true);
        check_instance("", "10.1.0.2", "10.1.0.2", false);
        check_instance("allow = [\"web\"]", "10.1.0.1", "10.1.0.1", true);
        check_instance("allow = [\"other\"]", "10.1.0.1", "10.1.0.1", false);
        check_instance("allow = [\"10.1.0.1\"]", "10.1.0.1", "10.1.0.1", true);
        check_instance("allow = [\"10.1.0.1\"]", "one.internal", "10.1.0.7", false);
    }

    /// Whoever may register an instance must not lead load to the cloud's metadata service.
    #[test]
    fn metadata_is_denied_even_to_instances() {
        check_instance("", "169.254.169.254", "169.254.169.254", false);
        check_instance("", "one.internal", "169.254.169.254", false);
    }

    /// A name under the attacker's control may resolve to the cloud's metadata service.
    #[test]
    fn metadata_is_denied_even_to_allowed_names() {
        check("stress.example.com", "169.254.169.254", false);
        check("stress.example.com", "::ffff:169.254.169.254", false);
        check("stress.example.com", "fd00:ec2::254", false);
        check("stress.example.com", "fe80::1", false);
    }
}
