//! What all regions have for us at one moment, ranked: the place of bidding, which no longer exists. Everybody pays the
//! current price, so choosing means looking where it is low and where there is much.
//!
//! Amazon's forecast of success (`GetSpotPlacementScores`) is not asked. It promises neither capacity nor staying, judges
//! another strategy than ours, names ten regions and limits how many questions a day it answers ("Spot placement score" in
//! the EC2 User Guide). The launch itself asks every region within a minute for nothing, and its second round moves on.

use std::collections::BTreeMap;

use crate::cloud::{Instance, Offering, Price, Subnet};
use crate::machines::Machine;
use crate::money::UsdPerHour;
use crate::names::{Region, SubnetId, VpcId};

/// How much dearer than the region's cheapest a pool may be. With less choice a region runs out sooner; beyond twice
/// the price another region is the better choice.
const DEAREST: f64 = 2.0;
/// The most pools in one request. Karpenter sends at most 60 machines in one; more than that only makes it slow.
const MOST_POOLS: usize = 60;

/// What regions have, and what runs there already.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Market {
    /// All regions that the order is for and the account can use: where agents are, or were, or may be.
    pub enabled: Vec<Region>,
    /// Regions that can be used.
    pub offers: BTreeMap<Region, Offer>,
    /// Regions that were asked and cannot be used, and why, with what to do about it.
    pub unusable: BTreeMap<Region, String>,
    /// Agents of the same fleet that are alive: an earlier coordinator launched them.
    pub present: BTreeMap<Region, Vec<Instance>>,
}

/// What one region has.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// The network that instances get into.
    pub vpc: VpcId,
    /// Never empty; the best first.
    pub pools: Vec<Pool>,
    /// How many virtual CPUs of spot instances may run at once; unknown if it was not told.
    pub spot_quota: Option<u32>,
}

/// One machine in one zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Where and what, as the cloud calls it.
    pub of: Offering,
    /// The machine.
    pub machine: Machine,
    /// The part of the network in that zone.
    pub subnet: SubnetId,
    /// What an instance costs now.
    pub price: UsdPerHour,
}

impl Pool {
    fn per_vcpu(&self) -> f64 {
        self.price.0 / f64::from(self.machine.vcpus)
    }
}

impl Market {
    /// What an instance of a region's pool cost when the market was looked at.
    #[must_use]
    pub fn price(&self, region: &Region, of: &Offering) -> Option<UsdPerHour> {
        self.offers.get(region)?.pools.iter().find(|pool| pool.of == *of).map(|pool| pool.price)
    }

    /// Counts the agents that run already.
    #[must_use]
    pub fn present_agents(&self) -> usize {
        self.present.values().map(Vec::len).sum()
    }
}

impl Offer {
    /// The cheapest price, by which regions are ranked.
    #[must_use]
    pub fn cheapest(&self) -> UsdPerHour {
        self.pools.first().map_or(UsdPerHour(f64::INFINITY), |pool| pool.price)
    }
}

/// What a region said, before it is put together.
pub struct Told<'a> {
    /// One for each zone.
    pub subnets: &'a [Subnet],
    /// Which machine is where.
    pub offerings: &'a [Offering],
    /// What they cost.
    pub prices: &'a [Price],
}

/// Ranks what a region has by the price of a virtual CPU. A pool without a price is none: Amazon does not sell it.
#[must_use]
pub fn rank(machines: &[Machine], told: &Told<'_>, limit: Option<UsdPerHour>) -> Vec<Pool> {
    let prices: BTreeMap<&Offering, UsdPerHour> = told.prices.iter().map(|price| (&price.of, price.usd)).collect();
    let mut pools: Vec<Pool> =
        told.offerings.iter().filter_map(|of| pool(of, machines, told.subnets, &prices)).collect();
    pools.retain(|pool| limit.is_none_or(|limit| pool.price <= limit));
    // Equal prices are ranked by name, so that the same market always gives the same request.
    pools.sort_by(|a, b| a.per_vcpu().total_cmp(&b.per_vcpu()).then_with(|| a.of.cmp(&b.of)));
    pools.dedup_by(|a, b| a.of == b.of);
    let dearest = pools.first().map(|pool| pool.per_vcpu() * DEAREST);
    pools.retain(|pool| dearest.is_some_and(|dearest| pool.per_vcpu() <= dearest));
    pools.truncate(MOST_POOLS);
    pools
}

