//! What there is in the model, and what becomes of it as time passes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rehearsal_ec2::cloud::{Access, CloudError, FleetAnswer, Offering, Purchase};
use rehearsal_ec2::names::{GroupId, InstanceId, Region, RequestId, TemplateId};
use rehearsal_ec2::tags::Tags;

use super::Stop;

/// From the launch to the first command of the user data.
const BOOT: Duration = Duration::from_secs(60);
const HOUR: f64 = 3_600.0;
/// How often prices change, in seconds.
const PRICES_EVERY: u64 = 600;
/// What an instance costs beside its price in us-east-1: an address and 8 GB of gp3.
const BESIDE: f64 = 0.005 + 8.0 * 0.08 / 730.0;
/// What an instance on demand costs.
const ON_DEMAND: f64 = 0.0725;

/// How badly the cloud behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Habits {
    /// Calls of a hundred that are throttled.
    pub throttled: u64,
    /// Calls of a hundred that take up to 35 s.
    pub slow: u64,
    /// Answers of a hundred that get lost.
    pub lost: u64,
    /// Requests of a hundred that launch one instance too many.
    pub generous: u64,
    /// How long lists lag behind at most, in seconds.
    pub lag: u64,
    /// Whether prices change.
    pub restless: bool,
}

pub struct World {
    pub places: BTreeMap<Region, Place>,
    pub habits: Habits,
    pub calls: u64,
    pub stop: Option<(u64, Stop)>,
    now: Duration,
    random: u64,
    made: u64,
}

/// One region.
#[derive(Clone)]
pub struct Place {
    pub access: Access,
    /// Whether our credentials do not hold here any more.
    pub is_shut: bool,
    /// Without one there is no default network.
    pub zones: Vec<&'static str>,
    pub capacity: BTreeMap<Offering, u32>,
    pub prices: BTreeMap<Offering, f64>,
    /// In vCPUs.
    pub quota: u32,
    pub tells_quota: bool,
    /// Whether asking for it is always one question too many.
    pub throttles_quota: bool,
    /// What every request is answered.
    pub refuses: Option<&'static str>,
    /// Whether spot instances are taken back in the second in which they start.
    pub takes_back: bool,
    /// What a dry run is refused.
    pub denied: BTreeSet<&'static str>,
    pub group: Option<GroupId>,
    /// By the ports that they let in.
    pub open_groups: BTreeMap<BTreeSet<u16>, GroupId>,
    pub template: Option<TemplateId>,
    /// With the time from which lists show them.
    pub requests: BTreeMap<RequestId, (Tags, Duration)>,
    pub tokens: BTreeMap<String, FleetAnswer>,
    pub instances: Vec<Machine>,
}

/// An instance.
#[derive(Clone)]
pub struct Machine {
    pub id: InstanceId,
    pub of: Offering,
    pub purchase: Purchase,
    pub request: Option<RequestId>,
    pub tags: Tags,
    pub since: Duration,
    pub until: Option<Duration>,
    /// When lists begin to show what is true.
    pub lag: Duration,
    pub ttl: Duration,
    pub max_price: f64,
    pub cost: f64,
}

/// A pool such as `c7g.large a`.
pub fn offering(text: &str) -> Offering {
    let (machine, zone) = text.split_once(' ').unwrap();
    Offering { zone: zone.into(), machine: machine.into() }
}

impl Place {
    /// A region with four pools in two zones that each have so many instances, around a price in dollars.
    pub fn new(each: u32, price: f64) -> Place {
        let pools = ["c6g.large a", "c7g.large a", "c6g.large b", "c7g.large b"].map(offering);
        Place {
            access: Access::Enabled,
            is_shut: false,
            zones: vec!["a", "b"],
            capacity: pools.iter().map(|of| (of.clone(), each)).collect(),
            prices: pools.iter().enumerate().map(|(n, of)| (of.clone(), price * (1.0 + 0.1 * n as f64))).collect(),
            quota: 1_000,
            tells_quota: false,
            throttles_quota: false,
            refuses: None,
            takes_back: false,
            denied: BTreeSet::new(),
            group: None,
            open_groups: BTreeMap::new(),
            template: None,
            requests: BTreeMap::new(),
            tokens: BTreeMap::new(),
            instances: Vec::new(),
        }
    }

    pub fn alive(&self) -> impl Iterator<Item = &Machine> {
        self.instances.iter().filter(|machine| machine.until.is_none())
    }
}

