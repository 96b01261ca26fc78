//! What a fleet will cost, told before anybody agrees, and what the number leaves out.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::market::Pool;
use crate::money::{Usd, UsdPerHour};
use crate::names::Region;
use crate::order::Order;
use crate::spread::Lot;

/// A public IPv4 address, in every region (Amazon's price since February 2024).
pub const ADDRESS: UsdPerHour = UsdPerHour(0.005);
/// The root volume's size: the smallest on which Amazon Linux 2023 boots.
pub const VOLUME_GB: u32 = 8;
/// A month of a GB of gp3: an upper bound over the regions; it is 0.08 in us-east-1.
const VOLUME_USD_PER_GB_MONTH: f64 = 0.16;
const HOURS_PER_MONTH: f64 = 730.0;
/// A virtual CPU on demand: an upper bound over our machines and all regions, because the price itself takes another of
/// Amazon's interfaces. In us-east-1 they cost 0.036 to 0.052, in the dearest region some 1.6 times that.
const ON_DEMAND_PER_VCPU: UsdPerHour = UsdPerHour(0.10);
/// How far a spot price may rise before we would rather lose the instance. It bounds what a fleet can cost.
const HEADROOM: f64 = 1.5;
/// Amazon's least time to pay for an instance.
pub const LEAST_TIME: Duration = Duration::from_secs(60);
/// From the launch of an instance to its boot, and from its end to its last second: neither counts towards its TTL.
const AROUND: Duration = Duration::from_secs(5 * 60);
/// Beyond the time that agents are needed: to gather, and to leave in order.
const SPARE: Duration = Duration::from_secs(10 * 60);
/// Dead-man's switches are set in minutes.
const MINUTE: u64 = 60;

/// What comes on top of an instance's own price.
#[must_use]
pub fn extras() -> UsdPerHour {
    ADDRESS + UsdPerHour(VOLUME_USD_PER_GB_MONTH * f64::from(VOLUME_GB) / HOURS_PER_MONTH)
}

/// What an instance on demand costs at most.
#[must_use]
pub fn on_demand(vcpus: u32) -> UsdPerHour {
    ON_DEMAND_PER_VCPU * f64::from(vcpus)
}

/// The price above which we would rather lose an instance of a pool.
#[must_use]
pub fn ceiling(pool: &Pool, limit: Option<UsdPerHour>) -> UsdPerHour {
    let headroom = (pool.price * HEADROOM).0;
    UsdPerHour(limit.map_or(headroom, |limit| headroom.min(limit.0)))
}

/// What a fleet will be, and cost. All sums are without traffic.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Each region's part, the cheapest region first.
    pub rows: Vec<Row>,
    /// How many agents will be launched.
    pub agents: u32,
    /// How many there is no room for.
    pub short: u32,
    /// What runs beside them, at most.
    pub beside: UsdPerHour,
    /// All of it, at the average price of the pools.
    pub hourly: UsdPerHour,
    /// That over the time for which agents are needed.
    pub expected: Usd,
    /// What it comes to at today's prices if every instance comes from the dearest pool and nobody ends it.
    pub at_most: Usd,
    /// After how long instances end themselves.
    pub ttl: Duration,
}

/// One region's part.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Where.
    pub region: Region,
    /// How many agents.
    pub agents: u32,
    /// Among which machines Amazon may choose.
    pub machines: BTreeSet<String>,
    /// In how many pools.
    pub pools: usize,
    /// At their average price.
    pub hourly: UsdPerHour,
}

/// The budget is not enough even if nothing goes wrong.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "keeping {agents} agents within {budget}: for {} min they may cost {needed} at today's prices; raise the budget, \
     lower the number of agents, or give a --max-price",
    need.as_secs() / MINUTE
)]
pub struct OverBudget {
    /// How many agents.
    pub agents: u32,
    /// What there is.
    pub budget: Usd,
    /// What it takes.
    pub needed: Usd,
    /// For how long.
    pub need: Duration,
}

/// Reckons what lots will cost.
///
/// With a budget `b` and the dearest hourly price `p` of all agents together, instances live `b / p` less the five
/// minutes around their life, or as long as ordered if that is shorter. So the fleet stays within its budget at
/// today's prices even if everything that could end it is gone.
///
/// # Errors
/// [`OverBudget`] if that is shorter than agents are needed.
pub fn forecast(order: &Order, lots: &[Lot]) -> Result<Forecast, OverBudget> {
    let agents = lots.iter().map(Lot::agents).sum();
    let all = |price| lots.iter().map(|lot| hourly(lot, order.vcpus, price)).sum::<UsdPerHour>() + order.beside;
    let (hourly, dearest) = (all(average), all(dearest));
    let need = order.duration + SPARE;
    let ttl = match order.budget {
        None => order.ttl,
        Some(budget) => {
            let affordable = budget.lasts(dearest).saturating_sub(AROUND);
            if affordable < need {
                let needed = dearest.over(need + AROUND);
                return Err(OverBudget { agents, budget, needed, need });
            }
            order.ttl.min(affordable)
        }
    };
    let ttl = Duration::from_secs(ttl.as_secs() / MINUTE * MINUTE);
    Ok(Forecast {
        rows: rows(lots, order.vcpus),
        agents,
        short: 0,
        beside: order.beside,
        hourly,
        expected: hourly.over(order.duration),
        at_most: dearest.over(ttl + AROUND),
        ttl,
    })
}

fn hourly(lot: &Lot, vcpus: u32, spot: fn(&[Pool]) -> UsdPerHour) -> UsdPerHour {
    let of_spot = (spot(&lot.pools) + extras()) * f64::from(lot.spot);
    of_spot + (on_demand(vcpus) + extras()) * f64::from(lot.on_demand)
}

