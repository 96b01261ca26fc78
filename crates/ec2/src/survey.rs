//! Asks all regions at once what they have, and puts the answers together.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::cloud::{Access, Answer, Cloud, CloudError, Instance, Purchase};
use crate::machines::{self, Machine};
use crate::market::{Market, Offer, Told, rank};
use crate::names::Region;
use crate::order::{Order, Regions};
use crate::patience::patiently;
use crate::progress::{Event, Tell, What, waiting};
use crate::tags::{Scope, is_agent};

/// How long the regions may take. One that does not answer within it is not used.
const WITHIN: Duration = Duration::from_secs(60);

/// How long a quota may take: it is good to know, and not needed.
const QUOTA_WITHIN: Duration = Duration::from_secs(10);

/// Looks at the market for an order. Nothing is changed anywhere.
///
/// # Errors
/// If it cannot be known which regions there are. A region that does not answer is not an error, but unusable.
pub async fn survey(cloud: &dyn Cloud, order: &Order, tell: Tell<'_>) -> Result<Market, CloudError> {
    let until = Instant::now() + WITHIN;
    let mut market = Market::default();
    let machines = machines::of_size(order.vcpus, &order.arches());
    let mut usable = Vec::new();
    for (region, access) in chosen(cloud, order, until).await? {
        match access {
            Some(Access::Enabled) => usable.push(region),
            None => {
                market.unusable.insert(region, "there is no region of this name".to_owned());
            }
            Some(Access::NotOptedIn) => {
                let closed = CloudError::of_code("OptInRequired", "the account does not use the region");
                market.unusable.insert(region.clone(), explained(&closed, &region));
            }
        }
    }
    let looks = usable.iter().map(|at| async {
        let asked = Asked { cloud, order, at, until, tell };
        (asked.present().await, asked.offer(&machines).await)
    });
    for (region, (present, offer)) in usable.iter().zip(join_all(looks).await) {
        // Who runs there is paid and counts, even if nothing more is to be had there.
        let present = present.map(|present| market.present.insert(region.clone(), present));
        match present.and(offer) {
            Ok(offer) => {
                market.offers.insert(region.clone(), offer);
            }
            Err(why) => {
                market.unusable.insert(region.clone(), why);
            }
        }
    }
    market.enabled = usable;
    for (region, offer) in &market.offers {
        tell(Event {
            region: region.clone(),
            what: What::Surveyed { pools: offer.pools.len(), quota: offer.spot_quota },
        });
    }
    for (region, why) in &market.unusable {
        tell(Event { region: region.clone(), what: What::Unusable(why.clone()) });
    }
    Ok(market)
}

/// The regions that an order is for, and whether they can be used; none for one that does not exist.
async fn chosen(cloud: &dyn Cloud, order: &Order, until: Instant) -> Result<Vec<(Region, Option<Access>)>, CloudError> {
    let all = patiently(until, || cloud.regions(), |_, _| ()).await?;
    Ok(match &order.regions {
        Regions::All => {
            let enabled = all.into_iter().filter(|(_, access)| *access == Access::Enabled);
            enabled.map(|(region, access)| (region, Some(access))).collect()
        }
        Regions::Only(regions) => {
            let access = |region: &Region| all.iter().find(|(name, _)| name == region).map(|(_, access)| *access);
            regions.iter().map(|region| (region.clone(), access(region))).collect()
        }
    })
}

/// A region that is asked.
struct Asked<'a> {
    cloud: &'a dyn Cloud,
    order: &'a Order,
    at: &'a Region,
    until: Instant,
    tell: Tell<'a>,
}

impl Asked<'_> {
    /// Asks until there is an answer, and tells people when that takes patience.
    async fn answer<'b, T>(&self, call: impl FnMut() -> Answer<'b, T>) -> Result<T, String> {
        patiently(self.until, call, waiting(self.tell, self.at)).await.map_err(|error| explained(&error, self.at))
    }

    /// Agents of the same fleet that are alive.
    async fn present(&self) -> Result<Vec<Instance>, String> {
        let Asked { cloud, at, .. } = *self;
        let filter = Scope::Fleet(self.order.fleet.clone()).filter();
        let filter = &filter;
        let mut present = self.answer(|| cloud.instances(at, filter)).await?;
        present.retain(|instance| instance.state.is_alive() && is_agent(&instance.tags));
        Ok(present)
    }

    /// What is to be had, in pools.
    async fn offer(&self, machines: &[Machine]) -> Result<Offer, String> {
        let Asked { cloud, order, at, until, .. } = *self;
        let given = order.subnets.get(at).map_or(&[][..], Vec::as_slice);
        let subnets = self.answer(|| cloud.subnets(at, given)).await?;
        let no_network = || CloudError::of_code("VPCIdNotSpecified", "there is no default network");
        let vpc = subnets.first().ok_or_else(|| explained(&no_network(), at))?.vpc.clone();
        let offerings = self.answer(|| cloud.offerings(at, machines)).await?;
        let prices = self.answer(|| cloud.prices(at, machines)).await?;
        let told = Told { subnets: &subnets, offerings: &offerings, prices: &prices };
        let pools = rank(machines, &told, order.max_price);
        if pools.is_empty() {
            return Err(match order.max_price {
                Some(limit) => format!("no machine with {} vCPUs for {limit} or less", order.vcpus),
                None => format!("no machine with {} vCPUs is sold here", order.vcpus),
            });
        }
        // A quota that cannot be asked for is found when it is passed.
        let until = until.min(Instant::now() + QUOTA_WITHIN);
        let spot_quota = patiently(until, || cloud.quota(at, Purchase::Spot), |_, _| ()).await.unwrap_or(None);
        Ok(Offer { vpc, pools, spot_quota })
    }
}

/// An error with what to do about it.
pub(crate) fn explained(error: &CloudError, region: &Region) -> String {
    match error.advice(region) {
        Some(advice) => format!("{error}; {advice}"),
        None => error.to_string(),
    }
}
