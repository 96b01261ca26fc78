//! Dealing agents to regions: evenly, because the quota of a new account is 5 vCPUs *in each region*, and because what
//! stands in one pool is taken back at one moment.

use std::collections::BTreeSet;

use crate::cloud::Offering;
use crate::failure::Class;
use crate::market::{Market, Offer, Pool};
use crate::names::Region;
use crate::order::Order;

/// Amazon's limit on one request, in units of weight, here virtual CPUs.
const LARGEST_REQUEST_VCPUS: u32 = 10_000;

/// What one request asks of one region.
#[derive(Clone, Debug, PartialEq)]
pub struct Lot {
    /// Of which region.
    pub region: Region,
    /// Which of the region's lots of a round; from 0.
    pub number: u32,
    /// From which pools; never empty.
    pub pools: Vec<Pool>,
    /// How many agents that may be taken back.
    pub spot: u32,
    /// How many that may not.
    pub on_demand: u32,
}

impl Lot {
    /// How many agents in all.
    #[must_use]
    pub fn agents(&self) -> u32 {
        self.spot + self.on_demand
    }
}

/// A region that can take agents.
#[derive(Clone, Debug, PartialEq)]
struct Seat {
    region: Region,
    pools: Vec<Pool>,
    /// How many agents it can take; as many as one request can ask for, if nobody knows.
    room: u32,
}

/// Deals the agents of an order that are not there yet. Fewer lots than agents call for mean that there is no room for
/// more.
#[must_use]
pub fn spread(order: &Order, market: &Market) -> Vec<Lot> {
    let present = u32::try_from(market.present_agents()).unwrap_or(u32::MAX);
    let there = |region: &Region| market.present.get(region).map_or(0, |present| present.len());
    let seats = market.offers.iter().map(|(region, offer)| {
        let used = u32::try_from(there(region)).unwrap_or(u32::MAX);
        Seat { region: region.clone(), pools: offer.pools.clone(), room: room(order, offer, used) }
    });
    deal(order, order.agents.saturating_sub(present), cheapest_first(seats.collect(), market))
}

/// What came of a lot.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What was asked.
    pub lot: Lot,
    /// How many agents were launched.
    pub launched: u32,
    /// What kept it from more: what the region said, or pools of it.
    pub refusals: Vec<(Option<Offering>, Class)>,
}

impl Outcome {
    fn is_whole(&self) -> bool {
        self.launched >= self.lot.agents()
    }

    /// Whether another request could get more where this one did not get all.
    fn has_more(&self) -> bool {
        self.refusals.iter().all(|(of, class)| of.is_some() && *class == Class::TryElsewhere)
    }
}

/// Deals what a round did not get: to regions that gave all they were asked for, and to those that were not asked;
/// if there are none, to those that gave something, from pools that did not refuse.
#[must_use]
pub fn again(order: &Order, market: &Market, outcomes: &[Outcome], missing: u32) -> Vec<Lot> {
    let of = |region: &Region| outcomes.iter().filter(|outcome| outcome.lot.region == *region).collect::<Vec<_>>();
    let present = |region: &Region| market.present.get(region).map_or(0, |present| present.len());
    let (mut good, mut fair) = (Vec::new(), Vec::new());
    for (region, offer) in &market.offers {
        let outcomes = of(region);
        let launched: u32 = outcomes.iter().map(|outcome| outcome.launched).sum();
        let used = u32::try_from(present(region)).unwrap_or(u32::MAX).saturating_add(launched);
        let seat = Seat { region: region.clone(), pools: offer.pools.clone(), room: room(order, offer, used) };
        if outcomes.iter().all(|outcome| outcome.is_whole()) {
            good.push(seat);
        } else if launched > 0 && outcomes.iter().all(|outcome| outcome.has_more()) {
            fair.push(without_refused(seat, &outcomes));
        }
    }
    fair.retain(|seat| !seat.pools.is_empty());
    let seats = if good.iter().any(|seat| seat.room > 0) { good } else { fair };
    deal(order, missing, cheapest_first(seats, market))
}

fn without_refused(mut seat: Seat, outcomes: &[&Outcome]) -> Seat {
    let refused: BTreeSet<&Offering> =
        outcomes.iter().flat_map(|outcome| &outcome.refusals).filter_map(|(of, _)| of.as_ref()).collect();
    seat.pools.retain(|pool| !refused.contains(&pool.of));
    seat
}

