//! The running meter: what a fleet has cost so far, and when it has to end so that its budget is not passed.
//!
//! It reckons against itself wherever it does not know. Each instance is charged at the higher of the prices before and
//! after each interval, from its launch on, for a minute at least, and until the first look that shows it ended; while
//! its region cannot be looked at, at its ceiling.
//!
//! With the budget *b*, what was charged *s*, and the ceilings of all running instances together *c* in $/h, it is due
//!
//! - to **tear down** when *s* ≥ *b* − *c* · [`TEAR_DOWN`]: what comes after the word still has to be paid;
//! - to **drain** when *s* ≥ 0.9 *b*, or [`DRAIN`] before tearing down may be due;
//! - to **warn** when *s* ≥ 0.75 *b*, or five minutes before draining may be due.
//!
//! Stages go forward only, also when prices fall.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::forecast::{LEAST_TIME, extras};
use crate::launch::{Agent, Fleet};
use crate::money::{Usd, UsdPerHour};
use crate::names::{InstanceId, Region};

/// From one look to the next.
pub const LOOK_EVERY: Duration = Duration::from_secs(20);
/// How long a look may take.
pub const LOOK_WITHIN: Duration = Duration::from_secs(10);
/// How long instances may be paid for after the last look that allowed them: until the next look, that look, and the
/// calls that end them, made again if they are throttled.
pub const TEAR_DOWN: Duration = Duration::from_secs(20 + 10 + 90);
/// For users to leave in order, and the last numbers to arrive.
pub const DRAIN: Duration = Duration::from_secs(60);
const WARN: Duration = Duration::from_secs(5 * 60);
const DRAIN_AT: f64 = 0.9;
const WARN_AT: f64 = 0.75;
/// For how long an instance that was launched and is in no list yet is believed to run. Lists lag by seconds.
const UNLISTED: Duration = Duration::from_secs(10 * 60);

/// What an instance costs, without address and volume.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// Where it is.
    pub region: Region,
    /// When it was launched.
    pub since: SystemTime,
    /// The last known price.
    pub price: UsdPerHour,
    /// What it may become.
    pub ceiling: UsdPerHour,
}

/// What one look showed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// Instances that run, or are about to.
    pub running: BTreeMap<InstanceId, Cost>,
    /// Regions that did not answer.
    pub blind: BTreeSet<Region>,
    /// Those of them that are agents, and from which address each is seen to come, where that is known.
    pub agents: BTreeMap<InstanceId, Option<IpAddr>>,
    /// Agents that have ended, for as long as the cloud tells of them.
    pub ended: BTreeSet<InstanceId>,
}

/// What has to be done now, in the order in which it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// Tell people.
    Warn,
    /// Let users leave.
    Drain,
    /// End all instances at once.
    TearDown,
}

/// What a screen shows of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// What was charged so far.
    pub spent: Usd,
    /// What an hour costs at the last known prices.
    pub hourly: UsdPerHour,
    /// What may be spent, if that is limited.
    pub budget: Option<Usd>,
    /// How long the budget lasts at the last known prices before draining is due.
    pub lasts: Option<Duration>,
}

/// A fleet's meter.
#[derive(Clone, Debug)]
pub struct Meter {
    budget: Option<Usd>,
    spent: Usd,
    running: BTreeMap<InstanceId, Running>,
    /// Until when those that ended were charged: a list may show them once more.
    ended: BTreeMap<InstanceId, SystemTime>,
    /// Until when an earlier meter of the fleet charged.
    resumed: Option<SystemTime>,
    stage: Option<Due>,
}

#[derive(Clone, Debug)]
struct Running {
    cost: Cost,
    charged_to: SystemTime,
    was_listed: bool,
}

impl Meter {
    /// Begins with nothing spent; without a budget nothing is ever due.
    #[must_use]
    pub fn new(budget: Option<Usd>) -> Meter {
        let (running, ended) = (BTreeMap::new(), BTreeMap::new());
        Meter { budget, spent: Usd(0.0), running, ended, resumed: None, stage: None }
    }

    /// Goes on where an earlier meter of the fleet ended, which had charged `spent` up to `resumed`. What ran in
    /// between, unseen, is charged at its ceiling. Stages that were told are told once more.
    #[must_use]
    pub fn resume(budget: Option<Usd>, spent: Usd, resumed: SystemTime) -> Meter {
        Meter { spent, resumed: Some(resumed), ..Meter::new(budget) }
    }

    /// Takes in what was just launched, before any list shows it.
    pub fn launched(&mut self, now: SystemTime, id: InstanceId, cost: Cost) {
        self.begin(now, id, cost, false);
    }

    /// Takes in a whole fleet that was just launched.
    pub fn launched_all(&mut self, fleet: &Fleet, now: SystemTime) {
        for (id, agent) in &fleet.agents {
            let Agent { ref region, since, price, ceiling, .. } = *agent;
            self.launched(now, id.clone(), Cost { region: region.clone(), since, price, ceiling });
        }
    }

