//! Chooses the pools that a fleet's instances come from. Pure: the same candidates always give the same choice.

use std::collections::BTreeMap;

use crate::refusal::Refusal;

/// One way to start an instance: an override in one subnet.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// Which pool it draws from; several candidates may draw from the same.
    pub pool: usize,
    /// How many instances the pool has yet; without it, any number.
    pub free: Option<u32>,
    /// US dollars per hour.
    pub price: f64,
    /// How much of the target one instance is.
    pub weight: f64,
    /// The lower, the sooner.
    pub priority: f64,
    pub vcpus: u32,
    /// Why nothing can be had here.
    pub refusal: Option<Refusal>,
}

/// How much is wanted, and how.
#[derive(Clone, Debug)]
pub(super) struct Want {
    pub target: f64,
    pub order: Order,
    /// Among how many of the first pools instances are spread.
    pub spread: usize,
    /// US dollars per hour that all instances together may cost.
    pub max_total_price: Option<f64>,
    /// How many virtual processors the account may have yet, and what is answered beyond them.
    pub quota: Option<u32>,
    pub beyond_quota: Refusal,
    pub beyond_capacity: Refusal,
}

/// What comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The lowest price for each unit of the target.
    Price,
    /// The most capacity.
    Capacity,
    /// The lowest priority.
    Priority,
}

/// What came of it: candidates by their places.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Choice {
    /// One for each instance.
    pub chosen: Vec<usize>,
    /// Those that were tried in vain.
    pub failed: BTreeMap<usize, Refusal>,
    /// How much of the target there is.
    pub fulfilled: f64,
}

/// Chooses instance by instance, going round the first pools that still have some, until the target is reached.
pub(super) fn choose(candidates: &[Candidate], want: &Want) -> Choice {
    let mut open: Vec<usize> = (0..candidates.len()).collect();
    open.sort_by(|one, other| compare(&candidates[*one], &candidates[*other], want.order).then(one.cmp(other)));
    let mut taken: BTreeMap<usize, u32> = BTreeMap::new();
    let (mut choice, mut cost, mut vcpus, mut turn) = (Choice::default(), 0.0, 0_u32, 0_usize);
    while choice.fulfilled < want.target && !open.is_empty() {
        let place = turn % want.spread.clamp(1, open.len());
        let (index, candidate) = (open[place], &candidates[open[place]]);
        let used = taken.get(&candidate.pool).copied().unwrap_or(0);
        let is_beyond = want.quota.is_some_and(|quota| vcpus.saturating_add(candidate.vcpus) > quota);
        let refusal = match &candidate.refusal {
            Some(refusal) => Some(refusal),
            None if candidate.free.is_some_and(|free| used >= free) => Some(&want.beyond_capacity),
            None if is_beyond => Some(&want.beyond_quota),
            None => None,
        };
        if let Some(refusal) = refusal {
            choice.failed.insert(index, refusal.clone());
            open.remove(place);
            continue;
        }
        // Amazon stops silently here.
        if want.max_total_price.is_some_and(|most| cost + candidate.price > most) {
            break;
        }
        choice.chosen.push(index);
        choice.fulfilled += candidate.weight;
        (cost, vcpus, turn) = (cost + candidate.price, vcpus.saturating_add(candidate.vcpus), turn + 1);
        taken.insert(candidate.pool, used + 1);
    }
    choice
}

