//! Where calls, machines and people meet: the account behind a lock, and the lives of its instances.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rehearsal_fake_aws::Shape;
use tokio::sync::watch;

use crate::account::{Account, Effect};
use crate::call::Call;
use crate::instance::{Instance, Lifecycle, OnShutdown, Reason, State};
use crate::machine::{self, Order, Plan};
use crate::refusal::Refusal;
use crate::world::World;

/// Clones are the same desk.
#[derive(Clone)]
pub(crate) struct Desk {
    shared: Arc<Mutex<Shared>>,
    folder: Arc<Path>,
}

struct Shared {
    account: Account,
    /// How to reach the instances that have not ended.
    lives: BTreeMap<String, watch::Sender<Order>>,
    /// What can be told of their machines.
    machines: BTreeMap<String, Whereabouts>,
}

/// Where the machine of an instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// The process that leads its process group.
    pub pid: u32,
    /// The address of its metadata service.
    pub imds: String,
}

impl Desk {
    pub(crate) fn new(world: World, folder: PathBuf) -> Desk {
        let shared = Shared { account: Account::new(world), lives: BTreeMap::new(), machines: BTreeMap::new() };
        Desk { shared: Arc::new(Mutex::new(shared)), folder: folder.into() }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Whoever panicked while holding it left whole records behind.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the account, or changes it.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Account) -> T) -> T {
        look(&mut self.lock().account)
    }

    /// Where an instance keeps its files.
    pub(crate) fn folder(&self, id: &str) -> PathBuf {
        self.folder.join(id)
    }

    pub(crate) fn whereabouts(&self, id: &str) -> Option<Whereabouts> {
        self.lock().machines.get(id).cloned()
    }

    /// Carries a call out, with all that follows from it. Must be called within a tokio runtime.
    pub(crate) fn act(&self, call: &Call, now: SystemTime) -> Result<Shape, Refusal> {
        let mut shared = self.lock();
        let answer = shared.account.act(call, now);
        for effect in std::mem::take(&mut shared.account.effects) {
            match effect {
                Effect::Start(id) => self.start(&mut shared, &id),
                Effect::End(id) => shared.order(&id, Order::End),
            }
        }
        answer
    }

    fn start(&self, shared: &mut Shared, id: &str) {
        let Some(instance) = shared.account.instance(id) else { return };
        let plan = Plan {
            id: id.to_owned(),
            region: instance.region.clone(),
            user_data: instance.user_data.clone(),
            settings: shared.account.world.machines.clone(),
            folder: self.folder(id),
        };
        let (sender, orders) = watch::channel(Order::Live);
        shared.lives.insert(id.to_owned(), sender);
        // It ends with its instance, or with the runtime.
        tokio::spawn(machine::live(self.clone(), plan, orders));
    }

    /// Recommends to replace an instance; `false` if it does not run.
    pub(crate) fn recommend(&self, id: &str, now: SystemTime) -> bool {
        let mut shared = self.lock();
        let instance = shared.account.instance_mut(id).filter(|instance| instance.state().is_alive());
        instance.map(|instance| instance.recommended.get_or_insert(now)).is_some()
    }

    /// Has Amazon take a spot instance back after some time; `false` if it is none, or does not run.
    pub(crate) fn interrupt(&self, id: &str, notice: Duration, now: SystemTime) -> bool {
        let mut shared = self.lock();
        let instance = shared.account.instance_mut(id);
        let is_hit = |instance: &&mut Instance| instance.state().is_alive() && instance.lifecycle == Lifecycle::Spot;
        let (Some(instance), Some(deadline)) = (instance.filter(is_hit), now.checked_add(notice)) else { return false };
        instance.recommended.get_or_insert(now);
        instance.deadline = Some(deadline);
        shared.order(id, Order::Leave(deadline));
        true
    }

    /// Has the host of an instance die; `false` if it does not run.
    pub(crate) fn fail(&self, id: &str) -> bool {
        let mut shared = self.lock();
        let is_alive = shared.account.instance(id).is_some_and(|instance| instance.state().is_alive());
        if is_alive {
            shared.order(id, Order::Fail);
        }
        is_alive
    }

    /// An instance has booted.
    pub(crate) fn runs(&self, id: &str) {
        if let Some(instance) = self.lock().account.instance_mut(id)
            && instance.state() == State::Pending
        {
            instance.turn(State::Running, SystemTime::now());
        }
    }

    /// The machine of an instance runs.
    pub(crate) fn started(&self, id: &str, pid: u32, imds: &str) {
        let whereabouts = Whereabouts { pid, imds: imds.to_owned() };
        self.lock().machines.insert(id.to_owned(), whereabouts);
    }

    /// An instance begins to end. One that shuts itself down is only stopped, unless it is a spot instance or was
    /// started so that it is gone then.
    pub(crate) fn ends(&self, id: &str, reason: Reason) {
        let mut shared = self.lock();
        let Some(instance) = shared.account.instance_mut(id) else { return };
        let is_kept = reason == Reason::Itself
            && instance.lifecycle == Lifecycle::OnDemand
            && instance.on_shutdown == OnShutdown::Stop;
        let next = if is_kept { State::Stopping } else { State::ShuttingDown };
        if instance.state().is_alive() {
            instance.turn(next, SystemTime::now());
        }
        instance.reason.get_or_insert(reason);
    }

    /// Nothing runs for an instance any more.
    pub(crate) fn ended(&self, id: &str) {
        let mut shared = self.lock();
        if let Some(instance) = shared.account.instance_mut(id) {
            let is_kept = instance.state() == State::Stopping;
            instance.turn(if is_kept { State::Stopped } else { State::Terminated }, SystemTime::now());
        }
        shared.lives.remove(id);
        shared.machines.remove(id);
    }

    /// Tells people that a machine could not be started.
    pub(crate) fn complain(&self, id: &str, error: &dyn Display) {
        eprintln!("warning: starting the machine of {id} in {}: {error}", self.folder.display());
    }
}

impl Shared {
    fn order(&mut self, id: &str, order: Order) {
        if let Some(life) = self.lives.get(id) {
            life.send_replace(order);
        }
    }
}
