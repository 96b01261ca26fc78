//! Who is there: what the answers said, corrected by what the tags say. A request whose answer was lost may have
//! launched all the same, and Amazon has been seen to launch more than was asked for.

use std::collections::BTreeMap;
use std::time::SystemTime;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{Fleet, Placed, reason};
use crate::cloud::{Cloud, Instance, Launched, Offering, Purchase};
use crate::forecast::{ceiling, on_demand};
use crate::market::Market;
use crate::money::UsdPerHour;
use crate::names::{InstanceId, Region};
use crate::order::Order;
use crate::patience::patiently;
use crate::progress::{Event, Tell, What};
use crate::spread::Outcome;
use crate::survey::explained;
use crate::sweep;
use crate::tags::{Scope, is_agent};

/// The instance of one agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// Where.
    pub region: Region,
    /// In which pool.
    pub of: Offering,
    /// How it is paid.
    pub purchase: Purchase,
    /// What it costs, as far as is known: without address and volume.
    pub price: UsdPerHour,
    /// What it can cost at most.
    pub ceiling: UsdPerHour,
    /// Since when.
    pub since: SystemTime,
}

/// What an instance costs, and can cost at most. Of one in a pool that nobody looked at the worst is assumed.
#[must_use]
pub fn cost(
    order: &Order,
    market: &Market,
    region: &Region,
    of: &Offering,
    purchase: Purchase,
) -> (UsdPerHour, UsdPerHour) {
    if purchase == Purchase::OnDemand {
        let bound = on_demand(order.vcpus);
        return (bound, bound);
    }
    let pools = market.offers.get(region).map_or(&[][..], |offer| &offer.pools);
    match pools.iter().find(|pool| pool.of == *of) {
        Some(pool) => (pool.price, ceiling(pool, order.max_price)),
        None => {
            // No spot instance costs more than one on demand.
            let bound = on_demand(order.vcpus);
            (bound, bound)
        }
    }
}

pub(super) struct Muster<'a> {
    order: &'a Order,
    market: &'a Market,
    now: SystemTime,
    agents: BTreeMap<InstanceId, Agent>,
    outcomes: Vec<Outcome>,
    reasons: BTreeMap<Region, String>,
}

