//! Names to addresses, without blocking the thread and without asking twice within a record's time to live.
//!
//! Addresses are handed out in turn. All users of a thread read one cache, so without that the whole thread would load the
//! first address of a record while real viewers, each with a resolver of their own, spread over all of them.

use std::cell::{Cell, OnceCell};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_resolver::TokioResolver;

use crate::failure::{Failure, FailureKind};

/// The addresses of this machine, which never depend on a name server.
const LOCALHOST: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Resolves names for a thread, from `/etc/hosts` and from the name servers that the system names.
#[derive(Default)]
pub(super) struct Names {
    /// Made when the first name is looked up: runs against literal addresses need no name server.
    resolver: OnceCell<Result<TokioResolver, String>>,
    turn: Cell<usize>,
}

impl Names {
    /// Returns the addresses of `host` in the order in which to try them; never empty.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
            return Ok(vec![address]);
        }
        if host == "localhost" {
            return Ok(LOCALHOST.to_vec());
        }
        let refuse = |why: &dyn std::fmt::Display| Failure::new(FailureKind::Dns, format!("looking up {host}: {why}"));
        let resolver = self.resolver.get_or_init(system_resolver).as_ref().map_err(|error| refuse(error))?;
        let found = resolver.lookup_ip(host).await.map_err(|error| refuse(&error))?;
        let mut addresses: Vec<IpAddr> = found.iter().collect();
        if addresses.is_empty() {
            return Err(refuse(&"it has no address"));
        }
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let start = turn % addresses.len();
        addresses.rotate_left(start);
        Ok(addresses)
    }
}

fn system_resolver() -> Result<TokioResolver, String> {
    TokioResolver::builder_tokio()
        .and_then(|builder| builder.build())
        .map_err(|error| format!("reading the system's name servers: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn literal_addresses_and_localhost_ask_nobody() {
        let names = Names::default();
        assert_eq!(names.addresses("127.0.3.4").await.unwrap(), [IpAddr::from([127, 0, 3, 4])]);
        assert_eq!(names.addresses("[::1]").await.unwrap(), [IpAddr::V6(Ipv6Addr::LOCALHOST)]);
        assert_eq!(names.addresses("localhost").await.unwrap()[0], IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert!(names.resolver.get().is_none());
    }
}
