//! Asks all regions at once what they have, and puts the answers together.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::cloud::{Access, Cloud, CloudError, Instance, Purchase};
use crate::machines::{self, Machine};
use crate::market::{Market, Offer, Told, rank};
use crate::names::Region;
use crate::order::{Order, Regions};
use crate::patience::patiently;
use crate::progress::{Event, Tell, What};
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
            Access::Enabled => usable.push(region),
            Access::NotOptedIn => {
                let closed = CloudError::of_code("OptInRequired", "the account does not use the region");
                market.unusable.insert(region.clone(), explained(&closed, &region));
            }
        }
    }
    let looks = usable
        .iter()
        .map(|at| async { (present(cloud, order, at, until).await, offer(cloud, order, at, &machines, until).await) });
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
        tell(Event { region: region.clone(), what: What::Surveyed { pools: offer.pools.len() } });
    }
    for (region, why) in &market.unusable {
        tell(Event { region: region.clone(), what: What::Unusable(why.clone()) });
    }
    Ok(market)
}

/// The regions that an order is for. One that does not exist was not opted in to either.
async fn chosen(cloud: &dyn Cloud, order: &Order, until: Instant) -> Result<Vec<(Region, Access)>, CloudError> {
    let all = patiently(until, || cloud.regions(), |_, _| ()).await?;
    Ok(match &order.regions {
        Regions::All => all.into_iter().filter(|(_, access)| *access == Access::Enabled).collect(),
        Regions::Only(regions) => {
            let access = |region: &Region| all.iter().find(|(name, _)| name == region).map(|(_, access)| *access);
            regions.iter().map(|region| (region.clone(), access(region).unwrap_or(Access::NotOptedIn))).collect()
        }
    })
}

/// Agents of the same fleet that are alive.
async fn present(cloud: &dyn Cloud, order: &Order, at: &Region, until: Instant) -> Result<Vec<Instance>, String> {
    let filter = Scope::Fleet(order.fleet.clone()).filter();
    let present = patiently(until, || cloud.instances(at, &filter), |_, _| ()).await;
    let mut present = present.map_err(|error| explained(&error, at))?;
    present.retain(|instance| instance.state.is_alive() && is_agent(&instance.tags));
    Ok(present)
}

async fn offer(
    cloud: &dyn Cloud,
    order: &Order,
    at: &Region,
    machines: &[Machine],
    until: Instant,
) -> Result<Offer, String> {
    let failed = |error: CloudError| explained(&error, at);
    let given = order.subnets.get(at).map_or(&[][..], Vec::as_slice);
    let subnets = patiently(until, || cloud.subnets(at, given), |_, _| ()).await.map_err(failed)?;
    let no_network = CloudError::of_code("VPCIdNotSpecified", "there is no default network");
    let vpc = subnets.first().ok_or_else(|| failed(no_network))?.vpc.clone();
    let offerings = patiently(until, || cloud.offerings(at, machines), |_, _| ()).await.map_err(failed)?;
    let prices = patiently(until, || cloud.prices(at, machines), |_, _| ()).await.map_err(failed)?;
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

/// An error with what to do about it.
pub(crate) fn explained(error: &CloudError, region: &Region) -> String {
    match error.advice(region) {
        Some(advice) => format!("{error}; {advice}"),
        None => error.to_string(),
    }
}