    /// Charges everything up to `now` and says what has become due, once.
    pub fn step(&mut self, now: SystemTime, look: &Look) -> Option<Due> {
        self.charge_known(now, look);
        for (id, cost) in &look.running {
            if !self.running.contains_key(id) {
                self.begin(now, id.clone(), cost.clone(), true);
            }
        }
        let due = self.due().filter(|due| self.stage.is_none_or(|stage| *due > stage));
        self.stage = due.or(self.stage);
        due
    }

    /// What a screen shows.
    #[must_use]
    pub fn reading(&self) -> Reading {
        let hourly = self.running.values().map(|one| one.cost.price + extras()).sum();
        let left = self.budget.map(|budget| Usd(self.limits(budget).1.0 - self.spent.0));
        Reading { spent: self.spent, hourly, budget: self.budget, lasts: left.map(|left| left.lasts(hourly)) }
    }

    /// What it comes to if everything that runs ends now.
    #[must_use]
    pub fn bill(&self, now: SystemTime) -> Usd {
        let still = |running: &Running| {
            let (until, rate) = (now.max(running.cost.since + LEAST_TIME), running.cost.price + extras());
            running.clone().charge(until, rate)
        };
        self.running.values().map(still).fold(self.spent, |sum, cost| sum + cost)
    }

    /// What is believed to run, in each region.
    #[must_use]
    pub fn running(&self) -> BTreeMap<Region, Vec<InstanceId>> {
        let mut regions: BTreeMap<Region, Vec<InstanceId>> = BTreeMap::new();
        for (id, running) in &self.running {
            regions.entry(running.cost.region.clone()).or_default().push(id.clone());
        }
        regions
    }

    fn begin(&mut self, now: SystemTime, id: InstanceId, cost: Cost, was_listed: bool) {
        // The cloud's clock may be ahead of ours.
        let since = cost.since.min(now);
        let charged_before = self.resumed.filter(|resumed| since < *resumed);
        let (charged_to, rate) = match self.ended.remove(&id).or(charged_before) {
            // Nobody saw at which price it ran meanwhile.
            Some(charged_to) => (charged_to, cost.ceiling),
            None => (since, cost.price),
        };
        let mut running = Running { cost, charged_to, was_listed };
        self.spent = self.spent + running.charge(now, rate + extras());
        self.running.insert(id, running);
    }

    fn charge_known(&mut self, now: SystemTime, look: &Look) {
        let mut gone = Vec::new();
        for (id, running) in &mut self.running {
            let seen = look.running.get(id);
            let is_blind = look.blind.contains(&running.cost.region);
            let dearest = match seen {
                Some(cost) => running.cost.price.max(cost.price),
                None if is_blind => running.cost.price.max(running.cost.ceiling),
                None => running.cost.price,
            };
            self.spent = self.spent + running.charge(now, dearest + extras());
            match seen {
                Some(cost) => {
                    running.cost = cost.clone();
                    running.was_listed = true;
                }
                None if is_blind => {}
                None if !running.was_listed && now < running.cost.since + UNLISTED => {}
                None => gone.push(id.clone()),
            }
        }
        for id in gone {
            if let Some(mut running) = self.running.remove(&id) {
                let least = running.cost.since + LEAST_TIME;
                let rate = running.cost.price + extras();
                self.spent = self.spent + running.charge(least, rate);
                self.ended.insert(id, running.charged_to);
            }
        }
    }

    fn due(&self) -> Option<Due> {
        let (tear_down, drain, warn) = self.limits(self.budget?);
        let stages = [(tear_down, Due::TearDown), (drain, Due::Drain), (warn, Due::Warn)];
        stages.into_iter().find(|(limit, _)| self.spent >= *limit).map(|(_, due)| due)
    }

    /// The sums at which tearing down, draining and warning are due.
    fn limits(&self, budget: Usd) -> (Usd, Usd, Usd) {
        let ceilings: UsdPerHour = self.running.values().map(|one| one.cost.ceiling + extras()).sum();
        let before = |sum: Usd, time: Duration| Usd(sum.0 - ceilings.over(time).0);
        let least = |a: Usd, b: Usd| Usd(a.0.min(b.0));
        let tear_down = before(budget, TEAR_DOWN);
        let drain = least(budget * DRAIN_AT, before(tear_down, DRAIN));
        (tear_down, drain, least(budget * WARN_AT, before(drain, WARN)))
    }
}

impl Running {
    fn charge(&mut self, now: SystemTime, rate: UsdPerHour) -> Usd {
        let time = now.duration_since(self.charged_to).unwrap_or_default();
        self.charged_to += time;
        rate.over(time)
    }
}

#[cfg(test)]
#[path = "meter/tests.rs"]
mod tests;
