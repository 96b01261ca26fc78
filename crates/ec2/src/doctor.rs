//! Finds beforehand what would make a launch fail, or fall short: all regions at once, by dry runs and looks that
//! change and cost nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::cloud::{Access, Action, Cloud, CloudError, Instance, Purchase};
use crate::market::Market;
use crate::names::Region;
use crate::order::Order;
use crate::patience::patiently;
use crate::spread::{Lot, spread};
use crate::survey::{explained, survey};
use crate::tags::{Scope, is_expired};

const WITHIN: Duration = Duration::from_secs(60);

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Good to know.
    Note,
    /// Fewer agents, or in fewer regions, than could be.
    Limits,
    /// Nothing can be launched there, or anywhere.
    Blocks,
}

/// Something that a launch would meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where; none if everywhere.
    pub region: Option<Region>,
    /// How bad it is.
    pub weight: Weight,
    /// What it is, and what to do about it.
    pub text: String,
}

/// What an examination found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Examination {
    /// All findings, the worst first.
    pub findings: Vec<Finding>,
    /// How many of the order's agents there is room for, as far as is known.
    pub room: u32,
}

impl Examination {
    /// Whether a launch would give at least the agents that are a must.
    #[must_use]
    pub fn is_fit(&self, order: &Order) -> bool {
        self.room >= order.min_agents
    }
}

/// Examines an account for an order.
///
/// # Errors
/// If it cannot be known which regions there are: then nothing works at all.
pub async fn examine(cloud: &dyn Cloud, order: &Order, now_unix: u64) -> Result<Examination, CloudError> {
    let mut market = survey(cloud, order, &|_| ()).await?;
    let mut findings: Vec<Finding> =
        market.unusable.iter().map(|(region, why)| finding(Some(region), Weight::Blocks, why.clone())).collect();
    let ours = ours(cloud).await?;
    let regions: Vec<Region> = market.offers.keys().cloned().collect();
    let tries = regions.iter().map(|at| dry_runs(cloud, at, ours.get(at)));
    for (region, refused) in regions.iter().zip(join_all(tries).await) {
        if !refused.is_empty() {
            market.offers.remove(region);
            findings.extend(refused.into_iter().map(|text| finding(Some(region), Weight::Blocks, text)));
        }
    }
    let lots = spread(order, &market);
    findings.extend(quotas(order, &market));
    findings.extend(on_demand_quotas(cloud, order, &lots).await);
    findings.extend(spot_role(cloud).await);
    findings.extend(expired(&ours, now_unix));
    findings.extend(ours.values().all(Vec::is_empty).then(untried));
    let present = u32::try_from(market.present_agents()).unwrap_or(u32::MAX);
    let room = lots.iter().map(Lot::agents).sum::<u32>().saturating_add(present);
    if room < order.agents {
        let weight = if room < order.min_agents { Weight::Blocks } else { Weight::Limits };
        let text = format!("there is room for {room} of {} agents; raise quotas, or allow more regions", order.agents);
        findings.push(finding(None, weight, text));
    }
    findings.sort_by(|a, b| b.weight.cmp(&a.weight).then_with(|| a.region.cmp(&b.region)));
    Ok(Examination { findings, room })
}

fn finding(region: Option<&Region>, weight: Weight, text: String) -> Finding {
    Finding { region: region.cloned(), weight, text }
}

/// Lists what is ours and alive in each region that answers; those that do not are told as unusable.
async fn ours(cloud: &dyn Cloud) -> Result<BTreeMap<Region, Vec<Instance>>, CloudError> {
    let until = Instant::now() + WITHIN;
    let filter = &Scope::All.filter();
    let regions = patiently(until, || cloud.regions(), |_, _| ()).await?;
    let enabled = regions.into_iter().filter(|(_, access)| *access == Access::Enabled);
    let looks = enabled.map(|(at, _)| async move {
        let mut listed = patiently(until, || cloud.instances(&at, filter), |_, _| ()).await.ok()?;
        listed.retain(|instance| instance.state.is_alive());
        Some((at, listed))
    });
    Ok(join_all(looks).await.into_iter().flatten().collect())
}

