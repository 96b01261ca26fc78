//! What somebody wants of a fleet, from environment and command line, as an order at Amazon.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rehearsal_ec2::money::{Usd, UsdPerHour};
use rehearsal_ec2::order::{LONGEST_TTL, Order, Regions};
use rehearsal_ec2::tags;
use rehearsal_ec2::user_data::Boot;
use rehearsal_plan::Ec2;
use serde::{Deserialize, Serialize};

use super::relay;
use crate::run::Gathering;

/// Virtual CPUs of an agent: two carry some ten thousand viewers, and the quota of a new account is five in each region.
pub(super) const VCPUS: u32 = 2;
/// How many agents of a hundred are a must: with fewer the rest would play more users than anybody planned for.
const MUSTS_PERCENT: u32 = 90;
/// How long instances live beyond the time that they are needed, unless somebody says otherwise.
const BEYOND: Duration = Duration::from_secs(30 * 60);

/// A fleet as somebody wants it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// How many agents.
    pub(crate) agents: u32,
    /// How long they are needed.
    pub(crate) lasts: Duration,
    /// They reach their coordinator by way of a relay, which costs, too.
    #[serde(default)]
    pub(crate) is_relayed: bool,
    /// All else.
    pub(crate) ec2: Ec2,
}

impl Wanted {
    /// With fewer agents the launch is given up, and no run starts.
    pub(crate) fn least(&self) -> u32 {
        let usual = (u64::from(self.agents) * u64::from(MUSTS_PERCENT) / 100).max(1);
        self.ec2.min.unwrap_or(u32::try_from(usual).unwrap_or(self.agents))
    }

    /// Virtual CPUs of an agent.
    pub(crate) fn vcpus(&self) -> u32 {
        self.ec2.vcpus.unwrap_or(VCPUS)
    }

    /// Agents that play, and those that wait for one to go.
    pub(crate) fn instances(&self) -> u32 {
        self.agents.saturating_add(self.ec2.spares.unwrap_or(0))
    }

    /// What a run waits for, of which so many instances may come.
    pub(crate) fn gathering(&self, instances: usize) -> Gathering {
        Gathering::instances(instances, self.agents as usize, self.least() as usize)
    }

    /// The order for a fleet of a name. What is wrong with it, [`Order::problems`] says.
    pub(crate) fn order(&self, fleet: &str, run: Option<&str>, boot: Boot) -> Order {
        let Ec2 { regions, max_price, budget, ttl, subnets, on_demand, .. } = &self.ec2;
        let named = |regions: &Vec<String>| regions.iter().map(|name| name.as_str().into()).collect::<BTreeSet<_>>();
        let subnets: BTreeMap<_, _> = subnets
            .iter()
            .map(|(region, ids)| (region.as_str().into(), ids.iter().map(|id| id.as_str().into()).collect()))
            .collect();
        Order {
            fleet: fleet.to_owned(),
            run: run.map(str::to_owned),
            owner: owner(),
            agents: self.instances(),
            min_agents: self.least(),
            vcpus: self.vcpus(),
            regions: regions.as_ref().map_or(Regions::All, |regions| Regions::Only(named(regions))),
            subnets,
            max_price: max_price.map(UsdPerHour),
            budget: budget.map(Usd),
            duration: self.lasts,
            ttl: ttl.unwrap_or((self.lasts + BEYOND).min(LONGEST_TTL.max(self.lasts))),
            on_demand_percent: on_demand.unwrap_or(0),
            beside: if self.is_relayed { relay::costs() } else { UsdPerHour::default() },
            boot,
        }
    }
}

/// Whom others ask about a fleet.
fn owner() -> String {
    let name = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    if name.is_empty() || !tags::is_value(&name) { "unknown".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_as_usual() {
        let boot = || Boot { join: "rhj1_x".into(), builds: Vec::new(), urls: Vec::new() };
        let wanted = |ec2: Ec2| Wanted { agents: 25, lasts: Duration::from_secs(3_600), is_relayed: false, ec2 };
        let usual = wanted(Ec2::default()).order("friday", None, boot());
        assert_eq!((usual.agents, usual.min_agents, usual.vcpus), (25, 22, 2));
        assert_eq!((usual.ttl.as_secs(), usual.regions == Regions::All), (5_400, true));
        let said = Ec2 {
            min: Some(3),
            spares: Some(2),
            regions: Some(vec!["eu-west-1".into()]),
            budget: Some(5.0),
            ..Ec2::default()
        };
        let order = wanted(said).order("friday", Some("run"), boot());
        assert_eq!((order.agents, order.min_agents, order.budget), (27, 3, Some(Usd(5.0))));
        assert_eq!(order.regions, Regions::Only(BTreeSet::from(["eu-west-1".into()])));
    }
}
