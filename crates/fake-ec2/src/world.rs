//! The world that is faked: regions with their pools, prices and quotas, and everything that can go wrong there.
//!
//! It is a TOML file at the start, and a JSON document while it runs: any part of it can be changed at any time by a
//! merge patch. What was made in it, such as instances, is not here but in the account.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::catalogue;
pub use crate::faults::{Fault, Lag, Throttle};

/// All that can be chosen. Everything but the regions may be left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// What it shows, for those who choose one.
    pub title: String,
    /// The account that everything belongs to.
    pub account: String,
    /// What all chances and names come from.
    pub seed: u64,
    /// The access keys that are known; without any, all are.
    pub access_keys: BTreeSet<String>,
    /// Actions that the caller has no right to, such as `CreateFleet`.
    pub denied: BTreeSet<String>,
    /// Whether the role is there without which no spot instance can be had.
    pub service_linked_role: bool,
    /// The most that one page of a list has; without it, as many as the caller asks for.
    pub page_size: Option<usize>,
    /// For how many seconds instances that have ended are still told of.
    pub forget: f64,
    /// How late it is known what is true.
    pub lag: Lag,
    /// How many calls are let in, by action; `*` stands for all actions that are not named.
    pub throttle: BTreeMap<String, Throttle>,
    /// Calls that fail, come late, or are never answered. The first that strikes counts.
    pub faults: Vec<Fault>,
    /// What instances are here.
    pub machines: Machines,
    /// Instance types by name.
    pub types: BTreeMap<String, InstanceType>,
    /// Regions by name.
    pub regions: BTreeMap<String, Region>,
}

impl Default for World {
    fn default() -> World {
        World {
            title: String::new(),
            account: "123456789012".into(), // Amazon's own examples have it
            seed: 1,
            access_keys: BTreeSet::new(),
            denied: BTreeSet::new(),
            service_linked_role: true,
            page_size: None,
            forget: 3_600.0,
            lag: Lag::default(),
            throttle: BTreeMap::new(),
            faults: Vec::new(),
            machines: Machines::default(),
            types: catalogue::types(),
            regions: BTreeMap::new(),
        }
    }
}

/// What instances are here: processes of this machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Machines {
    /// Whether they run their user data; without, they are only told of.
    pub run: bool,
    /// For how many seconds an instance is pending.
    pub boot: f64,
    /// How many seconds an instance that is ended has from SIGTERM to SIGKILL.
    pub grace: f64,
    /// How many seconds a minute of `shutdown +MINUTES` takes.
    pub minute: f64,
    /// The public address that is told of every instance: by default where their connections come from.
    pub public_address: String,
    /// Variables that their user data finds besides those that the fake sets.
    pub environment: BTreeMap<String, String>,
    /// Commands that their user data finds before those of this machine: shell scripts by name.
    pub commands: BTreeMap<String, String>,
}

impl Default for Machines {
    fn default() -> Machines {
        Machines {
            run: true,
            boot: 0.0,
            grace: 5.0,
            minute: 60.0,
            public_address: "127.0.0.1".into(),
            environment: BTreeMap::new(),
            commands: BTreeMap::new(),
        }
    }
}

/// An instance type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceType {
    /// Its virtual processors.
    pub vcpus: u32,
    /// Its memory, in MiB.
    pub memory: u64,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// What it costs on the spot market of a region whose `price` is 1, in US dollars per hour.
    pub spot: f64,
}

/// A region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Region {
    /// `opt-in-not-required`, `opted-in` or `not-opted-in`.
    pub opt_in: String,
    /// Whether credentials are valid here. In a region that is not opted in they never are.
    pub credentials: bool,
    /// Whether there is a default VPC, with a subnet in each zone.
    pub default_vpc: bool,
    /// The letters of its zones.
    pub zones: Vec<String>,
    /// What its spot prices are multiplied by.
    pub price: f64,
    /// What it answers to who asks for its placement score, 1 to 10.
    pub score: u8,
    /// How many virtual processors of spot instances the account may have; without it, any number.
    pub spot_vcpus: Option<u32>,
    /// How many virtual processors of on-demand instances the account may have; without it, any number.
    pub on_demand_vcpus: Option<u32>,
    /// How many fleets the account may have; without it, any number.
    pub fleets: Option<usize>,
    /// How many instances more than asked for each fleet starts and names.
    pub surplus: u32,
    /// How many instances more than asked for each fleet starts without naming them.
    pub hidden: u32,
    /// Subnets of other VPCs than the default one, by id.
    pub subnets: BTreeMap<String, Subnet>,
    /// What differs from the rest, by instance type and letter of the zone.
    pub pools: BTreeMap<String, BTreeMap<String, Pool>>,
}

impl Default for Region {
    fn default() -> Region {
        Region {
            opt_in: "opt-in-not-required".into(),
            credentials: true,
            default_vpc: true,
            zones: ["a", "b", "c"].map(String::from).into(),
            price: 1.0,
            score: 9,
            spot_vcpus: None,
            on_demand_vcpus: None,
            fleets: None,
            surplus: 0,
            hidden: 0,
            subnets: BTreeMap::new(),
            pools: BTreeMap::new(),
        }
    }
}

impl Region {
    /// Whether the account may use it.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.opt_in != "not-opted-in"
    }
}

