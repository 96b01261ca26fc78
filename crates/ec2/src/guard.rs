//! Looks again and again what of a fleet runs and what it costs now, and feeds the [`meter`](crate::meter).
//!
//! What runs is what the cloud lists under the fleet's tag, not what we believe to have launched: a request that came
//! through late, a surplus, a replacement that somebody else ordered for the same fleet are all paid.

use std::collections::BTreeMap;
use std::time::SystemTime;

use futures_util::future::join_all;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::cloud::{Cloud, CloudError, Offering, Purchase, State};
use crate::launch::{Fleet, cost};
use crate::machines::{self, Machine};
use crate::market::Market;
use crate::meter::{Cost, Due, LOOK_EVERY, LOOK_WITHIN, Look, Meter, TEAR_DOWN};
use crate::money::UsdPerHour;
use crate::names::Region;
use crate::order::Order;
use crate::progress::Tell;
use crate::sweep::{self, Swept};
use crate::tags::{Scope, Tags, is_agent};

/// Who looks, and at what.
pub struct Guard<'a> {
    cloud: &'a dyn Cloud,
    order: &'a Order,
    market: &'a Market,
    filter: Tags,
    machines: Vec<Machine>,
}

impl<'a> Guard<'a> {
    /// Guards the fleet of an order that was launched on a market.
    #[must_use]
    pub fn new(cloud: &'a dyn Cloud, order: &'a Order, market: &'a Market) -> Guard<'a> {
        let filter = Scope::Fleet(order.fleet.clone()).filter();
        let machines = machines::of_size(order.vcpus, &order.arches());
        Guard { cloud, order, market, filter, machines }
    }

    /// Begins a meter with what was just launched.
    #[must_use]
    pub fn meter(&self, fleet: &Fleet, now: SystemTime) -> Meter {
        let mut meter = Meter::new(self.order.budget);
        meter.launched_all(fleet, now);
        meter
    }

    /// Looks every [`LOOK_EVERY`] and tells what becomes due; returns when tearing down is. The caller
    /// [tears down](Guard::tear_down) then, at once. Without a budget it looks for ever.
    pub async fn watch(
        &self,
        meter: &mut Meter,
        clock: &(dyn Fn() -> SystemTime + Send + Sync),
        on: &(dyn Fn(Due) + Send + Sync),
    ) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let look = self.look().await;
            if let Some(due) = meter.step(clock(), &look) {
                on(due);
                if due == Due::TearDown {
                    return;
                }
            }
        }
    }

    /// Ends the fleet: first, at once, all instances that the meter believes to run; then whatever else there is.
    ///
    /// # Errors
    /// Those of [`sweep`].
    pub async fn tear_down(&self, meter: &Meter, tell: Tell<'_>) -> Result<Swept, CloudError> {
        let until = Instant::now() + TEAR_DOWN;
        let known = meter.running();
        // What fails here the sweep does again.
        join_all(known.iter().map(|(at, instances)| sweep::end(self.cloud, at, instances, until, tell))).await;
        sweep::sweep(self.cloud, &Scope::Fleet(self.order.fleet.clone()), tell).await
    }

    /// Looks once at all regions where something may run, also where nothing more is to be had.
    pub async fn look(&self) -> Look {
        let regions = || self.market.enabled.iter();
        let seen = join_all(regions().map(|at| timeout(LOOK_WITHIN, self.region(at)))).await;
        let mut look = Look::default();
        for (at, seen) in regions().zip(seen) {
            match seen {
                Ok(Ok(Look { running, agents, ended, .. })) => {
                    look.running.extend(running);
                    look.agents.extend(agents);
                    look.ended.extend(ended);
                }
                // The meter charges the worst for what is not seen.
                Ok(Err(_)) | Err(_) => {
                    look.blind.insert(at.clone());
                }
            }
        }
        look
    }

    async fn region(&self, at: &Region) -> Result<Look, CloudError> {
        let instances = self.cloud.instances(at, &self.filter).await?;
        let is_over = |state| matches!(state, State::Terminated | State::Stopped);
        let ended = instances.iter().filter(|one| is_over(one.state) && is_agent(&one.tags));
        let ended = ended.map(|one| one.id.clone()).collect();
        let alive: Vec<_> = instances.into_iter().filter(|instance| instance.state.is_alive()).collect();
        let mut look = Look { ended, ..Look::default() };
        if alive.is_empty() {
            return Ok(look);
        }
        let prices = self.cloud.prices(at, &self.machines).await?;
        let prices: BTreeMap<Offering, UsdPerHour> = prices.into_iter().map(|price| (price.of, price.usd)).collect();
        for instance in alive {
            let (known, ceiling) = cost(self.order, self.market, at, &instance.of, instance.purchase);
            let is_spot = instance.purchase == Purchase::Spot;
            let price = prices.get(&instance.of).copied().filter(|_| is_spot).unwrap_or(known);
            // Amazon takes an instance back above its ceiling, but not in the same second.
            let ceiling = ceiling.max(price);
            let cost = Cost { region: at.clone(), since: instance.since, price, ceiling };
            if is_agent(&instance.tags) {
                look.agents.insert(instance.id.clone(), instance.address);
            }
            look.running.insert(instance.id, cost);
        }
        Ok(look)
    }
}
