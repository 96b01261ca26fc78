//! The table `agents.ec2`: how a fleet of EC2 instances is to be.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::reader::{Read, Table, number, text, texts, time};
use crate::duration;
use crate::problem::Problem;

/// A fleet of EC2 instances as somebody wants it. What is not said is left to whoever launches it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ec2 {
    /// Where; without it, in every region that the account has enabled.
    pub regions: Option<Vec<String>>,
    /// Virtual CPUs of each agent.
    pub vcpus: Option<u32>,
    /// With fewer agents the launch is given up.
    pub min: Option<u32>,
    /// Agents beside the others that take over when one goes.
    pub spares: Option<u32>,
    /// How many of a hundred agents Amazon is not to take back, at several times the price.
    pub on_demand: Option<u32>,
    /// What an instance may cost at most, in US dollars per hour.
    pub max_price: Option<f64>,
    /// What the fleet may cost at most from launch to end, in US dollars.
    pub budget: Option<f64>,
    /// How long after its boot an instance ends itself, whatever else happens.
    #[serde(with = "duration::optional")]
    pub ttl: Option<Duration>,
    /// Subnets to use instead of the default network's, by region.
    pub subnets: BTreeMap<String, Vec<String>>,
    /// The agent's binary: files, one for each kind of processor.
    pub agent: Vec<String>,
    /// Where instances find the agent's binary, with its checksum, if the coordinator is not to serve it.
    pub agent_url: Option<String>,
    /// The profile of Amazon's own configuration files whose account is used.
    pub profile: Option<String>,
}

impl Ec2 {
    /// Lays what somebody says here over what is said there.
    #[must_use]
    pub fn or(self, there: Ec2) -> Ec2 {
        let with = |mut subnets: BTreeMap<String, Vec<String>>, over: BTreeMap<String, Vec<String>>| {
            subnets.extend(over);
            subnets
        };
        Ec2 {
            regions: self.regions.or(there.regions),
            vcpus: self.vcpus.or(there.vcpus),
            min: self.min.or(there.min),
            spares: self.spares.or(there.spares),
            on_demand: self.on_demand.or(there.on_demand),
            max_price: self.max_price.or(there.max_price),
            budget: self.budget.or(there.budget),
            ttl: self.ttl.or(there.ttl),
            subnets: with(there.subnets, self.subnets),
            agent: if self.agent.is_empty() { there.agent } else { self.agent },
            agent_url: self.agent_url.or(there.agent_url),
            profile: self.profile.or(there.profile),
        }
    }
}

/// Reads the table, every mistake of it.
pub(super) fn ec2(mut table: Table<'_>) -> Ec2 {
    let mut count = |key: &'static str, least: u64, most: u64| {
        let count = table.take(key, number(least, most))?;
        u32::try_from(count).ok()
    };
    let vcpus = count("vcpus", 1, 1_024);
    let min = count("min", 0, super::reader::MOST_AGENTS);
    let spares = count("spares", 0, super::reader::MOST_AGENTS);
    let on_demand = count("on_demand", 0, 100);
    let ec2 = Ec2 {
        regions: table.take("regions", texts),
        vcpus,
        min,
        spares,
        on_demand,
        max_price: table.take("max_price", dollars),
        budget: table.take("budget", dollars),
        ttl: table.take("ttl", time),
        agent: table.take("agent", texts).unwrap_or_default(),
        agent_url: table.take("agent_url", text),
        profile: table.take("profile", text),
        subnets: table.table("subnets").map(subnets).unwrap_or_default(),
    };
    table.refuse_the_rest();
    ec2
}

fn subnets(table: Table<'_>) -> BTreeMap<String, Vec<String>> {
    table.each(texts)
}

fn dollars(value: &toml::Value) -> Read<f64> {
    let amount = value.as_float().or_else(|| value.as_integer().map(|amount| amount as f64));
    let is_amount = |amount: &f64| amount.is_finite() && *amount > 0.0;
    amount
        .filter(is_amount)
        .ok_or_else(|| Problem::new("is not an amount of US dollars").hint("write it as in `20` or `0.05`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_last_counts() {
        let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let there = Ec2 { regions: list(&["a"]), vcpus: Some(2), budget: Some(5.0), ..Ec2::default() };
        let here = Ec2 { regions: list(&["b", "c"]), min: Some(3), ..Ec2::default() };
        let expected = Ec2 { min: Some(3), regions: list(&["b", "c"]), ..there.clone() };
        assert_eq!(here.or(there), expected);
    }
}
