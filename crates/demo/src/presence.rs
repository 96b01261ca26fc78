//! Keeps the stays of users while requests and sockets come and go.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::caller::{Caller, unix_us};
use crate::stays::{Stays, Users};

/// Who is there, and was.
#[derive(Debug, Default)]
pub(crate) struct Presence(Mutex<Stays>);

/// One request or socket of a known user of a known agent; it lasts until it is dropped, however
/// it ends.
#[derive(Debug)]
pub(crate) struct Visit {
    presence: Arc<Presence>,
    user: u64,
    agent: Arc<str>,
}

impl Presence {
    /// Begins a visit; none if nobody says who comes, or there is no room for it.
    pub(crate) fn enter(self: &Arc<Self>, caller: &Caller) -> Option<Visit> {
        let (user, agent) = (caller.user?, caller.agent.clone()?);
        let is_kept = self.lock().enter(user, &agent, unix_us());
        is_kept.then(|| Visit { presence: self.clone(), user, agent })
    }

    /// Forgets who has gone.
    pub(crate) fn reset(&self) {
        self.lock().reset(unix_us());
    }

    pub(crate) fn users(&self) -> Users {
        self.lock().users()
    }

    fn lock(&self) -> MutexGuard<'_, Stays> {
        self.0.lock().expect("nothing panics while it holds the stays")
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.presence.lock().leave(self.user, &self.agent, unix_us());
    }
}
