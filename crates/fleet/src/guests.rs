//! Who may come to a fleet: what the launcher says of the agents that it started.
//!
//! A token alone proves little, since whoever reads an instance's user data has it. So an agent also says on which
//! instance it runs, and that must be one that the launcher knows, reached from that instance's own address.
//!
//! | the launcher says | the agent says | |
//! |---|---|---|
//! | nothing: people start the agents and count them | anything | welcome |
//! | these instances | none of them | not yet: the newest may not be listed |
//! | one of them, its address not known yet | that one | not yet |
//! | one of them, at some addresses | that one, from one of these | welcome |
//! | one of them, at some addresses | that one, from elsewhere | a stranger |

use std::{collections::BTreeMap, net::IpAddr};

use crate::launcher::InstanceId;

/// Who may come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuestList {
    /// Whoever has the token. People started the agents, and the token admits as many as they counted.
    Counted,
    /// Agents on these instances, and nobody else.
    Named(BTreeMap<InstanceId, Host>),
}

/// What the launcher knows of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Where it runs.
    pub region: String,
    /// From where it is seen to come.
    pub seen_from: SeenFrom,
}

/// From which addresses an instance may come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeenFrom {
    /// From this machine.
    Here,
    /// From one of these; while there is none, nobody knows yet.
    Addresses(Vec<IpAddr>),
}

/// What is to be done with an agent that shows up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// It may come in. Where it runs, if the launcher knows.
    Open(Option<String>),
    /// Ask again when the list is another.
    NotYet,
    /// It is not who it says it is.
    Shut,
}

impl GuestList {
    /// The list of a launcher that has started nothing yet.
    #[must_use]
    pub fn nobody() -> GuestList {
        GuestList::Named(BTreeMap::new())
    }

    /// Adds an instance, or what is newly known of it.
    pub fn name(&mut self, instance: &InstanceId, region: &str, seen_from: SeenFrom) {
        if let GuestList::Named(hosts) = self {
            hosts.insert(instance.clone(), Host { region: region.to_owned(), seen_from });
        }
    }

    /// Forgets the instances of the regions that are meant.
    pub fn forget(&mut self, is_meant: impl Fn(&str) -> bool) {
        if let GuestList::Named(hosts) = self {
            hosts.retain(|_, host| !is_meant(&host.region));
        }
    }

    /// Decides on an agent that says it runs on `instance` and comes from `from`.
    #[must_use]
    pub fn door(&self, instance: &InstanceId, from: IpAddr) -> Door {
        let GuestList::Named(hosts) = self else { return Door::Open(None) };
        let Some(Host { region, seen_from }) = hosts.get(instance) else { return Door::NotYet };
        let from = from.to_canonical();
        let comes_from_it = match seen_from {
            SeenFrom::Here => from.is_loopback(),
            SeenFrom::Addresses(addresses) if addresses.is_empty() => return Door::NotYet,
            SeenFrom::Addresses(addresses) => addresses.contains(&from),
        };
        if comes_from_it { Door::Open(Some(region.clone())) } else { Door::Shut }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let host = |seen_from| Host { region: "eu-west-1".into(), seen_from };
        let list = GuestList::Named(BTreeMap::from([
            (InstanceId("i-1".into()), host(SeenFrom::Addresses(vec![address("198.51.100.7")]))),
            (InstanceId("i-2".into()), host(SeenFrom::Addresses(Vec::new()))),
            (InstanceId("local:7".into()), host(SeenFrom::Here)),
        ]));
        let check = |instance: &str, from: &str, expected: Door| {
            assert_eq!(list.door(&InstanceId(instance.into()), address(from)), expected, "{instance} from {from}");
        };
        let open = Door::Open(Some("eu-west-1".into()));
        check("i-1", "198.51.100.7", open.clone());
        check("i-1", "::ffff:198.51.100.7", open.clone());
        check("i-1", "198.51.100.8", Door::Shut);
        check("i-2", "198.51.100.7", Door::NotYet);
        check("i-3", "198.51.100.7", Door::NotYet);
        check("local:7", "127.0.0.1", open);
        check("local:7", "198.51.100.7", Door::Shut);
        check("", "127.0.0.1", Door::NotYet);
        let anybody = GuestList::Counted.door(&InstanceId(String::new()), address("198.51.100.9"));
        assert_eq!(anybody, Door::Open(None));
    }
}
