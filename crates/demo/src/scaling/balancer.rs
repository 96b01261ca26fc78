//! The balancer as connections meet it, and the loop that lets the autoscaler look.
//!
//! One lock guards the pool: every operation is short and never held across an await.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Scaling;
use super::line::Member;
use super::pool::{ConnectionId, Order, Orders, Pool};
use super::scaler::{Decision, Scaler};

/// Decisions that are kept, many hours of a flapping autoscaler; beyond it the oldest is forgotten.
const MOST_DECISIONS: usize = 10_000;

/// The instances, their connections and who decides about them.
#[derive(Debug)]
pub(crate) struct Balancer {
    began: Instant,
    /// The same instant on the system's clock: all that is told is told relative to it, so that
    /// it is in order also when the clock is set.
    pub(super) began_at: OffsetDateTime,
    state: Mutex<Scaled>,
    every: Duration,
    /// Most instances.
    pub(super) max: u32,
}

#[derive(Debug)]
pub(super) struct Scaled {
    pub(super) pool: Pool,
    pub(super) scaler: Scaler,
    /// In the order in which they were made.
    pub(super) decisions: VecDeque<(Duration, Decision)>,
    pub(super) lines: HashMap<ConnectionId, watch::Sender<Order>>,
    latest: ConnectionId,
}

impl Scaled {
    pub(super) fn give(&self, orders: Orders) {
        for (id, order) in orders {
            if let Some(line) = self.lines.get(&id) {
                line.send_replace(order);
            }
        }
    }

    pub(super) fn decide(&mut self, decision: Decision, now: Duration) {
        let orders = self.pool.scale(decision.to, decision.ending, now);
        self.give(orders);
        self.decisions.push_back((now, decision));
        if self.decisions.len() > MOST_DECISIONS {
            self.decisions.pop_front();
        }
    }
}

impl Balancer {
    pub(crate) fn new(scaling: Scaling) -> Arc<Self> {
        let state = Scaled {
            pool: Pool::new(scaling.clone()),
            scaler: Scaler::new(scaling.clone()),
            decisions: VecDeque::new(),
            lines: HashMap::new(),
            latest: 0,
        };
        let (began, began_at) = (Instant::now(), OffsetDateTime::now_utc());
        Arc::new(Self { began, began_at, state: Mutex::new(state), every: scaling.every, max: scaling.max })
    }

    /// Lets instances change their states when it is time, and the autoscaler look, until the demo
    /// stops.
    pub(crate) async fn run(&self, mut stopping: watch::Receiver<()>) {
        let mut look = self.began + self.every;
        loop {
            // Something happens to an instance before the next look, or then.
            let due = self.lock().pool.next_due().map(|due| self.began + due);
            tokio::select! {
                () = sleep_until(due.map_or(look, |due| due.min(look))) => {}
                // The demo stops, or was dropped: the channel never carries a value.
                _ = stopping.changed() => return,
            }
            let mut state = self.lock();
            if look <= Instant::now() {
                // A look that is late is not made up for: two at once would see the same.
                look = Instant::now() + self.every;
                let seen = state.pool.seen();
                if let Some(decision) = state.scaler.look(&seen) {
                    state.decide(decision, self.now());
                }
            }
        }
    }

    /// Takes in a connection.
    pub(crate) fn enter(self: &Arc<Self>) -> Member {
        let mut state = self.lock();
        state.latest += 1;
        let id = state.latest;
        let (line, orders) = watch::channel(Order::Stay);
        state.lines.insert(id, line);
        drop(state);
        Member::new(self.clone(), id, orders)
    }

    /// Returns an instant that is told as time since the start.
    pub(super) fn instant(&self, since_start: Duration) -> Instant {
        self.began + since_start
    }

    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Locks the state after all that was due has been done.
    pub(super) fn lock(&self) -> MutexGuard<'_, Scaled> {
        let mut state = self.state.lock().expect("nothing panics while it holds the pool");
        let orders = state.pool.advance(self.now());
        state.give(orders);
        state
    }
}