impl<'a> Muster<'a> {
    /// Begins with those that were there before.
    pub(super) fn new(order: &'a Order, market: &'a Market, now: SystemTime) -> Muster<'a> {
        let mut muster =
            Muster { order, market, now, agents: BTreeMap::new(), outcomes: Vec::new(), reasons: BTreeMap::new() };
        for (region, instances) in &market.present {
            for instance in instances {
                muster.add_listed(region, instance);
            }
        }
        muster
    }

    fn add(&mut self, region: &Region, id: &InstanceId, of: &Offering, purchase: Purchase, since: SystemTime) {
        let (price, ceiling) = cost(self.order, self.market, region, of, purchase);
        let agent = Agent { region: region.clone(), of: of.clone(), purchase, price, ceiling, since };
        self.agents.insert(id.clone(), agent);
    }

    fn add_listed(&mut self, region: &Region, instance: &Instance) {
        let Instance { id, of, purchase, since, .. } = instance;
        self.add(region, id, of, *purchase, *since);
    }

    /// Takes in what a round gave. The instances count; how many errors came with them says nothing.
    pub(super) fn take(&mut self, round: Vec<Placed>) {
        let mut regions: BTreeMap<Region, Vec<Placed>> = BTreeMap::new();
        for placed in round {
            for Launched { id, of, purchase } in &placed.answer.launched {
                self.add(&placed.lot.region, id, of, *purchase, self.now);
            }
            regions.entry(placed.lot.region.clone()).or_default().push(placed);
        }
        for (region, placed) in regions {
            let launched = |placed: &Placed| u32::try_from(placed.answer.launched.len()).unwrap_or(u32::MAX);
            if placed.iter().any(|placed| launched(placed) < placed.lot.agents()) {
                self.reasons.extend(reason(&region, &placed).map(|why| (region, why)));
            }
            self.outcomes.extend(placed.into_iter().map(|placed| {
                let launched = launched(&placed);
                let refusals = placed.answer.refusals.into_iter().map(|refusal| (refusal.of, refusal.error.class()));
                Outcome { launched, refusals: refusals.collect(), lot: placed.lot }
            }));
        }
    }

    pub(super) fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    pub(super) fn missing(&self) -> u32 {
        self.order.agents.saturating_sub(u32::try_from(self.agents.len()).unwrap_or(u32::MAX))
    }

    /// Looks by tags who is there. Who is not listed yet is believed to be: lists lag behind.
    pub(super) async fn call(&mut self, cloud: &dyn Cloud, until: Instant, tell: Tell<'_>) {
        let filter = Scope::Fleet(self.order.fleet.clone()).filter();
        let (market, filter) = (self.market, &filter);
        let lists = market.enabled.iter().map(|at| patiently(until, move || cloud.instances(at, filter), |_, _| ()));
        for (at, list) in market.enabled.iter().zip(join_all(lists).await) {
            let Ok(list) = list else { continue };
            let mut found = 0;
            for instance in list.into_iter().filter(|instance| is_agent(&instance.tags)) {
                if !instance.state.is_alive() {
                    self.agents.remove(&instance.id);
                } else if !self.agents.contains_key(&instance.id) {
                    self.add_listed(at, &instance);
                    found += 1;
                }
            }
            if found > 0 {
                tell(Event { region: at.clone(), what: What::Found { agents: found } });
            }
        }
    }

    /// Ends what is more than was ordered: first in regions that have more than they were asked for, so that agents stay
    /// spread, and there the dearest.
    pub(super) async fn end_surplus(&mut self, cloud: &dyn Cloud, until: Instant, tell: Tell<'_>) {
        let mut regions: BTreeMap<Region, Vec<InstanceId>> = BTreeMap::new();
        for (region, id) in self.surplus() {
            regions.entry(region).or_default().push(id);
        }
        let ends = regions.iter().map(|(at, ids)| sweep::end(cloud, at, ids, until, tell));
        for ((at, ids), ended) in regions.iter().zip(join_all(ends).await) {
            match ended {
                Ok(()) => self.agents.retain(|id, _| !ids.contains(id)),
                // They stay of the fleet, so that they are counted, paid and ended with it.
                Err(error) => {
                    let why =
                        format!("{} more than ordered, which cannot be ended: {}", ids.len(), explained(&error, at));
                    tell(Event { region: at.clone(), what: What::Left(why) });
                }
            }
        }
    }

    fn surplus(&self) -> Vec<(Region, InstanceId)> {
        let count = self.agents.len().saturating_sub(self.order.agents as usize);
        let mut excess: BTreeMap<&Region, i64> = BTreeMap::new();
        for agent in self.agents.values() {
            *excess.entry(&agent.region).or_default() += 1;
        }
        for Outcome { lot, .. } in &self.outcomes {
            *excess.entry(&lot.region).or_default() -= i64::from(lot.agents());
        }
        let mut left: Vec<(&InstanceId, &Agent)> = self.agents.iter().collect();
        left.sort_by(|a, b| b.1.price.0.total_cmp(&a.1.price.0).then_with(|| a.0.cmp(b.0)));
        let mut surplus = Vec::new();
        while surplus.len() < count {
            // The first of those with the largest excess: the list begins with the dearest.
            let most = left.iter().map(|(_, agent)| excess[&agent.region]).max().unwrap_or_default();
            let Some(place) = left.iter().position(|(_, agent)| excess[&agent.region] == most) else { break };
            let (id, agent) = left.remove(place);
            *excess.entry(&agent.region).or_default() -= 1;
            surplus.push((agent.region.clone(), id.clone()));
        }
        surplus
    }

    pub(super) fn into_fleet(self, expires_unix: u64) -> Fleet {
        let missing = self.missing();
        let reasons = if missing > 0 { self.reasons } else { BTreeMap::new() };
        Fleet { agents: self.agents, missing, reasons, expires_unix }
    }
}
