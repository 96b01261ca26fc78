//! By which host, and from which port on, agents elsewhere reach this coordinator.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::exit::misuse;
use crate::serve::log;

/// What agents are told: a host, and perhaps the first of three ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advertised {
    /// A name or an address; one of version 6 in brackets.
    pub host: String,
    /// Where agents join. They dial at the next port, and download from the one after that.
    pub port: Option<u16>,
}

impl FromStr for Advertised {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected HOST or HOST:PORT, such as load.example.com:7701, and not `{text}`");
        // Another scheme than https, whose port would not be told from none.
        let url = Url::parse(&format!("agents://{text}")).map_err(|_| wrong())?;
        let is_bare =
            url.path().is_empty() && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        let host = url.host_str().filter(|host| is_bare && !host.is_empty()).ok_or_else(wrong)?;
        match url.port() {
            Some(port) if port > u16::MAX - 2 || port == 0 => {
                Err(format!("{text}: three ports are needed from there on"))
            }
            port => Ok(Self { host: host.to_owned(), port }),
        }
    }
}

impl Advertised {
    /// Where to listen for joining and for the link, if ports were named.
    pub(crate) fn listeners(&self) -> Option<[SocketAddr; 2]> {
        let at = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        self.port.map(|port| [at(port), at(port + 1)])
    }

    /// Where to listen for downloads.
    pub(crate) fn mirror(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, self.port.map_or(0, |port| port + 2)))
    }

    /// Refuses what cannot work, and warns of what may not, before anything is launched.
    ///
    /// # Errors
    /// When this machine does not know the name.
    pub(crate) async fn check(&self) -> anyhow::Result<()> {
        if let Some(warning) = self.unreachable() {
            log(&format!("warning: {warning}"));
        }
        self.resolve().await.map_err(misuse)
    }

    /// Looks the host up, if it is a name.
    pub(super) async fn resolve(&self) -> anyhow::Result<()> {
        if let Ok(Host::Domain(name)) = Host::parse(&self.host) {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map(drop);
            found.with_context(|| {
                format!(
                    "looking up {name}, by which instances are to reach this coordinator (give an address if only others \
                     know the name)"
                )
            })?;
        }
        Ok(())
    }

    /// Why nobody outside reaches it, if that can be seen from its text.
    pub(crate) fn unreachable(&self) -> Option<String> {
        let is_private = match Host::parse(&self.host) {
            Ok(Host::Ipv4(address)) => {
                address.is_private() || address.is_loopback() || address.is_link_local() || address.is_unspecified()
            }
            Ok(Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified() || address.is_unique_local(),
            Ok(Host::Domain(name)) => name == "localhost" || name.ends_with(".local"),
            Err(_) => false,
        };
        is_private.then(|| {
            format!(
                "{} is an address of this network: instances reach it only from within the same one. Give a public name or \
                 address whose ports lead here, or start with --coordinator ec2",
                self.host
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_and_without_ports() {
        let read = |text: &str| text.parse::<Advertised>();
        let expected = |host: &str, port| Advertised { host: host.into(), port };
        assert_eq!(read("load.example.com"), Ok(expected("load.example.com", None)));
        assert_eq!(read("load.example.com:443"), Ok(expected("load.example.com", Some(443))));
        assert_eq!(read("198.51.100.7:7701"), Ok(expected("198.51.100.7", Some(7701))));
        assert_eq!(read("[2001:db8::7]:7701"), Ok(expected("[2001:db8::7]", Some(7701))));
        for wrong in ["", "a b", "host/path", "host:0", "host:65534", "host:x", "me@host", "https://host"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let [join, link] = read("h:7701").unwrap().listeners().unwrap();
        assert_eq!((join.port(), link.port(), read("h:7701").unwrap().mirror().port()), (7701, 7702, 7703));
    }

    #[test]
    fn what_only_this_network_reaches_is_told() {
        for (host, is_told) in
            [("10.0.0.7", true), ("127.0.0.1", true), ("localhost", true), ("198.51.100.7", false), ("x.com", false)]
        {
            assert_eq!(host.parse::<Advertised>().unwrap().unreachable().is_some(), is_told, "{host}");
        }
    }
}