impl World {
    pub fn new(places: impl IntoIterator<Item = (&'static str, Place)>, habits: Habits, seed: u64) -> World {
        let places = places.into_iter().map(|(name, place)| (Region::from(name), place)).collect();
        let (calls, made, now) = (0, 0, Duration::ZERO);
        World { places, habits, calls, stop: None, now, random: seed ^ 0x9E37_79B9_7F4A_7C15, made }
    }

    /// Everything that runs, in all regions.
    pub fn alive(&self) -> Vec<&Machine> {
        self.places.values().flat_map(Place::alive).collect()
    }

    /// What everything has cost so far, in dollars: exact, a minute at least for each.
    pub fn cost(&self) -> f64 {
        self.places.values().flat_map(|place| &place.instances).map(|machine| machine.cost).sum()
    }

    pub fn now(&self) -> Duration {
        self.now
    }

    /// A number below `n` (SplitMix64, which passes its tests and fits here).
    pub fn below(&mut self, n: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n.max(1)
    }

    pub fn happens(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn next_id(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}-{:08x}", self.made)
    }

    /// Counts a call: how long it travels, whether its answer gets lost, and whether it is the last one.
    pub fn begin_call(&mut self) -> (Duration, bool, Option<Stop>) {
        self.calls += 1;
        let slow = self.happens(self.habits.slow);
        let travel = if slow { 1_000 + self.below(34_000) } else { 50 + self.below(400) };
        let stop = self.stop.filter(|(call, _)| *call == self.calls).map(|(_, stop)| stop);
        let is_lost = self.happens(self.habits.lost);
        (Duration::from_millis(travel), is_lost, stop)
    }

    pub fn throttled(&mut self) -> Result<(), CloudError> {
        match self.happens(self.habits.throttled) {
            true => Err(CloudError::of_code("RequestLimitExceeded", "Request limit exceeded.")),
            false => Ok(()),
        }
    }

    pub fn place(&mut self, at: &Region) -> Result<&mut Place, CloudError> {
        let place = self.places.get_mut(at).filter(|place| place.access == Access::Enabled && !place.is_shut);
        place.ok_or_else(|| CloudError::of_code("AuthFailure", "not able to validate the provided access credentials"))
    }

    /// Lets time pass, from one event to the next: instances are paid, end themselves, and are taken back when prices,
    /// which change every ten minutes by up to a quarter, get too high.
    pub fn pass_to(&mut self, then: Duration) {
        while self.now < then {
            let ends = self.alive().into_iter().map(Machine::end_at).min();
            let change = Duration::from_secs((self.now.as_secs() / PRICES_EVERY + 1) * PRICES_EVERY);
            let next = then.min(change).min(ends.unwrap_or(then)).max(self.now);
            self.pay(next - self.now);
            self.now = next;
            if self.habits.restless && next == change {
                self.change_prices();
            }
            self.end_what_is_due();
        }
    }

    fn pay(&mut self, time: Duration) {
        for place in self.places.values_mut() {
            for machine in place.instances.iter_mut().filter(|machine| machine.until.is_none()) {
                machine.cost += (machine.price(&place.prices) + BESIDE) * time.as_secs_f64() / HOUR;
            }
        }
    }

    fn end_what_is_due(&mut self) {
        for place in self.places.values_mut() {
            for machine in &mut place.instances {
                let price = machine.price(&place.prices);
                let is_too_dear = machine.purchase == Purchase::Spot && price > machine.max_price;
                if is_too_dear || self.now >= machine.end_at() {
                    machine.end(self.now, price);
                }
            }
        }
    }

    fn change_prices(&mut self) {
        let pools: Vec<(Region, Offering)> = self
            .places
            .iter()
            .flat_map(|(region, place)| place.prices.keys().map(|of| (region.clone(), of.clone())))
            .collect();
        for (region, of) in pools {
            let factor = 0.75 + self.below(51) as f64 / 100.0;
            let prices = self.places.get_mut(&region).map(|place| &mut place.prices);
            if let Some(price) = prices.and_then(|prices| prices.get_mut(&of)) {
                *price *= factor;
            }
        }
    }
}

impl Machine {
    /// When its dead-man's switch goes off.
    fn end_at(&self) -> Duration {
        self.since + BOOT + self.ttl
    }

    pub fn price(&self, prices: &BTreeMap<Offering, f64>) -> f64 {
        match self.purchase {
            Purchase::Spot => prices.get(&self.of).copied().unwrap_or_default(),
            Purchase::OnDemand => ON_DEMAND,
        }
    }

    /// Ends, at once as far as the bill is concerned.
    pub fn end(&mut self, now: Duration, price: f64) {
        if self.until.is_none() {
            self.until = Some(now);
            let short = 60.0 - (now - self.since).as_secs_f64();
            self.cost += (price + BESIDE) * short.max(0.0) / HOUR;
        }
    }
}
