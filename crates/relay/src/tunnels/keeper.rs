//! Keeps as many tunnels as there should be, and tells how things stand. One loop owns them all.

use std::error::Error;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::State;
use super::dial::Dialer;
use super::idle::{self, Ending, Shared};
use super::incoming::Tunneled;
use super::pace::Pace;
use crate::census::Census;

/// Half of the strangers that a relay listens to at a time.
const DIALING: usize = 32;

pub(super) struct Keeper {
    shared: Arc<Shared>,
    /// The tunnels that are being dialed or idle.
    tunnels: JoinSet<Ending>,
    pace: Pace,
    /// Those that are there, taken ones too.
    there: watch::Receiver<usize>,
    /// What went wrong last.
    why: String,
    tell: watch::Sender<State>,
}

impl Keeper {
    pub(super) fn new(dialer: Dialer, ways: Vec<mpsc::Sender<Tunneled>>, tell: watch::Sender<State>) -> Self {
        let census = Census::new();
        let there = census.watch();
        let pace = Pace::new(dialer.timing.beat);
        let shared = Shared { dialer, dialing: Semaphore::new(DIALING), tunnels: census, ways };
        Keeper { shared: Arc::new(shared), tunnels: JoinSet::new(), pace, there, why: String::new(), tell }
    }

    pub(super) async fn keep(mut self) {
        loop {
            let now = Instant::now();
            let is_connected = *self.there.borrow_and_update() > 0;
            self.tell_state(is_connected);
            for _ in 0..self.pace.missing(now, self.tunnels.len(), is_connected) {
                self.tunnels.spawn(idle::live(self.shared.clone()));
            }
            let next_look = self.pace.next_look(now);
            tokio::select! {
                // A tunnel ended, or was not to be had.
                Some(ending) = self.tunnels.join_next() => self.ended(ending),
                // One came or went.
                _ = self.there.changed() => {}
                // A pause is over.
                () = at(next_look) => {}
            }
        }
    }

    fn ended(&mut self, ending: Result<Ending, JoinError>) {
        let now = Instant::now();
        let (after, why) = match ending {
            Ok(Ending::Used) => return self.pace.taken(now),
            Ok(Ending::Undialed(error)) => (Duration::ZERO, told(&error)),
            Ok(Ending::Lost { after, why }) => (after, told(&why)),
            Err(error) => (Duration::ZERO, told(&error)),
        };
        self.pace.failed(now, after, rand::random());
        self.why = why;
    }

    fn tell_state(&self, is_connected: bool) {
        let now = std::time::Instant::now();
        self.tell.send_if_modified(|state| match (&mut *state, is_connected) {
            (State::Connected { .. }, true) => false,
            (State::Lost { .. }, true) => {
                *state = State::Connected { since: now };
                true
            }
            (State::Connected { .. }, false) => {
                *state = State::Lost { since: now, why: self.why.clone() };
                true
            }
            (State::Lost { why, .. }, false) if self.why.is_empty() || *why == self.why => false,
            (State::Lost { why, .. }, false) => {
                why.clone_from(&self.why);
                true
            }
        });
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}

/// An error with its causes, on one line.
pub(crate) fn told(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}