/// A subnet that is not a default one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subnet {
    /// The letter of its zone.
    pub zone: String,
    /// The VPC that it is in.
    pub vpc: String,
}

/// The instances of one type that one zone has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pool {
    /// What one costs on the spot market, in US dollars per hour; without it, as the type and the region say.
    pub price: Option<f64>,
    /// How many instances there can be at a time; without it, any number.
    pub capacity: Option<u32>,
    /// Whether the zone has this type at all.
    pub offered: bool,
    /// The code with which all that is asked of this pool fails, such as `UnfulfillableCapacity`.
    pub error: Option<String>,
}

impl Default for Pool {
    fn default() -> Pool {
        Pool { price: None, capacity: None, offered: true, error: None }
    }
}

/// Why a text is no world.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// It is not TOML or JSON, or has keys or values that mean nothing.
    #[error("{0}")]
    Format(String),
    /// All that makes no sense, each with its place.
    #[error("{}", .0.join("; "))]
    Senseless(Vec<String>),
}

impl World {
    /// A world of ordinary regions, in which nothing goes wrong.
    #[must_use]
    pub fn of(regions: &[&str]) -> World {
        let regions = regions.iter().map(|name| ((*name).to_owned(), Region::default()));
        World { regions: regions.collect(), ..World::default() }
    }

    /// Reads a world.
    ///
    /// # Errors
    /// What is not understood, with its line; or all that makes no sense.
    pub fn parse(text: &str) -> Result<World, WorldError> {
        toml::from_str::<World>(text).map_err(|error| WorldError::Format(error.to_string()))?.checked()
    }

    /// Gives this world with some of it changed, by a merge patch (RFC 7396).
    ///
    /// # Errors
    /// When the result is no world.
    pub fn patched(&self, patch: &Value) -> Result<World, WorldError> {
        let told = |error: serde_json::Error| WorldError::Format(error.to_string());
        let mut document = serde_json::to_value(self).map_err(told)?;
        merge(&mut document, patch);
        serde_json::from_value::<World>(document).map_err(told)?.checked()
    }

    /// Gives it, if it makes sense.
    pub(crate) fn checked(self) -> Result<World, WorldError> {
        let found = crate::senseless::find(&self);
        if found.is_empty() { Ok(self) } else { Err(WorldError::Senseless(found)) }
    }

    /// What differs in one pool, if anything does.
    #[must_use]
    pub fn pool(&self, region: &str, kind: &str, zone: &str) -> Pool {
        let pools = self.regions.get(region).and_then(|region| region.pools.get(kind));
        pools.and_then(|zones| zones.get(zone)).cloned().unwrap_or_default()
    }

    /// The spot price of one pool, in US dollars per hour; `None` if there is no such pool.
    #[must_use]
    pub fn spot_price(&self, region: &str, kind: &str, zone: &str) -> Option<f64> {
        let (place, it) = (self.regions.get(region)?, self.types.get(kind)?);
        let pool = self.pool(region, kind, zone);
        let is_there = pool.offered && place.zones.iter().any(|letter| letter == zone);
        is_there.then(|| pool.price.unwrap_or(it.spot * place.price))
    }
}

fn merge(document: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *document = patch.clone();
        return;
    };
    if !document.is_object() {
        *document = Value::Object(serde_json::Map::new());
    }
    let Some(parts) = document.as_object_mut() else { return };
    for (name, change) in changes {
        if change.is_null() {
            parts.remove(name);
        } else {
            merge(parts.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_world_is_read_and_priced() {
        let text = "[types.\"c7g.large\"]\nvcpus = 2\nmemory = 4096\narchitecture = \"arm64\"\nspot = 0.03\n\
                    [regions.eu-north-1]\nprice = 2.0\n[regions.eu-north-1.pools.\"c7g.large\"]\na = { price = 0.01 }\n\
                    b = { offered = false }";
        let world = World::parse(text).unwrap();
        for (zone, price) in [("a", Some(0.01)), ("b", None), ("c", Some(0.06)), ("z", None)] {
            assert_eq!(world.spot_price("eu-north-1", "c7g.large", zone), price, "{zone}");
        }
        assert_eq!(world.spot_price("mars-1", "c7g.large", "a"), None);
    }

    #[test]
    fn patches_change_what_they_name_and_take_back_what_they_null() {
        let world = World::of(&["us-east-1", "us-west-2"]);
        let patched = world.patched(&json!({ "regions": { "us-east-1": { "spot_vcpus": 5, "price": 3 } } })).unwrap();
        assert_eq!((patched.regions["us-east-1"].spot_vcpus, patched.regions["us-east-1"].price), (Some(5), 3.0));
        assert_eq!(patched.regions["us-west-2"], world.regions["us-west-2"]);
        let back = json!({ "regions": { "us-east-1": { "spot_vcpus": null, "price": null } } });
        assert_eq!(patched.patched(&back).unwrap(), world);
    }

    #[test]
    fn mistakes_are_told() {
        let wrong = World::parse("[regions.us-east-1]\nquota = 5").unwrap_err().to_string();
        assert!(wrong.contains("line 2") && wrong.contains("quota"), "{wrong}");
        let wrong = World::of(&["us-east-1"]).patched(&json!({ "lag": { "describe": -1 } })).unwrap_err();
        assert_eq!(wrong.to_string(), "lag.describe: -1 is no number of seconds");
    }
}