fn compare(one: &Candidate, other: &Candidate, order: Order) -> std::cmp::Ordering {
    let by_price = (one.price / one.weight).total_cmp(&(other.price / other.weight));
    let free = |candidate: &Candidate| candidate.free.unwrap_or(u32::MAX);
    match order {
        Order::Price => by_price,
        Order::Capacity => free(other).cmp(&free(one)).then(by_price),
        Order::Priority => one.priority.total_cmp(&other.priority).then(by_price),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(pool: usize, free: Option<u32>, price: f64, weight: f64) -> Candidate {
        Candidate { pool, free, price, weight, priority: 0.0, vcpus: 2, refusal: None }
    }

    fn want(target: f64, order: Order, spread: usize) -> Want {
        Want {
            target,
            order,
            spread,
            max_total_price: None,
            quota: None,
            beyond_quota: Refusal::new("MaxSpotInstanceCountExceeded", ""),
            beyond_capacity: Refusal::new("InsufficientInstanceCapacity", ""),
        }
    }

    fn check(title: &str, candidates: &[Candidate], want: &Want, chosen: &[usize], failed: &[(usize, &str)]) {
        let choice = choose(candidates, want);
        let found: Vec<_> = choice.failed.iter().map(|(index, refusal)| (*index, refusal.code.as_str())).collect();
        assert_eq!((choice.chosen.as_slice(), found.as_slice()), (chosen, failed), "{title}");
    }

    #[test]
    fn pools_are_chosen_as_the_strategy_says() {
        let pools = [candidate(0, None, 3.0, 1.0), candidate(1, Some(2), 1.0, 1.0), candidate(2, Some(9), 2.0, 1.0)];
        let short = [(1, "InsufficientInstanceCapacity")];
        check("cheapest first, then the next", &pools, &want(3.0, Order::Price, 1), &[1, 1, 2], &short);
        check("the largest first", &pools, &want(3.0, Order::Capacity, 1), &[0, 0, 0], &[]);
        check("spread over all", &pools, &want(3.0, Order::Price, 3), &[1, 2, 0], &[]);
        let weighted = [candidate(0, None, 3.0, 4.0), candidate(1, None, 1.0, 1.0)];
        check("the price counts for each unit", &weighted, &want(5.0, Order::Price, 1), &[0, 0], &[]);
    }

    #[test]
    fn quotas_and_prices_end_it() {
        let pools = [candidate(0, None, 1.0, 1.0), candidate(0, Some(0), 2.0, 1.0)];
        let mut limited = want(5.0, Order::Price, 1);
        limited.quota = Some(5);
        let failed = [(0, "MaxSpotInstanceCountExceeded"), (1, "InsufficientInstanceCapacity")];
        check("five processors are two instances of two", &pools, &limited, &[0, 0], &failed);
        let mut capped = want(5.0, Order::Price, 1);
        capped.max_total_price = Some(3.5);
        check("the fourth would be too dear", &pools, &capped, &[0, 0, 0], &[]);
    }

    proptest! {
        /// Whatever the pools are: none gives more than it has, the target is passed by less than one instance, and
        /// it is missed only when every candidate was tried in vain.
        #[test]
        fn no_pool_gives_more_than_it_has(
            pools in prop::collection::vec((0_usize..3, 0_u32..5, 1_u32..9, 1_u32..5), 1..8),
            target in 1_u32..30,
            spread in 1_usize..5,
        ) {
            let free: BTreeMap<usize, u32> = pools.iter().map(|(pool, free, _, _)| (*pool, *free)).collect();
            let candidates: Vec<Candidate> = pools.iter().map(|(pool, _, price, weight)| {
                candidate(*pool, free.get(pool).copied(), f64::from(*price), f64::from(*weight))
            }).collect();
            let choice = choose(&candidates, &want(f64::from(target), Order::Price, spread));
            for (pool, free) in &free {
                let taken = choice.chosen.iter().filter(|index| candidates[**index].pool == *pool).count();
                prop_assert!(taken <= *free as usize);
            }
            let sum: f64 = choice.chosen.iter().map(|index| candidates[*index].weight).sum();
            prop_assert_eq!(sum, choice.fulfilled);
            if choice.fulfilled < f64::from(target) {
                prop_assert_eq!(choice.failed.len(), candidates.len());
            } else {
                let last = choice.chosen.last().map_or(0.0, |index| candidates[*index].weight);
                prop_assert!(choice.fulfilled - last < f64::from(target));
            }
        }
    }
}
