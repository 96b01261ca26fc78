//! Launching: all regions at once, partial success as the normal case, a second round for what is missing, and an
//! orderly end if too little comes of it.
//!
//! The future may be dropped at any point, and the process may be killed. Then nobody knows here what was launched, but
//! everything that was is tagged, ends by itself, and is found by [`sweep`](crate::sweep).

mod muster;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::cloud::{Cloud, CloudError, FleetAnswer, Refusal};
use crate::market::Market;
use crate::names::{InstanceId, Region, TemplateId};
use crate::order::Order;
use crate::patience::patiently;
use crate::plan::Plan;
use crate::progress::{Event, Tell, What, waiting};
use crate::request::{Turn, request, skeleton};
use crate::spread::{Lot, again};
use crate::survey::explained;
use crate::sweep::sweep;
use crate::tags::Scope;

use muster::Muster;
pub use muster::{Agent, cost};

/// Moving on once is worth it: who was not asked yet may have what others lack. After that waiting is all that is left.
const ROUNDS: u32 = 2;
/// How long a round may take. `CreateFleet` answers within tens of seconds; the rest is patience with throttling.
const ROUND_WITHIN: Duration = Duration::from_secs(90);
/// How long the last look and the ending of a surplus may take.
const MUSTER_WITHIN: Duration = Duration::from_secs(60);
/// Beyond the TTL, which counts from the boot, and the launch itself.
pub(crate) const EXPIRES_AFTER: Duration = Duration::from_secs(10 * 60);

/// A fleet that was launched.
#[derive(Clone, Debug, PartialEq)]
pub struct Fleet {
    /// Its agents' instances.
    pub agents: BTreeMap<InstanceId, Agent>,
    /// How many fewer than ordered.
    pub missing: u32,
    /// What regions said that gave less than they were asked for, with what to do about it.
    pub reasons: BTreeMap<Region, String>,
    /// When the last of them must be gone, in seconds since the Unix epoch.
    pub expires_unix: u64,
}

/// Why there is no fleet. What was launched of it was ended.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "launching the fleet: {launched} of {agents} agents came, and {min_agents} are a must{}{}",
    reasons.iter().map(|(region, why)| format!("\n  {region}: {why}")).collect::<String>(),
    left.iter().map(|left| format!("\n  may be left, run `coordinator fleet sweep`: {left}")).collect::<String>()
)]
pub struct NotLaunched {
    /// How many were ordered.
    pub agents: u32,
    /// How many are a must.
    pub min_agents: u32,
    /// How many there were.
    pub launched: u32,
    /// What regions said.
    pub reasons: BTreeMap<Region, String>,
    /// What could not be ended for certain.
    pub left: Vec<String>,
}

/// Launches what was planned. `now` is the caller's clock.
///
/// Who launches the same order again after a crash first looks at the market again: what runs already is in it, and
/// only the rest is asked for.
///
/// # Errors
/// [`NotLaunched`] with fewer agents than are a must.
pub async fn launch(
    cloud: &dyn Cloud,
    order: &Order,
    market: &Market,
    plan: &Plan,
    now: SystemTime,
    tell: Tell<'_>,
) -> Result<Fleet, NotLaunched> {
    let expires = now + plan.forecast.ttl + EXPIRES_AFTER;
    let expires_unix = expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let launch = Launch { cloud, order, market, plan, expires_unix, tell };
    let mut muster = Muster::new(order, market, now);
    let mut lots = plan.lots.clone();
    for round in 1..=ROUNDS {
        muster.take(launch.round(round, lots).await);
        lots = again(order, market, muster.outcomes(), muster.missing());
        if lots.is_empty() {
            break;
        }
    }
    let until = Instant::now() + MUSTER_WITHIN;
    muster.call(cloud, until, tell).await;
    muster.end_surplus(cloud, until, tell).await;
    let fleet = muster.into_fleet(expires_unix);
    match u32::try_from(fleet.agents.len()).unwrap_or(u32::MAX) {
        launched if launched < order.min_agents => Err(launch.give_up(launched, fleet.reasons).await),
        _ => Ok(fleet),
    }
}

struct Launch<'a> {
    cloud: &'a dyn Cloud,
    order: &'a Order,
    market: &'a Market,
    plan: &'a Plan,
    expires_unix: u64,
    tell: Tell<'a>,
}

/// What came of one lot.
struct Placed {
    lot: Lot,
    answer: FleetAnswer,
}

