//! The connections of one user: a few to each origin, kept while the server and the user's patience allow.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use url::Url;

use super::connection::Connection;
use super::idle::Kept;
use crate::failure::Failure;
use crate::network::{Network, Origin};

/// The origins that a user has talked to; one or two for most.
#[derive(Default)]
pub(super) struct Pool {
    hosts: RefCell<Vec<Rc<Host>>>,
}

/// One user's connections to one origin.
pub(super) struct Host {
    pub origin: Origin,
    /// As many permits as there may be connections; those who wait are served in their order.
    turns: Semaphore,
    max: usize,
    /// The one released last stands last, and is used first: the others grow old and are closed.
    idle: RefCell<Vec<Rc<Kept>>>,
}

impl Pool {
    /// Returns the connections to the origin of `url`.
    pub fn host(&self, url: &Url, max: usize) -> Result<Rc<Host>, Failure> {
        let known = self.hosts.borrow().iter().find(|host| host.origin.is_of(url)).cloned();
        if let Some(host) = known {
            return Ok(host);
        }
        let max = max.max(1);
        let (turns, idle) = (Semaphore::new(max), RefCell::default());
        let host = Rc::new(Host { origin: Origin::of(url)?, turns, max, idle });
        let mut hosts = self.hosts.borrow_mut();
        // A user who wanders from host to host must not keep a record of each.
        hosts.retain(|host| !host.is_unused());
        hosts.push(host.clone());
        Ok(host)
    }

    /// Closes what has been idle longer than `keep_alive`, was closed by its server, or leads to an instance that is gone.
    pub fn reap(&self, network: &Network, now: Instant, keep_alive: Duration) {
        self.hosts.borrow_mut().retain(|host| {
            let still_good = |kept: &Rc<Kept>| {
                !is_expired(kept, now, keep_alive) && !network.is_gone(kept.instance()) && !kept.is_spent()
            };
            host.idle.borrow_mut().retain(still_good);
            !host.is_unused()
        });
    }

    /// Closes all idle connections.
    pub fn clear(&self) {
        self.hosts.take();
    }

    /// Counts the idle connections.
    pub fn idle(&self) -> usize {
        self.hosts.borrow().iter().map(|host| host.idle.borrow().len()).sum()
    }
}

impl Host {
    /// Waits until another connection may be used.
    pub async fn turn(&self) -> SemaphorePermit<'_> {
        self.turns.acquire().await.expect("the semaphore is never closed")
    }

    /// Takes the idle connection that was used last, if it is young enough, still open, and not to an instance that is gone.
    pub async fn take(&self, network: &Network, keep_alive: Duration) -> Option<(Rc<Kept>, Box<Connection>)> {
        // All of them, not only the one that would be used: a server that is being ended waits for its connections.
        self.idle.borrow_mut().retain(|kept| !network.is_gone(kept.instance()));
        loop {
            let kept = self.idle.borrow_mut().pop()?;
            if is_expired(&kept, Instant::now(), keep_alive) {
                // It was the youngest.
                self.idle.borrow_mut().clear();
                return None;
            }
            if let Some(connection) = kept.take().await {
                return Some((kept, connection));
            }
        }
    }

    /// Keeps an idle connection for the next request.
    pub fn put(&self, kept: Rc<Kept>) {
        self.idle.borrow_mut().push(kept);
    }

    fn is_unused(&self) -> bool {
        self.turns.available_permits() == self.max && self.idle.borrow().is_empty()
    }
}

fn is_expired(kept: &Kept, now: Instant, keep_alive: Duration) -> bool {
    now.saturating_duration_since(kept.released()) > keep_alive
}
