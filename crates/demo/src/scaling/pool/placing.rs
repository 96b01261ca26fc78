//! Which connection is at which instance, and how much of its user it carries there.

use std::time::Duration;

use super::load::Load;
use super::{ConnectionId, Instance, InstanceId, Order, Pool, State};
use crate::session::Token;

/// A connection that has asked for something.
#[derive(Debug, Default)]
pub(super) struct Connection {
    pub(super) instance: Option<InstanceId>,
    /// Of its latest request.
    session: Option<Token>,
    /// Whether it has become a WebSocket, which cannot go to another instance.
    pub(super) is_socket: bool,
}

impl Connection {
    fn user(&self, id: ConnectionId) -> User {
        self.session.map_or(User::Alone(id), User::Session)
    }
}

/// Whose load it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum User {
    Session(Token),
    /// Nobody has signed in on this connection.
    Alone(ConnectionId),
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scaling) enum Service {
    After(Duration),
    Refused,
}

impl Pool {
    /// Gives a request to an instance: to that of its connection, or, if that one drains or there is
    /// none yet, to the best of the ready ones. Also returns an order if it has come to another.
    pub(in crate::scaling) fn serve(&mut self, id: ConnectionId, session: Option<Token>) -> (Service, Option<Order>) {
        self.identify(id, session);
        let former = self.connection(id).instance;
        let is_ready = former.is_some_and(|former| self.instance(former).state == State::Ready);
        let better = if is_ready { None } else { self.choose() };
        if let Some(better) = better {
            self.unplace(id);
            self.place(id, better);
        }
        let Some(at) = better.or(former) else {
            return (Service::Refused, None);
        };
        let wait = self.scaling.overload.wait(self.strain(&self.instances[&at]));
        // Whoever was asked to leave a draining instance has now left it.
        (Service::After(wait), former.and(better).map(|_| Order::Stay))
    }

    /// Counts the connection for the session of its latest request.
    fn identify(&mut self, id: ConnectionId, session: Option<Token>) {
        if self.connection(id).session == session {
            return;
        }
        let at = self.unplace(id);
        self.connection(id).session = session;
        if let Some(at) = at {
            self.place(id, at);
        }
    }

    /// Notes that the connection is a WebSocket from now on.
    pub(in crate::scaling) fn became_socket(&mut self, id: ConnectionId) {
        self.connection(id).is_socket = true;
    }

    /// Forgets a connection that has ended.
    pub(in crate::scaling) fn close(&mut self, id: ConnectionId) {
        if self.connections.contains_key(&id) {
            self.unplace(id);
            self.connections.remove(&id);
        }
    }

    /// Returns the load that a request meets at an instance, as a multiple of the capacity: the instance's own, or
    /// that of what all share, if it is higher.
    fn strain(&self, instance: &Instance) -> f64 {
        let shared = self.scaling.shared_capacity.map(|capacity| self.users() as f64 / f64::from(capacity));
        shared.map_or(self.fullness(instance), |shared| shared.max(self.fullness(instance)))
    }

    /// Returns the ready instance with the fewest connections that still takes some.
    pub(super) fn choose(&self) -> Option<InstanceId> {
        let open = |instance: &Instance| {
            instance.state == State::Ready && self.strain(instance) < self.scaling.overload.refuse_at
        };
        let open = self.instances.iter().filter(|(_, instance)| open(instance));
        open.min_by_key(|(_, instance)| instance.load.connections()).map(|(id, _)| *id)
    }

    pub(super) fn place(&mut self, id: ConnectionId, at: InstanceId) {
        let connection = self.connection(id);
        connection.instance = Some(at);
        let user = connection.user(id);
        self.change_user(user, |connections| connections.push(id));
    }

    /// Takes a connection from its instance, if it has one, and returns which that was.
    pub(super) fn unplace(&mut self, id: ConnectionId) -> Option<InstanceId> {
        let connection = self.connection(id);
        let at = connection.instance?;
        let user = connection.user(id);
        self.change_user(user, |connections| connections.retain(|other| *other != id));
        self.connection(id).instance.take();
        Some(at)
    }

    /// Changes which connections a user has, and thereby what each of them weighs where it is.
    fn change_user(&mut self, user: User, change: impl FnOnce(&mut Vec<ConnectionId>)) {
        let mut connections = self.users.remove(&user).unwrap_or_default();
        self.weigh(&connections, Load::remove);
        change(&mut connections);
        self.weigh(&connections, Load::add);
        if !connections.is_empty() {
            self.users.insert(user, connections);
        }
    }

    fn weigh(&mut self, connections: &[ConnectionId], how: fn(&mut Load, usize)) {
        for id in connections {
            let at = self.connections[id].instance.expect("who is counted for a user is at an instance");
            how(&mut self.instance(at).load, connections.len());
        }
    }

    pub(super) fn connections_of(&self, instance: InstanceId) -> Vec<ConnectionId> {
        let here = self.connections.iter().filter(|(_, connection)| connection.instance == Some(instance));
        let mut here: Vec<ConnectionId> = here.map(|(id, _)| *id).collect();
        here.sort_unstable();
        here
    }

    pub(super) fn connection(&mut self, id: ConnectionId) -> &mut Connection {
        self.connections.entry(id).or_default()
    }
}