/// Asks for everything that a launch does, and for ending one of ours if there is one. Gives what was refused; the
/// same refusal of several actions is told once.
async fn dry_runs(cloud: &dyn Cloud, at: &Region, ours: Option<&Vec<Instance>>) -> Vec<String> {
    let until = Instant::now() + WITHIN;
    let ending = ours.and_then(|ours| ours.first()).map(|one| Action::Terminate(one.id.clone()));
    let actions: Vec<Action> = Action::OF_A_LAUNCH.into_iter().chain(ending).collect();
    let answers = join_all(actions.iter().map(|action| patiently(until, || cloud.may(at, action), |_, _| ()))).await;
    let mut refused: BTreeMap<String, (Vec<&str>, CloudError)> = BTreeMap::new();
    for (action, answer) in actions.iter().zip(answers) {
        if let Err(error) = answer {
            refused.entry(error.code.clone()).or_insert((Vec::new(), error)).0.push(action.name());
        }
    }
    refused.into_values().map(|(actions, error)| format!("{}: {}", actions.join(", "), explained(&error, at))).collect()
}

/// A right that is needed as soon as anything runs, and cannot be tried before.
fn untried() -> Finding {
    let text = "whether instances may be ended cannot be tried while there are none: see that TerminateInstances is \
                allowed, as in the policy of `coordinator fleet doctor`";
    finding(None, Weight::Note, text.to_owned())
}

/// Quotas below an even share of the agents.
fn quotas(order: &Order, market: &Market) -> Vec<Finding> {
    let regions = u32::try_from(market.offers.len().max(1)).unwrap_or(u32::MAX);
    let share = order.agents.div_ceil(regions) * order.vcpus;
    let error = CloudError::of_code("MaxSpotInstanceCountExceeded", "the quota");
    let told = |region: &Region, weight, text: String| {
        let advice = error.advice(region).unwrap_or_default();
        finding(Some(region), weight, format!("{text}; {advice}"))
    };
    market
        .offers
        .iter()
        .filter_map(|(region, offer)| match offer.spot_quota {
            None => {
                let text = "the quota of spot vCPUs is not known; in a new account it is 5 in each region".to_owned();
                Some(told(region, Weight::Note, text))
            }
            Some(quota) if quota < order.vcpus => {
                let text = format!("the quota of {quota} spot vCPUs is too small for one agent of {}", order.vcpus);
                Some(told(region, Weight::Blocks, text))
            }
            Some(quota) if quota < share => {
                let text = format!("the quota of {quota} spot vCPUs is less than this region's share of {share}");
                Some(told(region, Weight::Limits, text))
            }
            Some(_) => None,
        })
        .collect()
}

async fn on_demand_quotas(cloud: &dyn Cloud, order: &Order, lots: &[Lot]) -> Vec<Finding> {
    let until = Instant::now() + WITHIN;
    let wanted = lots.iter().filter(|lot| lot.on_demand > 0);
    let looks = wanted.map(|lot| async move {
        let quota = patiently(until, || cloud.quota(&lot.region, Purchase::OnDemand), |_, _| ()).await;
        let (quota, share) = (quota.ok().flatten()?, lot.on_demand * order.vcpus);
        let error = CloudError::of_code("VcpuLimitExceeded", "the quota");
        let advice = error.advice(&lot.region).unwrap_or_default();
        let text =
            format!("the quota of {quota} on-demand vCPUs is less than this region's share of {share}; {advice}");
        (quota < share).then(|| finding(Some(&lot.region), Weight::Limits, text))
    });
    join_all(looks).await.into_iter().flatten().collect()
}

async fn spot_role(cloud: &dyn Cloud) -> Option<Finding> {
    let error = CloudError::of_code("AuthFailure.ServiceLinkedRoleCreationNotPermitted", "there is no role");
    let advice = error.advice(&Region::from("us-east-1")).unwrap_or_default();
    match patiently(Instant::now() + WITHIN, || cloud.has_spot_role(), |_, _| ()).await {
        Ok(Some(true)) => None,
        Ok(Some(false)) => {
            let text = format!("the account has never used spot instances: there is no role for them yet; {advice}");
            Some(finding(None, Weight::Limits, text))
        }
        Ok(None) | Err(_) => {
            let text = "whether the role for spot instances exists cannot be told; look: aws iam get-role --role-name \
                        AWSServiceRoleForEC2Spot";
            Some(finding(None, Weight::Note, format!("{text}; if it does not, {advice}")))
        }
    }
}

/// Instances of any fleet of ours that should be gone.
fn expired(ours: &BTreeMap<Region, Vec<Instance>>, now_unix: u64) -> Vec<Finding> {
    let told = |(at, ours): (&Region, &Vec<Instance>)| {
        let expired = ours.iter().filter(|one| is_expired(&one.tags, now_unix)).count();
        let text = format!("{expired} instances should have ended and have not; run `coordinator fleet sweep`");
        (expired > 0).then(|| finding(Some(at), Weight::Limits, text))
    };
    ours.iter().filter_map(told).collect()
}
