//! What is ordered, and what can be wrong with an order before anybody is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::machines::{self, Arch};
use crate::money::{Usd, UsdPerHour};
use crate::names::{Region, SubnetId};
use crate::tags;
use crate::user_data::Boot;

/// The longest life of an instance. Whoever rehearses longer launches again.
pub const LONGEST_TTL: Duration = Duration::from_secs(24 * 3_600);

/// A fleet as somebody wants it.
#[derive(Clone, Debug)]
pub struct Order {
    /// The fleet's name, by which it is found again. No two fleets of an account may share it.
    pub fleet: String,
    /// The run that it is launched for; none if it is to serve several.
    pub run: Option<String>,
    /// Who launches it, so that people who share an account know whom to ask.
    pub owner: String,
    /// How many agents, each on an instance of its own.
    pub agents: u32,
    /// With fewer the launch is given up, and what was launched is ended.
    pub min_agents: u32,
    /// Virtual CPUs of each agent; one of [`machines::sizes`].
    pub vcpus: u32,
    /// Where.
    pub regions: Regions,
    /// Subnets to use instead of the default network's, for accounts without one.
    pub subnets: BTreeMap<Region, Vec<SubnetId>>,
    /// What one agent's instance may cost at most, without address and volume.
    pub max_price: Option<UsdPerHour>,
    /// What the whole fleet may cost at most, from launch to end. Traffic is not counted: nobody knows it beforehand.
    pub budget: Option<Usd>,
    /// How long agents are needed, from launch on.
    pub duration: Duration,
    /// After how long, from its boot on, an instance ends itself whatever else happens. A budget may shorten it.
    pub ttl: Duration,
    /// How many of a hundred agents are not to be taken back by Amazon, at several times the price. From 0 to 100.
    pub on_demand_percent: u32,
    /// What runs beside the agents and for as long, such as a relay, costs at most this.
    pub beside: UsdPerHour,
    /// What the instances do when they boot.
    pub boot: Boot,
}

/// Where to launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Regions {
    /// In every region that the account has enabled.
    All,
    /// In these.
    Only(BTreeSet<Region>),
}

/// What is wrong with an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Nobody is to be launched, or fewer than none missing.
    #[error(
        "ordering {agents} agents of which {min_agents} are a must: give at least one, and no more musts than agents"
    )]
    Agents {
        /// How many are wanted.
        agents: u32,
        /// How many are a must.
        min_agents: u32,
    },
    /// There are no such machines.
    #[error("ordering agents with {0} vCPUs: machines have {sizes:?}", sizes = machines::sizes())]
    Size(u32),
    /// A text cannot be a tag.
    #[error("tagging with the {what} `{text}`: use at most {longest} letters, digits, spaces and + - = . _ : / @", longest = tags::LONGEST_VALUE)]
    Tag {
        /// Which text.
        what: &'static str,
        /// It.
        text: String,
    },
    /// The order is for no region.
    #[error("ordering agents in no region: name one, or leave out the list to use all")]
    Nowhere,
    /// Instances would end before their work does, or live for days.
    #[error(
        "giving instances {} s to live: it must be at least the {} s that they are needed, and at most 24 h",
        ttl.as_secs(),
        duration.as_secs_f64().ceil()
    )]
    Ttl {
        /// How long they would live.
        ttl: Duration,
        /// How long they are needed.
        duration: Duration,
    },
    /// A price or a budget that nothing can be had for.
    #[error("paying at most {0}: give more than nothing")]
    Price(String),
    /// More than all.
    #[error("ordering {0} % of the agents on demand: give 0 to 100")]
    Percent(u32),
}

impl Order {
    /// The processors for which there is an agent.
    #[must_use]
    pub fn arches(&self) -> BTreeSet<Arch> {
        self.boot.builds.iter().map(|build| build.arch).collect()
    }

    /// Finds everything that is wrong with the order.
    #[must_use]
    pub fn problems(&self) -> Vec<OrderError> {
        let mut problems = Vec::new();
        let mut complain_if = |is_wrong: bool, problem: OrderError| {
            if is_wrong {
                problems.push(problem);
            }
        };
        let (agents, min_agents) = (self.agents, self.min_agents);
        complain_if(agents == 0 || min_agents > agents, OrderError::Agents { agents, min_agents });
        complain_if(!machines::sizes().contains(&self.vcpus), OrderError::Size(self.vcpus));
        let texts = [("fleet", Some(&self.fleet)), ("run", self.run.as_ref()), ("owner", Some(&self.owner))];
        for (what, text) in texts.into_iter().filter_map(|(what, text)| Some((what, text?))) {
            complain_if(text.is_empty() || !tags::is_value(text), OrderError::Tag { what, text: text.clone() });
        }
        complain_if(self.regions == Regions::Only(BTreeSet::new()), OrderError::Nowhere);
        let (ttl, duration) = (self.ttl, self.duration);
        complain_if(ttl < duration || ttl > LONGEST_TTL, OrderError::Ttl { ttl, duration });
        let is_nothing = |amount: f64| amount.is_nan() || amount <= 0.0;
        if let Some(price) = self.max_price {
            complain_if(is_nothing(price.0), OrderError::Price(price.to_string()));
        }
        if let Some(budget) = self.budget {
            complain_if(is_nothing(budget.0), OrderError::Price(budget.to_string()));
        }
        complain_if(self.on_demand_percent > 100, OrderError::Percent(self.on_demand_percent));
        problems
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Ten agents for an hour.
    pub(crate) fn usual() -> Order {
        Order {
            fleet: "friday".into(),
            run: Some("run-7".into()),
            owner: "ann".into(),
            agents: 10,
            min_agents: 5,
            vcpus: 2,
            regions: Regions::All,
            subnets: BTreeMap::new(),
            max_price: None,
            budget: None,
            duration: Duration::from_secs(3_600),
            ttl: Duration::from_secs(2 * 3_600),
            on_demand_percent: 0,
            beside: UsdPerHour::default(),
            boot: crate::user_data::tests::usual(),
        }
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        assert_eq!(usual().problems(), []);
        let wrong = Order {
            fleet: "a\nb".into(),
            agents: 3,
            min_agents: 4,
            vcpus: 3,
            regions: Regions::Only(BTreeSet::new()),
            ttl: Duration::from_secs(60),
            max_price: Some(UsdPerHour(0.0)),
            budget: Some(Usd(f64::NAN)),
            on_demand_percent: 101,
            ..usual()
        };
        assert_eq!(wrong.problems().len(), 8, "{:?}", wrong.problems());
    }
}