fn pool(
    of: &Offering,
    machines: &[Machine],
    subnets: &[Subnet],
    prices: &BTreeMap<&Offering, UsdPerHour>,
) -> Option<Pool> {
    let machine = machines.iter().find(|machine| machine.name == of.machine)?.clone();
    // One of each zone: a request takes no two.
    let subnet = subnets.iter().find(|subnet| subnet.zone == of.zone)?.id.clone();
    let price = *prices.get(of).filter(|price| price.0.is_finite() && price.0 > 0.0)?;
    Some(Pool { of: of.clone(), machine, subnet, price })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::machines::{Arch, of_size};

    fn offering(text: &str) -> Offering {
        let (machine, zone) = text.split_once(' ').unwrap();
        Offering { zone: zone.into(), machine: machine.into() }
    }

    /// A pool such as `c7g.large a` at a price.
    pub(crate) fn pool_at(text: &str, usd: f64) -> Pool {
        let of = offering(text);
        let machine = Machine { name: of.machine.clone(), vcpus: 2, arch: Arch::Aarch64 };
        Pool { subnet: SubnetId(format!("subnet-{}", of.zone)), of, machine, price: UsdPerHour(usd) }
    }

    /// An instance of the first pool that anybody thinks of.
    pub(crate) fn instance(id: &str) -> Instance {
        Instance {
            id: id.into(),
            of: offering("c6g.large a"),
            purchase: crate::cloud::Purchase::Spot,
            state: crate::cloud::State::Running,
            since: std::time::UNIX_EPOCH,
            address: None,
            tags: crate::tags::Tags::new(),
        }
    }

    fn check(prices: &[(&str, f64)], limit: Option<f64>, expected: &[&str], why: &str) {
        let machines = of_size(2, &BTreeSet::from([Arch::X86_64, Arch::Aarch64]));
        let subnet = |zone: &str| Subnet { id: zone.into(), vpc: "vpc-1".into(), zone: zone.into() };
        let prices: Vec<Price> =
            prices.iter().map(|(of, usd)| Price { of: offering(of), usd: UsdPerHour(*usd) }).collect();
        let mut offerings: Vec<Offering> = prices.iter().map(|price| price.of.clone()).collect();
        offerings.push(offering("m7i.large a"));
        let told = Told { subnets: &[subnet("a"), subnet("b")], offerings: &offerings, prices: &prices };
        let ranked = rank(&machines, &told, limit.map(UsdPerHour));
        let ranked: Vec<String> = ranked.iter().map(|pool| format!("{} {}", pool.of.machine, pool.of.zone)).collect();
        assert_eq!(ranked, expected, "{why}");
    }

    #[test]
    fn pools_are_ranked_by_price_and_those_out_of_reach_are_left_out() {
        let (c6g, c7g, c7i) = ("c6g.large a", "c7g.large b", "c7i.large a");
        check(&[(c7g, 0.03), (c6g, 0.02)], None, &[c6g, c7g], "the cheapest first, and nothing without a price");
        check(&[(c7g, 0.02), (c6g, 0.02)], None, &[c6g, c7g], "of equal price by name");
        check(&[(c7g, 0.03), (c6g, 0.02), (c7i, 0.041)], None, &[c6g, c7g], "nothing at more than twice the price");
        check(&[(c7g, 0.03), (c6g, 0.02)], Some(0.025), &[c6g], "nothing above the limit");
        check(&[(c7g, 0.03)], Some(0.01), &[], "and then nothing at all");
        check(&[("c7g.large c", 0.03), (c6g, 0.04)], None, &[c6g], "no zone without a subnet");
        check(&[("t3.large a", 0.03)], None, &[], "no machine that we do not know");
        check(&[(c6g, 0.0), (c7g, f64::NAN)], None, &[], "nothing is for nothing");
        check(&[], None, &[], "an empty region");
    }
}
