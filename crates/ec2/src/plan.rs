//! A launch as it will be made, put together from an order and a market. Whatever can be known to fail fails here,
//! before anything costs money.

use crate::forecast::{Forecast, OverBudget, forecast};
use crate::market::Market;
use crate::order::{Order, OrderError};
use crate::spread::{Lot, spread};
use crate::user_data::{UserData, UserDataError, script};

/// A launch that somebody can agree to.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The first round.
    pub lots: Vec<Lot>,
    /// What it comes to. Agents of the fleet that run already are not in it.
    pub forecast: Forecast,
    /// What every instance does when it boots.
    pub user_data: UserData,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// The order cannot be carried out, wherever.
    #[error("planning the fleet:{}", listed(.0))]
    Order(Vec<OrderError>),
    /// Too few agents would come of it.
    #[error(
        "planning the fleet: there is room for {room} of {agents} agents, and {min_agents} are a must; raise quotas, allow \
         more regions, another size or a higher price{}",
        listed(why)
    )]
    Room {
        /// How many are wanted.
        agents: u32,
        /// How many are a must.
        min_agents: u32,
        /// How many there would be.
        room: u32,
        /// What each region said that cannot be used, or has no room for a single agent.
        why: Vec<String>,
    },
    /// It would cost too much.
    #[error(transparent)]
    Budget(#[from] OverBudget),
    /// Instances could not be told what to do.
    #[error(transparent)]
    UserData(#[from] UserDataError),
}

fn listed(lines: &[impl ToString]) -> String {
    lines.iter().map(|line| format!("\n  {}", line.to_string())).collect()
}

/// Plans a launch.
///
/// # Errors
/// If the order is wrong, too little of it can be had, or it would cost more than its budget.
pub fn plan(order: &Order, market: &Market) -> Result<Plan, PlanError> {
    let problems = order.problems();
    if !problems.is_empty() {
        return Err(PlanError::Order(problems));
    }
    let lots = spread(order, market);
    let present = u32::try_from(market.present_agents()).unwrap_or(u32::MAX);
    let room = lots.iter().map(Lot::agents).sum::<u32>().saturating_add(present);
    let Order { agents, min_agents, .. } = *order;
    if room < min_agents {
        let unusable = market.unusable.iter().map(|(region, why)| format!("{region}: {why}"));
        let why = unusable.chain(market.offers.iter().filter_map(|(region, offer)| {
            let vcpus = offer.spot_quota.filter(|vcpus| *vcpus < order.vcpus)?;
            Some(format!("{region}: the account's quota of spot instances is {vcpus} vCPUs there"))
        }));
        let why = why.collect();
        return Err(PlanError::Room { agents, min_agents, room, why });
    }
    let forecast = Forecast { short: agents.saturating_sub(room), ..forecast(order, &lots)? };
    let user_data = script(&order.boot, forecast.ttl)?;
    Ok(Plan { lots, forecast, user_data })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::market::Offer;
    use crate::market::tests::pool_at;
    use crate::money::Usd;
    use crate::order::tests::usual;

    fn market(quota: u32) -> Market {
        let offer = Offer { vpc: "vpc-1".into(), pools: vec![pool_at("c6g.large a", 0.02)], spot_quota: Some(quota) };
        let unusable = BTreeMap::from([("me-south-1".into(), "OptInRequired".into())]);
        Market { offers: BTreeMap::from([("eu-west-1".into(), offer)]), unusable, ..Market::default() }
    }

    #[test]
    fn what_can_be_known_to_fail_fails_before_it_costs() {
        let plan_of = |order: Order, quota: u32| plan(&order, &market(quota));
        let good = plan_of(usual(), 12).unwrap();
        assert_eq!((good.forecast.agents, good.forecast.short), (6, 4), "fewer than wanted, more than must be");
        let few = plan_of(usual(), 8).unwrap_err().to_string();
        assert!(few.contains("room for 4 of 10 agents, and 5 are a must"), "{few}");
        assert!(few.contains("me-south-1: OptInRequired"), "{few}");
        let wrong = plan_of(Order { vcpus: 3, agents: 0, ..usual() }, 12).unwrap_err().to_string();
        assert_eq!(wrong.lines().count(), 3, "{wrong}");
        assert!(matches!(plan_of(Order { budget: Some(Usd(0.01)), ..usual() }, 12), Err(PlanError::Budget(_))));
        let mut order = usual();
        order.boot.urls.clear();
        assert!(matches!(plan_of(order, 12), Err(PlanError::UserData(_))));
    }
}
