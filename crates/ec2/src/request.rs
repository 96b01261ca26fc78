//! Requests for instances, and the token by which each is made only once.

use ring::digest::{Context, SHA256};

use crate::cloud::{Offering, Skeleton};
use crate::forecast::{VOLUME_GB, ceiling};
use crate::machines::Machine;
use crate::money::UsdPerHour;
use crate::names::{GroupId, SubnetId, TemplateId};
use crate::order::Order;
use crate::spread::Lot;
use crate::tags::{self, Tags};
use crate::user_data::UserData;

/// What a region is asked for at once.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetRequest {
    /// Asking again with the same token makes nothing new. 64 characters, all that Amazon takes.
    pub token: String,
    /// The skeleton that every instance starts from.
    pub template: TemplateId,
    /// The pools to choose from.
    pub overrides: Vec<Override>,
    /// How many virtual CPUs of spot instances.
    pub spot_vcpus: u32,
    /// How many on demand.
    pub on_demand_vcpus: u32,
    /// What instances do when they boot: given with the request, so that no template ever holds a secret.
    pub user_data: UserData,
    /// The tags of fleet, instances, volumes and network interfaces.
    pub tags: Tags,
}

/// One pool of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// Which.
    pub of: Offering,
    /// Its machine; the virtual CPUs are its weight, the processor's kind chooses the image.
    pub machine: Machine,
    /// Where in the network.
    pub subnet: SubnetId,
    /// Above this spot price Amazon takes the instance back.
    pub max_price: UsdPerHour,
}

/// What a region is asked for when it is one instance that must stay.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOne {
    /// Asking again with the same token makes nothing new.
    pub token: String,
    /// Who may speak to it.
    pub group: GroupId,
    /// The processor's kind chooses the image.
    pub machine: Machine,
    /// Where in the network.
    pub subnet: SubnetId,
    /// The root volume's size, in GB; it goes with its instance.
    pub volume_gb: u32,
    /// What it does when it boots.
    pub user_data: UserData,
    /// The tags of instance, volume and network interface.
    pub tags: Tags,
}

impl RunOne {
    /// Makes the request, with its token.
    #[must_use]
    pub fn new(group: GroupId, machine: Machine, subnet: SubnetId, user_data: UserData, tags: Tags) -> RunOne {
        let parts = [&*group.0, &machine.name, &subnet.0, &user_data.0];
        let token = hash(parts.into_iter().chain(tags.iter().flat_map(|(key, value)| [&**key, &**value])));
        RunOne { token, group, machine, subnet, volume_gb: VOLUME_GB, user_data, tags }
    }
}

/// Which of a fleet's requests one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its round, from 1.
    pub round: u32,
    /// When what it makes must be gone, in seconds since the Unix epoch.
    pub expires_unix: u64,
}

/// Makes the request for a lot.
#[must_use]
pub fn request(order: &Order, lot: &Lot, template: &TemplateId, user_data: &UserData, turn: Turn) -> FleetRequest {
    let mut tags = tags::of_fleet(&order.fleet, order.run.as_deref(), &order.owner, turn.expires_unix);
    tags.insert(tags::LOT.to_owned(), format!("{}.{}", turn.round, lot.number));
    let of_pool = |pool: &crate::market::Pool| Override {
        of: pool.of.clone(),
        machine: pool.machine.clone(),
        subnet: pool.subnet.clone(),
        max_price: ceiling(pool, order.max_price),
    };
    let mut request = FleetRequest {
        token: String::new(),
        template: template.clone(),
        overrides: lot.pools.iter().map(of_pool).collect(),
        spot_vcpus: lot.spot * order.vcpus,
        on_demand_vcpus: lot.on_demand * order.vcpus,
        user_data: user_data.clone(),
        tags,
    };
    request.token = token(&order.fleet, lot, turn.round, &request);
    request
}

/// Makes the token of a request: SHA-256 of all that it asks for, and for whom. The same request has the same token,
/// whoever makes it and however often; another one has another, so that parameters never contradict a token.
fn token(fleet: &str, lot: &Lot, round: u32, request: &FleetRequest) -> String {
    let numbers = [round, lot.number, request.spot_vcpus, request.on_demand_vcpus].map(|number| number.to_string());
    let prices: Vec<String> = request.overrides.iter().map(|pool| pool.max_price.0.to_string()).collect();
    let pools = request.overrides.iter().zip(&prices).flat_map(|(pool, price)| {
        let Override { of, machine, subnet, .. } = pool;
        [&*of.zone.0, &machine.name, &subnet.0, price]
    });
    let parts = [fleet, &lot.region.0, &request.template.0, &request.user_data.0];
    let parts = parts.into_iter().chain(numbers.iter().map(String::as_str)).chain(pools);
    hash(parts.chain(request.tags.iter().flat_map(|(key, value)| [&**key, &**value])))
}