impl Placed {
    /// The region as a whole refused, or was silent.
    fn refused(lot: Lot, error: CloudError) -> Placed {
        let refusals = vec![Refusal { of: None, error }];
        Placed { lot, answer: FleetAnswer { refusals, ..FleetAnswer::default() } }
    }
}

impl Launch<'_> {
    /// Asks all regions for their lots at once; the slowest ends the round, and the time limit the slowest.
    async fn round(&self, round: u32, lots: Vec<Lot>) -> Vec<Placed> {
        let until = Instant::now() + ROUND_WITHIN;
        let mut regions: BTreeMap<Region, Vec<Lot>> = BTreeMap::new();
        for lot in lots {
            regions.entry(lot.region.clone()).or_default().push(lot);
        }
        let regions = regions.into_iter().map(|(region, lots)| self.region(region, round, lots, until));
        join_all(regions).await.into_iter().flatten().collect()
    }

    async fn region(&self, at: Region, round: u32, lots: Vec<Lot>, until: Instant) -> Vec<Placed> {
        let agents = lots.iter().map(Lot::agents).sum();
        self.tell(&at, What::Asked { round, agents });
        let placed = match self.template(&at, until).await {
            Err(error) => lots.into_iter().map(|lot| Placed::refused(lot, error.clone())).collect(),
            Ok(template) => join_all(lots.into_iter().map(|lot| self.place(&at, round, lot, &template, until))).await,
        };
        let launched = placed.iter().map(|placed| placed.answer.launched.len()).sum::<usize>();
        let launched = u32::try_from(launched).unwrap_or(u32::MAX);
        let because = (launched < agents).then(|| reason(&at, &placed)).flatten();
        self.tell(&at, What::Got { round, agents: launched, because });
        placed
    }

    /// Finds or makes what all instances of a region start from.
    async fn template(&self, at: &Region, until: Instant) -> Result<TemplateId, CloudError> {
        let unknown = || CloudError::of_code("InvalidParameter", "the region is not of the market");
        let vpc = &self.market.offers.get(at).ok_or_else(unknown)?.vpc;
        let group = patiently(until, || self.cloud.ensure_group(at, vpc), waiting(self.tell, at)).await?;
        let skeleton = skeleton(&group);
        patiently(until, || self.cloud.ensure_template(at, &skeleton), waiting(self.tell, at)).await
    }

    async fn place(&self, at: &Region, round: u32, lot: Lot, template: &TemplateId, until: Instant) -> Placed {
        let turn = Turn { round, expires_unix: self.expires_unix };
        let request = request(self.order, &lot, template, &self.plan.user_data, turn);
        match patiently(until, || self.cloud.create_fleet(at, &request), waiting(self.tell, at)).await {
            Ok(answer) => Placed { lot, answer },
            Err(error) => Placed::refused(lot, error),
        }
    }

    async fn give_up(&self, launched: u32, reasons: BTreeMap<Region, String>) -> NotLaunched {
        let Order { agents, min_agents, ref fleet, .. } = *self.order;
        // It takes a while.
        self.market.offers.keys().for_each(|at| self.tell(at, What::Searching));
        let left = match sweep(self.cloud, &Scope::Fleet(fleet.clone()), self.tell).await {
            Ok(swept) => swept.left.into_iter().map(|(region, why)| format!("{region}: {why}")).collect(),
            Err(error) => vec![format!("everywhere: {error}")],
        };
        NotLaunched { agents, min_agents, launched, reasons, left }
    }

    fn tell(&self, at: &Region, what: What) {
        (self.tell)(Event { region: at.clone(), what });
    }
}

/// Why a region gave less than it was asked for: what it said as a whole, else what most of its pools said.
fn reason(at: &Region, placed: &[Placed]) -> Option<String> {
    let refusals = || placed.iter().flat_map(|placed| &placed.answer.refusals);
    let of_region = refusals().find(|refusal| refusal.of.is_none());
    let mut codes: BTreeMap<&str, (usize, &CloudError)> = BTreeMap::new();
    for Refusal { error, .. } in refusals() {
        codes.entry(&error.code).or_insert((0, error)).0 += 1;
    }
    let most = codes.into_values().max_by_key(|(count, _)| *count).map(|(_, error)| error);
    of_region.map(|refusal| &refusal.error).or(most).map(|error| explained(error, at))
}
