//! Which instances there are, in which state, and which connections each has. Pure: time is passed
//! in, as time since the start, and what is to be done to connections is returned as orders.
//!
//! | state | when | then | its connections |
//! |---|---|---|---|
//! | – | scaled out | booting for `boot` | none |
//! | booting | `boot` is over | ready | – |
//! | booting | scaled in | gone | – |
//! | ready | scaled in, in order | draining for `drain` | asked to leave, one after the other |
//! | ready | scaled in, harshly | draining for `drain` | cut at once |
//! | draining | `drain` is over | gone | sockets are cut, all others go to another instance |

mod load;
mod placing;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::Scaling;
use super::behaviour::Ending;
use super::scaler::Seen;
use load::Load;
use placing::{Connection, User};

pub(super) use placing::Service;

/// The part of `drain` in which connections are asked to leave; the rest is for their goodbyes.
const PACED: f64 = 0.6;

pub(super) type InstanceId = u32;
pub(super) type ConnectionId = u64;

/// What a connection is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Go on.
    Stay,
    /// End in order at this time since the start: a socket closes, a poll is answered.
    Leave { at: Duration },
    /// End without a word.
    Cut,
}

/// What orders are given to whom.
pub(super) type Orders = Vec<(ConnectionId, Order)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Booting { ready_at: Duration },
    Ready,
    Draining { gone_at: Duration },
}

#[derive(Debug)]
pub(super) struct Instance {
    pub(super) state: State,
    /// When that state began.
    pub(super) since: Duration,
    pub(super) load: Load,
}

impl Instance {
    fn turn(&mut self, state: State, now: Duration) {
        (self.state, self.since) = (state, now);
    }

    /// Returns when it changes its state by itself.
    fn due(&self) -> Option<Duration> {
        match self.state {
            State::Booting { ready_at: due } | State::Draining { gone_at: due } => Some(due),
            State::Ready => None,
        }
    }
}

/// All instances and their connections.
#[derive(Debug)]
pub(super) struct Pool {
    scaling: Scaling,
    instances: BTreeMap<InstanceId, Instance>,
    latest: InstanceId,
    connections: HashMap<ConnectionId, Connection>,
    /// The connections of each user that are at an instance; at least one.
    users: HashMap<User, Vec<ConnectionId>>,
}

impl Pool {
    /// Begins with the fewest instances, ready.
    pub(super) fn new(scaling: Scaling) -> Self {
        let (connections, users) = Default::default();
        let mut pool = Self { instances: BTreeMap::new(), latest: 0, connections, users, scaling };
        for _ in 0..pool.scaling.min {
            pool.add(State::Ready, Duration::ZERO);
        }
        pool
    }

    pub(super) fn instances(&self) -> impl Iterator<Item = (InstanceId, &Instance)> {
        self.instances.iter().map(|(id, instance)| (*id, instance))
    }

    /// Returns the CPU of an instance in percent: its users / its capacity. It may exceed 100, then
    /// the rest waits.
    pub(super) fn cpu(&self, instance: &Instance) -> f64 {
        100.0 * self.fullness(instance)
    }

    /// Returns how many users are at instances.
    pub(super) fn users(&self) -> usize {
        self.users.len()
    }

    /// Returns what there is for an autoscaler to see.
    pub(super) fn seen(&self) -> Seen {
        let ready = || self.instances.values().filter(|instance| instance.state == State::Ready);
        let count = ready().count();
        let cpu = ready().map(|instance| self.cpu(instance)).sum::<f64>() / count as f64;
        let unsettled = (self.instances.len() - count) as u32;
        Seen { cpu: (count > 0).then_some(cpu), ready: count as u32, unsettled }
    }

    /// Returns when the next instance changes its state by itself.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.instances.values().filter_map(Instance::due).min()
    }

    /// Does what has become due.
    pub(super) fn advance(&mut self, now: Duration) -> Orders {
        let is_due = |instance: &Instance| instance.due().is_some_and(|due| due <= now);
        let due: Vec<InstanceId> =
            self.instances.iter().filter(|(_, instance)| is_due(instance)).map(|(id, _)| *id).collect();
        let mut orders = Orders::new();
        for id in due {
            match self.instance(id).state {
                State::Booting { ready_at } => self.instance(id).turn(State::Ready, ready_at),
                State::Draining { .. } => orders.extend(self.end(id)),
                State::Ready => {}
            }
        }
        orders
    }

    /// Starts or ends instances until as many are booting or ready as are desired.
    pub(super) fn scale(&mut self, desired: u32, ending: Ending, now: Duration) -> Orders {
        let mut leaving = self.by_worth();
        while leaving.len() < desired as usize {
            leaving.push(self.add(State::Booting { ready_at: now + self.scaling.boot }, now));
        }
        let leaving = leaving.split_off(desired as usize);
        leaving.into_iter().flat_map(|id| self.take_away(id, ending, now)).collect()
    }

    fn add(&mut self, state: State, now: Duration) -> InstanceId {
        self.latest += 1;
        self.instances.insert(self.latest, Instance { state, since: now, load: Load::default() });
        self.latest
    }

    /// Returns the instances that count as supply, those first that are best kept: ready ones before
    /// booting ones, with many connections before those with few, old ones before new ones.
    fn by_worth(&self) -> Vec<InstanceId> {
        let is_supply = |instance: &Instance| !matches!(instance.state, State::Draining { .. });
        let supply = self.instances.iter().filter(|(_, instance)| is_supply(instance));
        let mut worth: Vec<_> = supply
            .map(|(id, instance)| (instance.state != State::Ready, u32::MAX - instance.load.connections(), *id))
            .collect();
        worth.sort_unstable();
        worth.into_iter().map(|(_, _, id)| id).collect()
    }

    fn take_away(&mut self, id: InstanceId, ending: Ending, now: Duration) -> Orders {
        if self.instance(id).state != State::Ready {
            self.instances.remove(&id);
            return Orders::new();
        }
        let drain = self.scaling.drain;
        self.instance(id).turn(State::Draining { gone_at: now + drain }, now);
        let here = self.connections_of(id);
        let paced = drain.mul_f64(PACED) / u32::try_from(here.len()).unwrap_or(u32::MAX).max(1);
        let orders = (0..).zip(here).map(|(n, connection)| match ending {
            Ending::Drained => (connection, Order::Leave { at: now + paced * n }),
            Ending::Cut => (connection, Order::Cut),
        });
        orders.collect()
    }

    /// Ends a drained instance.
    fn end(&mut self, id: InstanceId) -> Orders {
        let mut orders = Orders::new();
        for left in self.connections_of(id) {
            self.unplace(left);
            let other = if self.connection(left).is_socket { None } else { self.choose() };
            if let Some(other) = other {
                self.place(left, other);
            }
            let order = if self.connection(left).is_socket { Order::Cut } else { Order::Stay };
            orders.push((left, order));
        }
        self.instances.remove(&id);
        orders
    }

    fn fullness(&self, instance: &Instance) -> f64 {
        instance.load.users() / f64::from(self.scaling.capacity_per_instance)
    }

    fn instance(&mut self, id: InstanceId) -> &mut Instance {
        self.instances.get_mut(&id).expect("an instance ends only when nothing refers to it")
    }
}

#[cfg(test)]
mod tests;