/// SHA-256 of parts, each with its length: `ab` and `c` are not `a` and `bc`.
fn hash<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut hash = Context::new(&SHA256);
    for part in parts {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex(hash.finish().as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The skeleton of all instances in a group. Its name tells its content, so that another content is another template.
#[must_use]
pub fn skeleton(group: &GroupId) -> Skeleton {
    // Raised whenever an adapter puts something else into templates.
    const VERSION: u32 = 1;
    let content = format!("{VERSION} {group} {VOLUME_GB}");
    let digest = ring::digest::digest(&SHA256, content.as_bytes());
    let name = format!("rehearsal-{}", &hex(digest.as_ref())[..12]);
    Skeleton { name, group: group.clone(), volume_gb: VOLUME_GB }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::tests::pool_at;
    use crate::order::tests::usual;

    fn lot() -> Lot {
        let pools = vec![pool_at("c6g.large a", 0.02), pool_at("c7g.large b", 0.04)];
        Lot { region: "eu-west-1".into(), number: 0, pools, spot: 3, on_demand: 1 }
    }

    const FIRST: Turn = Turn { round: 1, expires_unix: 1_900_000_000 };

    fn of(order: &Order, lot: &Lot, turn: Turn) -> FleetRequest {
        request(order, lot, &"lt-1".into(), &UserData("#!/bin/sh\n".into()), turn)
    }

    #[test]
    fn a_request_is_weighted_and_tagged() {
        let request = of(&usual(), &lot(), FIRST);
        assert_eq!((request.spot_vcpus, request.on_demand_vcpus), (6, 2));
        let tags: Vec<String> = request.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let expected = [
            "app=rehearsal",
            "rehearsal:expires=1900000000",
            "rehearsal:fleet=friday",
            "rehearsal:lot=1.0",
            "rehearsal:owner=ann",
            "rehearsal:run=run-7",
        ];
        assert_eq!(tags, expected);
        assert!(!format!("{request:?}").contains("bin"), "user data is not printed");
    }

    #[test]
    fn the_same_request_has_the_same_token_and_every_other_another() {
        let token = of(&usual(), &lot(), FIRST).token;
        assert_eq!(token.len(), 64);
        assert_eq!(of(&usual(), &lot(), FIRST).token, token, "whoever makes it again");
        let cheap = Order { max_price: Some(UsdPerHour(0.021)), ..usual() };
        let others = [
            of(&Order { fleet: "saturday".into(), ..usual() }, &lot(), FIRST),
            of(&usual(), &Lot { region: "eu-west-2".into(), ..lot() }, FIRST),
            of(&usual(), &Lot { number: 1, ..lot() }, FIRST),
            of(&usual(), &Lot { spot: 1, on_demand: 3, ..lot() }, FIRST),
            of(&usual(), &Lot { pools: lot().pools[..1].to_vec(), ..lot() }, FIRST),
            of(&cheap, &lot(), FIRST),
            of(&usual(), &lot(), Turn { round: 2, ..FIRST }),
            of(&usual(), &lot(), Turn { expires_unix: 1_900_000_001, ..FIRST }),
            request(&usual(), &lot(), &"lt-2".into(), &UserData("#!/bin/sh\n".into()), FIRST),
            request(&usual(), &lot(), &"lt-1".into(), &UserData("#!/bin/sh\n\n".into()), FIRST),
        ];
        for (index, other) in others.iter().enumerate() {
            assert_ne!(other.token, token, "{index}");
        }
    }

    #[test]
    fn one_instance_has_a_token_of_all_that_it_is() {
        let machine = |name: &str| Machine { name: name.into(), vcpus: 2, arch: crate::machines::Arch::Aarch64 };
        let tags = tags::of_fleet("friday", None, "ann", 1_900_000_000);
        let script = |text: &str| UserData(text.to_owned());
        let one = RunOne::new("sg-1".into(), machine("c6g.large"), "subnet-1".into(), script("x"), tags.clone());
        assert_eq!(one.token.len(), 64);
        assert_eq!(
            RunOne::new("sg-1".into(), machine("c6g.large"), "subnet-1".into(), script("x"), tags.clone()),
            one,
            "whoever makes it again"
        );
        let others = [
            RunOne::new("sg-2".into(), machine("c6g.large"), "subnet-1".into(), script("x"), tags.clone()),
            RunOne::new("sg-1".into(), machine("c7g.large"), "subnet-1".into(), script("x"), tags.clone()),
            RunOne::new("sg-1".into(), machine("c6g.large"), "subnet-2".into(), script("x"), tags.clone()),
            RunOne::new("sg-1".into(), machine("c6g.large"), "subnet-1".into(), script("y"), tags),
            RunOne::new("sg-1".into(), machine("c6g.large"), "subnet-1".into(), script("x"), Tags::new()),
        ];
        assert!(others.iter().all(|other| other.token != one.token));
    }

    #[test]
    fn another_skeleton_has_another_name() {
        assert_eq!(skeleton(&"sg-1".into()), skeleton(&"sg-1".into()));
        assert_ne!(skeleton(&"sg-1".into()).name, skeleton(&"sg-2".into()).name);
    }
}
