//! Who runs which arrivals: the table of slots.
//!
//! Arrival i belongs to slot i mod M, and every slot to one agent or to none. A table of M entries
//! so decides over any number of users, and losing an agent means giving its slots to others.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number that the coordinator gave an agent when it joined the run; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AgentNumber(pub u32);

impl fmt::Display for AgentNumber {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// The owner of every slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SlotTable {
    owners: Vec<Option<AgentNumber>>,
}

impl SlotTable {
    /// Deals `slots` out by weight: shares by the largest remainder, so that they differ from the exact ones
    /// by less than a slot, and interleaved, so that neighbouring arrivals meet different agents.
    ///
    /// Without agents, or when all weights are zero, no slot has an owner. An agent may get no slot
    /// when there are more agents than slots.
    #[must_use]
    pub fn weighted(slots: usize, agents: &[(AgentNumber, u32)]) -> SlotTable {
        SlotTable { owners: dealt(slots, agents) }
    }

    /// Names the owner of an arrival.
    #[must_use]
    pub fn owner(&self, index: u64) -> Option<AgentNumber> {
        let slot = index.checked_rem(self.owners.len() as u64)?;
        self.owners[slot as usize]
    }

    /// Lists the slots of an agent, rising.
    pub fn slots_of(&self, agent: AgentNumber) -> impl Iterator<Item = usize> {
        let slots = self.owners.iter().enumerate();
        slots.filter(move |(_, owner)| **owner == Some(agent)).map(|(slot, _)| slot)
    }

    /// Counts the slots, owned or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// Tells whether there are no slots at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Deals the slots of one agent out to its heirs by weight; without heirs they have no owner.
    #[must_use]
    pub fn moved(&self, from: AgentNumber, heirs: &[(AgentNumber, u32)]) -> SlotTable {
        let slots: Vec<usize> = self.slots_of(from).collect();
        let mut owners = self.owners.clone();
        for (slot, heir) in slots.iter().zip(dealt(slots.len(), heirs)) {
            owners[*slot] = heir;
        }
        SlotTable { owners }
    }

    /// Gives an agent's share of a cap on the whole cluster. Each slot carries its own share, so the
    /// shares of all slots sum to exactly `total`, and moving a slot moves what it may start.
    #[must_use]
    pub fn cap_share(&self, agent: AgentNumber, total: u64) -> u64 {
        let slots = self.owners.len() as u128;
        let up_to = |slot: usize| u128::from(total) * slot as u128 / slots;
        self.slots_of(agent).map(|slot| (up_to(slot + 1) - up_to(slot)) as u64).sum()
    }
}

/// Deals `count` seats out by weight. The k-th seat of an agent with n of them wants to lie at (k + ½) / n of the row;
/// sorted by that, equal agents take turns and unequal ones are as evenly mixed as their shares allow.
fn dealt(count: usize, agents: &[(AgentNumber, u32)]) -> Vec<Option<AgentNumber>> {
    let mut seats: Vec<(u64, u64, AgentNumber)> = Vec::with_capacity(count);
    for (agent, share) in shares(count as u64, agents) {
        seats.extend((0..share).map(|seat| (2 * seat + 1, share, agent)));
    }
    seats.sort_by(|(a, a_share, a_agent), (b, b_share, b_agent)| {
        // a / a_share < b / b_share, without leaving the integers.
        let places = (u128::from(*a) * u128::from(*b_share)).cmp(&(u128::from(*b) * u128::from(*a_share)));
        places.then(a_agent.cmp(b_agent))
    });
    let mut owners: Vec<_> = seats.into_iter().map(|(_, _, agent)| Some(agent)).collect();
    owners.resize(count, None);
    owners
}

/// Divides `count` by weight with the method of the largest remainder; ties go to the lower agent number.
fn shares(count: u64, agents: &[(AgentNumber, u32)]) -> Vec<(AgentNumber, u64)> {
    let total: u128 = agents.iter().map(|(_, weight)| u128::from(*weight)).sum();
    if total == 0 {
        return Vec::new();
    }
    let exact = |weight: u32| u128::from(count) * u128::from(weight);
    let mut shares: Vec<(AgentNumber, u64, u128)> = agents
        .iter()
        .map(|(agent, weight)| (*agent, (exact(*weight) / total) as u64, exact(*weight) % total))
        .collect();
    shares.sort_by_key(|(agent, _, remainder)| (std::cmp::Reverse(*remainder), *agent));
    let left = count - shares.iter().map(|(_, share, _)| share).sum::<u64>();
    for (_, share, _) in shares.iter_mut().take(left as usize) {
        *share += 1;
    }
    shares.into_iter().map(|(agent, share, _)| (agent, share)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn agents(weights: &[u32]) -> Vec<(AgentNumber, u32)> {
        (1..).map(AgentNumber).zip(weights.iter().copied()).collect()
    }

    fn check(slots: usize, weights: &[u32], owners: &[u32]) {
        let table = SlotTable::weighted(slots, &agents(weights));
        let found: Vec<u32> = (0..slots as u64).map(|i| table.owner(i).map_or(0, |agent| agent.0)).collect();
        assert_eq!(found, owners, "{weights:?}");
    }

    #[test]
    fn slots_are_dealt_by_weight_and_mixed() {
        check(6, &[1, 1], &[1, 2, 1, 2, 1, 2]);
        check(6, &[2, 1], &[1, 2, 1, 1, 2, 1]);
        check(5, &[1, 1, 1], &[1, 2, 3, 1, 2]);
        check(3, &[], &[0, 0, 0]);
        check(3, &[0, 0], &[0, 0, 0]);
        assert_eq!(SlotTable::weighted(0, &agents(&[1])).owner(9), None);
    }

    proptest! {
        #[test]
        fn shares_are_fair_and_whole(weights in prop::collection::vec(0_u32..9, 1..12), slots in 1_usize..200) {
            let agents = agents(&weights);
            let table = SlotTable::weighted(slots, &agents);
            let total: u32 = weights.iter().sum();
            for (agent, weight) in &agents {
                let share = table.slots_of(*agent).count() as f64;
                let exact = slots as f64 * f64::from(*weight) / f64::from(total.max(1));
                prop_assert!((share - exact).abs() < 1.0);
            }
            prop_assert!((0..slots as u64).all(|i| table.owner(i).is_some() == (total > 0)));
        }

        #[test]
        fn caps_sum_to_the_whole_also_after_a_loss(weights in prop::collection::vec(1_u32..9, 2..9), total: u64) {
            let agents = agents(&weights);
            let table = SlotTable::weighted(64, &agents);
            let moved = table.moved(AgentNumber(1), &agents[1..]);
            for table in [table, moved] {
                let sum: u64 = agents.iter().map(|(agent, _)| table.cap_share(*agent, total)).sum();
                prop_assert_eq!(sum, total);
            }
        }

        #[test]
        fn a_move_touches_no_other_slot(weights in prop::collection::vec(1_u32..9, 2..9)) {
            let agents = agents(&weights);
            let before = SlotTable::weighted(100, &agents);
            let after = before.moved(AgentNumber(1), &agents[1..]);
            prop_assert_eq!(after.slots_of(AgentNumber(1)).count(), 0);
            for index in 0..100 {
                let owner = before.owner(index);
                prop_assert!(after.owner(index).is_some());
                prop_assert!(owner == Some(AgentNumber(1)) || after.owner(index) == owner);
            }
            prop_assert!(before.moved(AgentNumber(1), &[]).owner(0).is_none() || before.owner(0) != Some(AgentNumber(1)));
        }
    }
}
