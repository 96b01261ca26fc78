//! Which addresses may be loaded: those that the environment names, never link-local or metadata addresses.
//!
//! Checked after the name was resolved, for every connection of users, cues and setup alike.

use std::net::IpAddr;

use rehearsal_plan::Environment;
use url::Url;

/// The hosts of one environment.
#[derive(Clone, Debug)]
pub struct AllowList {
    hosts: Vec<String>,
}

impl AllowList {
    /// The hosts under `allow`, or those of target and admin when it is empty. Loopback is always allowed.
    #[must_use]
    pub fn new(environment: &Environment, target: &Url) -> Self {
        let named = environment.allow.iter().map(|host| host.trim_matches(['[', ']']).to_ascii_lowercase());
        let mut hosts: Vec<String> = named.collect();
        if hosts.is_empty() {
            let admin = environment.admin.as_deref().and_then(|admin| Url::parse(admin).ok());
            let urls = [Some(target.clone()), admin];
            hosts.extend(
                urls.iter().flatten().filter_map(|url| Some(url.host_str()?.trim_matches(['[', ']']).to_owned())),
            );
        }
        Self { hosts }
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
        match named {
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
    use super::*;

    fn check(host: &str, address: &str, allowed: bool) {
        let list = AllowList { hosts: vec!["stress.example.com".into()] };
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

    /// A name under the attacker's control may resolve to the cloud's metadata service.
    #[test]
    fn metadata_is_denied_even_to_allowed_names() {
        check("stress.example.com", "169.254.169.254", false);
        check("stress.example.com", "::ffff:169.254.169.254", false);
        check("stress.example.com", "fd00:ec2::254", false);
        check("stress.example.com", "fe80::1", false);
    }
}
