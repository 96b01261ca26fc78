//! The instances behind one service as they stand: who takes new connections, and who only ends what is open.

use std::collections::BTreeMap;
use std::fmt;

/// Where an instance listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// An address, or a name that has to be looked up; IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// What an instance is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It is listed and should get nothing new; connections that are open go on.
    Draining,
    /// It takes new connections.
    Serving,
}

/// The instances of a service at one instant. Whoever is not among them is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instances(BTreeMap<Endpoint, Standing>);

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(out, "[{}]:{}", self.host, self.port),
            false => write!(out, "{}:{}", self.host, self.port),
        }
    }
}

impl FromIterator<(Endpoint, Standing)> for Instances {
    /// One endpoint may be registered twice, as after a restart under another name: it serves if either of them does.
    fn from_iter<T: IntoIterator<Item = (Endpoint, Standing)>>(listed: T) -> Instances {
        let mut instances = BTreeMap::new();
        for (endpoint, standing) in listed {
            let known = instances.entry(endpoint).or_insert(standing);
            *known = standing.max(*known);
        }
        Instances(instances)
    }
}

impl Instances {
    /// Gives all of them in order of their endpoints.
    pub fn iter(&self) -> impl Iterator<Item = (&Endpoint, Standing)> {
        self.0.iter().map(|(endpoint, standing)| (endpoint, *standing))
    }

    /// Gives those that take new connections, in order.
    pub fn serving(&self) -> impl Iterator<Item = &Endpoint> {
        self.iter().filter(|(_, standing)| *standing == Standing::Serving).map(|(endpoint, _)| endpoint)
    }

    /// Whether an instance is there at all.
    #[must_use]
    pub fn lists(&self, endpoint: &Endpoint) -> bool {
        self.0.contains_key(endpoint)
    }

    /// Whether an instance listens at a host, on whichever port.
    #[must_use]
    pub fn has_host(&self, host: &str) -> bool {
        self.0.keys().any(|endpoint| endpoint.host.eq_ignore_ascii_case(host))
    }

    /// Tells what is other than before, for people: `10.0.0.3:80 takes connections`, `10.0.0.1:80 is gone`.
    #[must_use]
    pub fn told_since(&self, before: &Instances) -> Vec<String> {
        let now = self.iter().filter_map(|(endpoint, standing)| match (before.0.get(endpoint), standing) {
            (Some(former), _) if *former == standing => None,
            (_, Standing::Serving) => Some(format!("{endpoint} takes connections")),
            (_, Standing::Draining) => Some(format!("{endpoint} takes no new connections")),
        });
        let gone = before.0.keys().filter(|endpoint| !self.lists(endpoint));
        gone.map(|endpoint| format!("{endpoint} is gone")).chain(now).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instances(listed: &[(&str, u16, Standing)]) -> Instances {
        let of = |(host, port, standing): &(&str, u16, Standing)| {
            (Endpoint { host: host.to_string(), port: *port }, *standing)
        };
        listed.iter().map(of).collect()
    }

    #[test]
    fn an_endpoint_that_is_registered_twice_serves_if_either_does() {
        use Standing::{Draining, Serving};
        for order in [[Draining, Serving], [Serving, Draining]] {
            let found = instances(&order.map(|standing| ("10.0.0.1", 80, standing)));
            assert_eq!(found, instances(&[("10.0.0.1", 80, Serving)]));
        }
    }

    #[test]
    fn only_the_serving_get_connections_and_only_the_missing_are_gone() {
        let found = instances(&[("10.0.0.1", 80, Standing::Draining), ("::1", 81, Standing::Serving)]);
        assert_eq!(found.serving().map(ToString::to_string).collect::<Vec<_>>(), ["[::1]:81"]);
        let endpoint = |port| Endpoint { host: "10.0.0.1".into(), port };
        assert!(found.lists(&endpoint(80)) && !found.lists(&endpoint(81)));
        assert!(found.has_host("10.0.0.1") && !found.has_host("10.0.0.2"));
    }

    #[test]
    fn a_change_is_told_in_full_and_no_change_is_not() {
        use Standing::{Draining, Serving};
        let before = instances(&[("a", 1, Serving), ("b", 1, Serving), ("c", 1, Serving), ("e", 1, Draining)]);
        let after = instances(&[("a", 1, Serving), ("b", 1, Draining), ("d", 1, Serving), ("e", 1, Serving)]);
        assert_eq!(
            after.told_since(&before),
            ["c:1 is gone", "b:1 takes no new connections", "d:1 takes connections", "e:1 takes connections"]
        );
        assert!(after.told_since(&after).is_empty());
    }
}
