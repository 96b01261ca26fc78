//! The account: the world as it is set, and what was made in it so far.
//!
//! It answers one call after the other and reads no clock. What has to happen beyond its records, such as that a process
//! starts, it leaves behind as effects.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use rand::{Rng, RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rehearsal_fake_aws::Shape;
use serde_json::Value;

use crate::actions;
use crate::call::{Call, Fields};
use crate::faults::Bucket;
use crate::holdings::Holdings;
use crate::instance::{Instance, Reason, State};
use crate::log::Logged;
use crate::refusal::Refusal;
use crate::service::Service;
use crate::world::World;

/// Where numbers begin; those below belong to what nobody made, such as default groups.
const FIRST_NUMBER: u64 = 1_000;

/// How many calls are remembered.
const MOST_REMEMBERED: usize = 20_000;

/// What is to be done after a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// This instance starts.
    Start(String),
    /// The process of this instance ends, with a grace.
    End(String),
}

/// What happens with a call before it is carried out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Admission {
    /// How long it waits first.
    pub delay: Duration,
    /// What comes then.
    pub then: Then,
}

/// What comes of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Then {
    /// It is carried out and answered.
    Act,
    /// It is carried out, and then this is answered; nothing, if there is nothing.
    ActInVain(Option<Refusal>),
    /// It is refused.
    Refuse(Refusal),
    /// It is never answered.
    Silence,
}

/// The state of all regions.
pub(crate) struct Account {
    pub world: World,
    pub holdings: BTreeMap<String, Holdings>,
    pub calls: VecDeque<Logged>,
    pub effects: Vec<Effect>,
    /// What calls with a client token did, by region, action and token: with which fields, and the answer.
    tokens: BTreeMap<(String, String, String), (Value, Shape)>,
    buckets: BTreeMap<(String, String), Bucket>,
    random: Xoshiro256PlusPlus,
    started: u64,
}

impl Account {
    pub(crate) fn new(world: World) -> Account {
        let holdings = world.regions.keys().map(|region| (region.clone(), Holdings::default())).collect();
        let random = Xoshiro256PlusPlus::seed_from_u64(world.seed);
        Account {
            world,
            holdings,
            calls: VecDeque::new(),
            effects: Vec::new(),
            tokens: BTreeMap::new(),
            buckets: BTreeMap::new(),
            random,
            started: FIRST_NUMBER,
        }
    }

    /// Changes what can be chosen. What is there already stays.
    pub(crate) fn set(&mut self, world: World) {
        for region in world.regions.keys() {
            self.holdings.entry(region.clone()).or_default();
        }
        self.world = world;
    }

    /// A new id, such as `i-0123456789abcdef0`.
    pub(crate) fn id(&mut self, kind: &str) -> String {
        format!("{kind}-0{:016x}", self.random.next_u64())
    }

    /// A new number in the order of all that is started.
    pub(crate) fn number(&mut self) -> u64 {
        self.started += 1;
        self.started
    }

    /// Decides what happens with a call.
    pub(crate) fn admit(&mut self, call: &Call, now: SystemTime) -> Admission {
        let at_once = |then| Admission { delay: Duration::ZERO, then };
        if let Err(refusal) = self.authenticate(call) {
            return at_once(Then::Refuse(refusal));
        }
        if !self.is_let_in(call, now) {
            let refusal = Refusal::new(call.service.code("RequestLimitExceeded"), "Request limit exceeded.");
            return at_once(Then::Refuse(refusal));
        }
        let admission = self.strike(call);
        if admission.then == Then::Act && self.world.denied.contains(&call.action) {
            return Admission { then: Then::Refuse(self.denied(call)), ..admission };
        }
        admission
    }

    fn authenticate(&self, call: &Call) -> Result<(), Refusal> {
        let code = call.service.code("AuthFailure");
        let invalid = || Refusal::new(code, "AWS was not able to validate the provided access credentials");
        let keys = &self.world.access_keys;
        let is_known = keys.is_empty() || keys.contains(&call.access_key);
        // IAM is one for all regions; clients sign for one that need not be in this world.
        if call.service == Service::Iam {
            return if is_known { Ok(()) } else { Err(invalid()) };
        }
        let Some(region) = self.world.regions.get(&call.region) else {
            return Err(Refusal::unknown(&format!("the region {}", call.region)));
        };
        if region.is_enabled() && region.credentials && is_known { Ok(()) } else { Err(invalid()) }
    }

    fn is_let_in(&mut self, call: &Call, now: SystemTime) -> bool {
        let named = self.world.throttle.get_key_value(&call.action);
        let Some((name, throttle)) = named.or_else(|| self.world.throttle.get_key_value("*")) else { return true };
        let bucket = self.buckets.entry((call.region.clone(), name.clone()));
        bucket.or_insert_with(|| Bucket::full(*throttle, now)).take(*throttle, now)
    }