/// How many more agents a region can take of which `used` are there.
fn room(order: &Order, offer: &Offer, used: u32) -> u32 {
    let largest = LARGEST_REQUEST_VCPUS / order.vcpus.max(1);
    let quota = offer.spot_quota.map_or(largest, |vcpus| (vcpus / order.vcpus.max(1)).saturating_sub(used));
    quota.min(largest)
}

fn cheapest_first(mut seats: Vec<Seat>, market: &Market) -> Vec<Seat> {
    let price = |seat: &Seat| market.offers.get(&seat.region).map_or(f64::INFINITY, |offer| offer.cheapest().0);
    // Regions of equal price stay in the order of their names.
    seats.sort_by(|a, b| price(a).total_cmp(&price(b)));
    seats
}

fn deal(order: &Order, agents: u32, seats: Vec<Seat>) -> Vec<Lot> {
    let shares = even_shares(agents, &seats.iter().map(|seat| seat.room).collect::<Vec<_>>());
    let mut shares: Vec<(Seat, u32)> = seats.into_iter().zip(shares).filter(|(_, share)| *share > 0).collect();
    // Everything in one region: then at least not in one pool, nor if it can be helped in one zone.
    let mut lots = match (shares.len(), shares.pop()) {
        (1, Some((seat, share))) => halves(seat, share),
        (_, last) => shares.into_iter().chain(last).map(|(seat, share)| lot(seat, 0, share)).collect(),
    };
    give_on_demand(&mut lots, order.on_demand_percent);
    lots
}

fn lot(seat: Seat, number: u32, agents: u32) -> Lot {
    Lot { region: seat.region, number, pools: seat.pools, spot: agents, on_demand: 0 }
}

/// Deals evenly; who has no room leaves its part to the others, and what remains goes to the first.
fn even_shares(agents: u32, rooms: &[u32]) -> Vec<u32> {
    let mut shares = vec![0; rooms.len()];
    let mut left = agents;
    loop {
        let open: Vec<usize> = (0..rooms.len()).filter(|seat| shares[*seat] < rooms[*seat]).collect();
        let seats = u32::try_from(open.len()).unwrap_or(u32::MAX);
        if left == 0 || seats == 0 {
            return shares;
        }
        let each = (left / seats).max(1);
        for seat in open {
            let part = each.min(left).min(rooms[seat] - shares[seat]);
            shares[seat] += part;
            left -= part;
        }
    }
}

/// Splits one region's share into two requests with no pool in common.
fn halves(seat: Seat, agents: u32) -> Vec<Lot> {
    let zones: BTreeSet<_> = seat.pools.iter().map(|pool| pool.of.zone.clone()).collect();
    let zones: Vec<_> = zones.into_iter().collect();
    let is_first = |index: usize, pool: &Pool| match zones.len() {
        1 => index.is_multiple_of(2),
        _ => zones.iter().position(|zone| *zone == pool.of.zone).is_some_and(|zone| zone.is_multiple_of(2)),
    };
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for (index, pool) in seat.pools.into_iter().enumerate() {
        if is_first(index, &pool) { first.push(pool) } else { second.push(pool) }
    }
    let part = |number, pools, agents| lot(Seat { region: seat.region.clone(), pools, room: agents }, number, agents);
    if agents < 2 || second.is_empty() {
        first.append(&mut second);
        return vec![part(0, first, agents)];
    }
    vec![part(0, first, agents - agents / 2), part(1, second, agents / 2)]
}

/// Makes a share of all agents, rounded up, on demand, evenly over the lots.
fn give_on_demand(lots: &mut [Lot], percent: u32) {
    let all: u32 = lots.iter().map(Lot::agents).sum();
    let wanted = u64::from(all) * u64::from(percent.min(100));
    let wanted = wanted.div_ceil(100);
    let (mut passed, mut given) = (0_u64, 0_u64);
    for lot in lots {
        passed += u64::from(lot.spot);
        let due = (passed * wanted).div_ceil(u64::from(all.max(1))).min(wanted) - given;
        let due = u32::try_from(due).unwrap_or(u32::MAX).min(lot.spot);
        (lot.spot, lot.on_demand) = (lot.spot - due, due);
        given += u64::from(due);
    }
}

#[cfg(test)]
#[path = "spread/tests.rs"]
mod tests;
