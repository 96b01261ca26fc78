//! Nobody is dealt twice, no quota is passed, no pool holds all.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::market::tests::pool_at;
use crate::order::tests::usual;

/// Regions `r0`, `r1`, … each dearer than the one before, with these quotas in vCPUs and four pools in two zones.
fn market(quotas: &[Option<u32>]) -> Market {
    let offer = |(index, quota): (usize, &Option<u32>)| {
        let cents = 0.01 * (index + 1) as f64;
        let pools = ["c6g.large a", "c7g.large a", "c6g.large b", "c7g.large b"];
        let pools = pools.iter().map(|of| pool_at(of, cents)).collect();
        (Region(format!("r{index}")), Offer { vpc: "vpc-1".into(), pools, spot_quota: *quota })
    };
    Market { offers: quotas.iter().enumerate().map(offer).collect(), ..Market::default() }
}

fn dealt(lots: &[Lot]) -> Vec<(&str, u32)> {
    lots.iter().map(|lot| (lot.region.0.as_str(), lot.agents())).collect()
}

fn check(agents: u32, quotas: &[Option<u32>], expected: &[(&str, u32)], why: &str) {
    let order = Order { agents, ..usual() };
    assert_eq!(dealt(&spread(&order, &market(quotas))), expected, "{why}");
}

#[test]
fn agents_are_dealt_evenly_as_far_as_there_is_room() {
    check(6, &[None, None, None], &[("r0", 2), ("r1", 2), ("r2", 2)], "the same to each");
    check(7, &[None, None, None], &[("r0", 3), ("r1", 2), ("r2", 2)], "what remains to the cheapest");
    check(2, &[None, None, None], &[("r0", 1), ("r1", 1)], "fewer agents than regions");
    check(10, &[Some(5), None, Some(5)], &[("r0", 2), ("r1", 6), ("r2", 2)], "5 vCPUs are two agents");
    check(10, &[Some(5), Some(5)], &[("r0", 2), ("r1", 2)], "there is no room for more");
    check(10, &[Some(1)], &[], "nor for one");
    check(10, &[], &[], "nor anywhere");
}

#[test]
fn in_one_region_no_pool_and_no_zone_holds_all() {
    let order = Order { agents: 5, ..usual() };
    let lots = spread(&order, &market(&[None]));
    assert_eq!(dealt(&lots), [("r0", 3), ("r0", 2)]);
    let zones = |lot: &Lot| lot.pools.iter().map(|pool| pool.of.zone.clone()).collect::<BTreeSet<_>>();
    assert!(zones(&lots[0]).is_disjoint(&zones(&lots[1])), "{lots:?}");
    let mut narrow = market(&[None]);
    narrow.offers.values_mut().for_each(|offer| offer.pools.truncate(1));
    assert_eq!(dealt(&spread(&order, &narrow)), [("r0", 5)], "with one pool there is no choice");
}

#[test]
fn those_who_are_there_are_not_launched_again() {
    let order = Order { agents: 5, ..usual() };
    let mut market = market(&[Some(4), None]);
    let present = crate::market::tests::instance("i-1");
    market.present = BTreeMap::from([(Region::from("r0"), vec![present])]);
    assert_eq!(dealt(&spread(&order, &market)), [("r0", 1), ("r1", 3)]);
}

fn outcome(lot: &Lot, launched: u32, refusals: &[(Option<&str>, Class)]) -> Outcome {
    let of = |of: &Option<&str>| of.map(|of| pool_at(of, 1.0).of);
    let refusals = refusals.iter().map(|(pool, class)| (of(pool), *class)).collect();
    Outcome { lot: lot.clone(), launched, refusals }
}