fn average(pools: &[Pool]) -> UsdPerHour {
    let sum: UsdPerHour = pools.iter().map(|pool| pool.price).sum();
    sum * (1.0 / pools.len().max(1) as f64)
}

fn dearest(pools: &[Pool]) -> UsdPerHour {
    pools.iter().map(|pool| pool.price).fold(UsdPerHour::default(), UsdPerHour::max)
}

fn rows(lots: &[Lot], vcpus: u32) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for lot in lots {
        let of_lot = Row {
            region: lot.region.clone(),
            agents: lot.agents(),
            machines: lot.pools.iter().map(|pool| pool.machine.name.clone()).collect(),
            pools: lot.pools.len(),
            hourly: hourly(lot, vcpus, average),
        };
        match rows.iter_mut().find(|row| row.region == lot.region) {
            None => rows.push(of_lot),
            Some(row) => {
                row.agents += of_lot.agents;
                row.machines.extend(of_lot.machines);
                row.pools += of_lot.pools;
                row.hourly = row.hourly + of_lot.hourly;
            }
        }
    }
    rows
}

impl fmt::Display for Forecast {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Row { region, agents, machines, pools, hourly } in &self.rows {
            let machines: Vec<&str> = machines.iter().map(String::as_str).collect();
            let hourly = hourly.to_string();
            let noun = if *agents == 1 { "agent" } else { "agents" };
            writeln!(out, "{region:<16} {agents:>5} {noun:<6} {hourly:>11}  {pools} pools of {}", machines.join(" "))?;
        }
        if self.beside > UsdPerHour::default() {
            writeln!(out, "{:<16} {:>5} {:<6} {:>11}  at most, on demand", "relay", "", "", self.beside.to_string())?;
        }
        let (agents, hourly) = (self.agents, self.hourly.to_string());
        let noun = if agents == 1 { "agent" } else { "agents" };
        writeln!(out, "{:<16} {agents:>5} {noun:<6} {hourly:>11}  {} expected", "in all", self.expected)?;
        if self.short > 0 {
            writeln!(out, "no room for {} more: raise quotas, or allow more regions or a higher price", self.short)?;
        }
        let minutes = self.ttl.as_secs() / MINUTE;
        writeln!(
            out,
            "instances end themselves {minutes} min after they boot: at most {} at today's prices",
            self.at_most
        )?;
        write!(
            out,
            "included: instances, public addresses ({ADDRESS} each), volumes of {VOLUME_GB} GB; \
             not included: traffic (what agents send costs 0.05 to 0.15 $ per GB; what the target answers, the target \
             pays), logs, taxes, anything of the target"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::tests::pool_at;
    use crate::order::tests::usual;

    fn lot(region: &str, spot: u32, on_demand: u32) -> Lot {
        let pools = vec![pool_at("c6g.large a", 0.02), pool_at("c7g.large b", 0.04)];
        Lot { region: region.into(), number: 0, pools, spot, on_demand }
    }

    fn is_close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-9, "{left} is not {right}");
    }

    #[test]
    fn a_forecast_adds_up() {
        let lots = [lot("a", 3, 1), lot("b", 4, 0), lot("b", 2, 0)];
        let forecast = forecast(&usual(), &lots).unwrap();
        // Ten addresses and volumes, nine instances at the average of 0.02 and 0.04, one on demand for two vCPUs.
        let volume = 0.16 * 8.0 / 730.0;
        let hourly = 10.0 * (0.005 + volume) + 9.0 * 0.03 + 0.2;
        is_close(forecast.hourly.0, hourly);
        is_close(forecast.expected.0, hourly);
        is_close(forecast.rows.iter().map(|row| row.hourly.0).sum(), hourly);
        let at_most = (10.0 * (0.005 + volume) + 9.0 * 0.04 + 0.2) * 125.0 / 60.0;
        is_close(forecast.at_most.0, at_most);
        assert_eq!(forecast.rows.iter().map(|row| (row.agents, row.pools)).collect::<Vec<_>>(), [(4, 2), (6, 4)]);
        let text = forecast.to_string();
        assert!(text.contains("120 min") && text.contains("not included: traffic"), "{text}");
        println!("{text}");
    }

    #[test]
    fn a_budget_shortens_lives_but_not_below_what_is_needed() {
        let lots = [lot("a", 10, 0)];
        let with = |budget: f64| forecast(&Order { budget: Some(Usd(budget)), ..usual() }, &lots);
        let hour = (0.04 + extras().0) * 10.0;
        assert_eq!(with(hour * 10.0).unwrap().ttl, usual().ttl, "there is enough");
        let short = with(hour * 1.5).unwrap();
        assert_eq!(short.ttl, Duration::from_secs(85 * 60), "one and a half hours less five minutes");
        assert!(short.at_most.0 <= hour * 1.5);
        // 60 min, 10 to spare, 5 around: it takes 75.
        let refused = with(hour * 74.0 / 60.0).unwrap_err();
        assert!(refused.to_string().contains("for 70 min they may cost"), "{refused}");
        is_close(refused.needed.0, hour * 75.0 / 60.0);
        assert!(with(refused.needed.0 + 0.001).is_ok(), "what it says is enough");
    }

    #[test]
    fn ceilings_follow_prices_and_limits() {
        let pool = pool_at("c6g.large a", 0.02);
        is_close(ceiling(&pool, None).0, 0.03);
        is_close(ceiling(&pool, Some(UsdPerHour(0.025))).0, 0.025);
    }
}