    /// Lets the first fault strike that is about such a call.
    fn strike(&mut self, call: &Call) -> Admission {
        for fault in &mut self.world.faults {
            if !fault.is_about(&call.action, &call.region) || !self.random.random_bool(fault.probability) {
                continue;
            }
            fault.times = fault.times.map(|times| times - 1);
            let refusal = fault.code.as_ref().map(|code| {
                let message = if fault.message.is_empty() { words(code) } else { &fault.message };
                let refusal = Refusal::new(code, message);
                Refusal { status: fault.status.unwrap_or(refusal.status), ..refusal }
            });
            let then = match refusal {
                refusal if fault.carried_out => Then::ActInVain(refusal),
                Some(refusal) => Then::Refuse(refusal),
                None if fault.silent => Then::Silence,
                None => Then::Act,
            };
            return Admission { delay: Duration::from_secs_f64(fault.delay), then };
        }
        Admission { delay: Duration::ZERO, then: Then::Act }
    }

    fn denied(&self, call: &Call) -> Refusal {
        let user = format!("arn:aws:iam::{}:user/rehearsal", self.world.account);
        let (service, action) = (call.service.name(), &call.action);
        let what = format!("perform: {service}:{action} because no identity-based policy allows it");
        let message = "You are not authorized to perform this operation.";
        Refusal::new(
            call.service.code("UnauthorizedOperation"),
            format!("{message} User: {user} is not authorized to {what}"),
        )
    }

    /// Carries a call out.
    pub(crate) fn act(&mut self, call: &Call, now: SystemTime) -> Result<Shape, Refusal> {
        if call.is_dry_run() {
            let message = "Request would have succeeded, but DryRun flag is set.";
            return Err(Refusal::new("DryRunOperation", message));
        }
        self.forget(now);
        let token = call.fields.text("ClientToken").filter(|token| !token.is_empty());
        let Some(token) = token else { return actions::perform(self, call, now) };
        let place = (call.region.clone(), call.action.clone(), token.to_owned());
        match self.tokens.get(&place) {
            Some((fields, answer)) if *fields == call.fields => Ok(answer.clone()),
            Some(_) => {
                let message =
                    "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).";
                Err(Refusal::new("IdempotentParameterMismatch", message))
            }
            None => {
                let answer = actions::perform(self, call, now)?;
                self.tokens.insert(place, (call.fields.clone(), answer.clone()));
                Ok(answer)
            }
        }
    }

    /// Writes down what came of a call.
    pub(crate) fn log(&mut self, logged: Logged) {
        if self.calls.len() == MOST_REMEMBERED {
            self.calls.pop_front();
        }
        self.calls.push_back(logged);
    }

    /// An instance by its id, wherever it is.
    pub(crate) fn instance(&self, id: &str) -> Option<&Instance> {
        self.holdings.values().find_map(|holdings| holdings.instances.get(id))
    }

    pub(crate) fn instance_mut(&mut self, id: &str) -> Option<&mut Instance> {
        self.holdings.values_mut().find_map(|holdings| holdings.instances.get_mut(id))
    }

    /// All instances that are not forgotten, in the order of their starts.
    pub(crate) fn instances(&self) -> Vec<&Instance> {
        let mut all: Vec<_> = self.holdings.values().flat_map(|holdings| holdings.instances.values()).collect();
        all.sort_by_key(|instance| instance.number);
        all
    }

    /// Ends an instance, if it has not ended.
    pub(crate) fn end(&mut self, id: &str, reason: Reason, now: SystemTime) {
        let Some(instance) = self.instance_mut(id) else { return };
        match instance.state() {
            State::Pending | State::Running | State::Stopping => {
                instance.turn(State::ShuttingDown, now);
                instance.reason.get_or_insert(reason);
                self.effects.push(Effect::End(id.to_owned()));
            }
            // Nothing runs in it.
            State::Stopped => instance.turn(State::Terminated, now),
            State::ShuttingDown | State::Terminated => {}
        }
    }

    /// Forgets what ended long ago.
    fn forget(&mut self, now: SystemTime) {
        let most = Duration::from_secs_f64(self.world.forget);
        let is_old = |instance: &Instance| {
            instance.terminated().is_some_and(|at| now.duration_since(at).is_ok_and(|passed| passed > most))
        };
        for holdings in self.holdings.values_mut() {
            holdings.instances.retain(|_, instance| !is_old(instance));
        }
    }
}

/// Amazon's words with codes that faults often have.
fn words(code: &str) -> &str {
    match code {
        "RequestLimitExceeded" => "Request limit exceeded.",
        "InternalError" => "An internal error has occurred",
        "AuthFailure" => "AWS was not able to validate the provided access credentials",
        "InsufficientInstanceCapacity" => "There is no capacity available that matches your request.",
        "MaxFleetCountExceeded" => "The maximum number of fleets has been reached.",
        _ => "the fake EC2 was told to answer so",
    }
}
