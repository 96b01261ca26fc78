//! The coordinator's side: dials out to its relay and keeps tunnels open there, so that one is ready when an agent
//! knocks. What comes through is a stream of connections for each door, to be served like those of a listener.

mod dial;
mod idle;
mod incoming;
mod keeper;
mod pace;

use std::net::SocketAddr;
use std::time::Instant;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::secret::Secret;
use crate::timing::Timing;
use keeper::Keeper;

pub use dial::DialError;
pub(crate) use dial::Dialer;
pub use incoming::{Incoming, Tunneled};
pub(crate) use keeper::told;

/// Connections of one door that wait to be served. When there are so many, the relay keeps the next for a while.
const UNSERVED: usize = 64;

/// The tunnels to one relay. Dropping this gives up the idle ones and ends every [`Incoming`]; connections that were
/// taken stay.
#[derive(Debug)]
pub struct Tunnels {
    state: watch::Receiver<State>,
    keeping: JoinHandle<()>,
}

/// Whether the relay can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// There is a tunnel, idle or taken.
    Connected {
        /// Since when.
        since: Instant,
    },
    /// There is none; it is dialed again and again.
    Lost {
        /// Since when; at first, since the tunnels were opened.
        since: Instant,
        /// What went wrong last.
        why: String,
    },
}

impl Tunnels {
    /// Begins to dial a relay that may have several addresses, and goes on for ever. Each door has its own stream of
    /// connections, in the order of the relay's doors. To be called on a runtime.
    pub fn open(addresses: Vec<SocketAddr>, secret: Secret, doors: u8, timing: Timing) -> (Tunnels, Vec<Incoming>) {
        let (ways, incoming) = (0..doors)
            .map(|_| {
                let (way, arrivals) = mpsc::channel(UNSERVED);
                (way, Incoming::new(arrivals))
            })
            .unzip();
        let now = State::Lost { since: Instant::now(), why: "the relay was not reached yet".to_owned() };
        let (tell, state) = watch::channel(now);
        let keeper = Keeper::new(Dialer::new(addresses, secret, timing), ways, tell);
        (Tunnels { state, keeping: tokio::spawn(keeper.keep()) }, incoming)
    }

    /// How things stand.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// How things stand and change.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.clone()
    }
}

impl Drop for Tunnels {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}