#[test]
fn what_is_missing_moves_to_who_gave_all() {
    let order = Order { agents: 9, ..usual() };
    let market = market(&[None, None, None]);
    let lots = spread(&order, &market);
    let check = |gave: [Outcome; 3], missing: u32, expected: &[(&str, u32)], why: &str| {
        assert_eq!(dealt(&again(&order, &market, &gave, missing)), expected, "{why}");
    };
    let whole = |lot: usize| outcome(&lots[lot], 3, &[]);
    let full = &[(Some("c6g.large a"), Class::TryElsewhere)][..];
    let closed = &[(None, Class::NotEnabled)][..];
    let quota = &[(Some("c6g.large a"), Class::Quota)][..];
    check([outcome(&lots[0], 0, closed), whole(1), whole(2)], 3, &[("r1", 2), ("r2", 1)], "the cheaper one gets more");
    check(
        [outcome(&lots[0], 2, full), outcome(&lots[1], 1, quota), outcome(&lots[2], 0, full)],
        6,
        &[("r0", 3), ("r0", 3)],
        "nobody gave all: the one that gave something, not the one at its quota, nor the empty one",
    );
    check([0, 1, 2].map(|lot| outcome(&lots[lot], 0, closed)), 9, &[], "nobody gave anything");
    let moved = again(&order, &market, &[outcome(&lots[0], 2, full), whole(1), whole(2)], 1);
    assert_eq!(dealt(&moved), [("r1", 1)]);
    let split = again(&order, &market, &[0, 1, 2].map(|lot| outcome(&lots[lot], 2, full)), 3);
    let refused = pool_at("c6g.large a", 1.0).of;
    assert!(split.iter().all(|lot| lot.pools.iter().all(|pool| pool.of != refused)), "a pool that refused is left out");
}

proptest! {
    #[test]
    fn shares_are_even_within_rooms(agents in 0..2_000_u32, rooms in prop::collection::vec(0..300_u32, 0..20)) {
        let shares = even_shares(agents, &rooms);
        let sum: u32 = shares.iter().sum();
        prop_assert_eq!(sum, agents.min(rooms.iter().sum()), "all that there is room for");
        prop_assert!(shares.iter().zip(&rooms).all(|(share, room)| share <= room), "no room is passed");
        let most = shares.iter().max().copied().unwrap_or(0);
        let with_room = shares.iter().zip(&rooms).filter(|(share, room)| share < room);
        prop_assert!(with_room.into_iter().all(|(share, _)| share + 1 >= most), "{:?} of {:?}", shares, rooms);
    }

    #[test]
    fn lots_hold_all_agents_and_the_share_on_demand(agents in 1..500_u32, regions in 1..9_usize, percent in 0..=100_u32) {
        let order = Order { agents, on_demand_percent: percent, ..usual() };
        let lots = spread(&order, &market(&vec![None; regions]));
        prop_assert_eq!(lots.iter().map(Lot::agents).sum::<u32>(), agents);
        let on_demand: u32 = lots.iter().map(|lot| lot.on_demand).sum();
        prop_assert_eq!(on_demand, (agents * percent).div_ceil(100));
        let most = lots.iter().map(Lot::agents).max().unwrap_or(0);
        prop_assert!(agents == 1 || most < agents, "no lot, and so no pool, holds all");
        prop_assert!(lots.iter().all(|lot| !lot.pools.is_empty() && lot.agents() > 0));
    }

    #[test]
    fn no_quota_is_passed_in_either_round(
        quotas in prop::collection::vec(0..20_u32, 2..8),
        agents in 1..60_u32,
        gave in prop::collection::vec(0..10_u32, 8),
    ) {
        let order = Order { agents, ..usual() };
        let market = market(&quotas.iter().map(|quota| Some(*quota)).collect::<Vec<_>>());
        let lots = spread(&order, &market);
        let outcomes: Vec<Outcome> =
            lots.iter().zip(&gave).map(|(lot, gave)| outcome(lot, lot.agents().min(*gave), &[])).collect();
        let launched: u32 = outcomes.iter().map(|outcome| outcome.launched).sum();
        let more = again(&order, &market, &outcomes, agents - launched);
        for (index, quota) in quotas.iter().enumerate() {
            let region = Region(format!("r{index}"));
            let first = outcomes.iter().filter(|outcome| outcome.lot.region == region).map(|outcome| outcome.launched);
            let second = more.iter().filter(|lot| lot.region == region).map(Lot::agents);
            prop_assert!((first.sum::<u32>() + second.sum::<u32>()) * order.vcpus <= *quota);
        }
    }
}
