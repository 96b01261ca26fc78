//! A thread that commits, so that the loop that merges never waits for a disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::StoreError;
use crate::rows::Batch;
use crate::store::Store;

/// How a writer behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Waits this long before each commit: a slow disk, for tests.
    pub slow: Option<Duration>,
}

/// A thread around a [`Store`]. One batch is being written and one may wait; while one waits, the owner goes on merging.
///
/// A batch that could not be written is kept and written together with the next, so a later success covers it as well: a
/// mark never gets ahead of the numbers that it stands for.
#[derive(Debug)]
pub struct Writer {
    orders: Option<SyncSender<Order>>,
    is_taken: Arc<AtomicBool>,
    thread: Option<JoinHandle<Store>>,
}

#[derive(Debug)]
struct Order {
    batch: Box<Batch>,
    ticket: u64,
}

impl Writer {
    /// Starts the thread. It calls `done` with the ticket of each batch after its commit, or after the attempt failed.
    pub fn start(
        store: Store,
        options: Options,
        done: impl Fn(u64, Result<(), StoreError>) + Send + 'static,
    ) -> Writer {
        let (orders, received) = sync_channel(1);
        let is_taken = Arc::new(AtomicBool::new(false));
        let work = Work { store, options, done, is_taken: Arc::clone(&is_taken), unwritten: None };
        let thread = std::thread::spawn(move || work.run(&received));
        Writer { orders: Some(orders), is_taken, thread: Some(thread) }
    }

    /// Tells whether a batch may be sent, because none waits. Ask before taking changes.
    pub fn has_room(&self) -> bool {
        !self.is_taken.load(Ordering::Acquire)
    }

    /// Hands a batch over; never waits.
    ///
    /// # Errors
    /// Gives the batch back when another one waits.
    pub fn send(&self, batch: Box<Batch>, ticket: u64) -> Result<(), Box<Batch>> {
        let Some(orders) = &self.orders else { return Err(batch) };
        if self.is_taken.swap(true, Ordering::AcqRel) {
            return Err(batch);
        }
        orders.try_send(Order { batch, ticket }).map_err(|refused| match refused {
            TrySendError::Full(order) | TrySendError::Disconnected(order) => order.batch,
        })
    }

    /// Waits until all that was sent is written, or was tried, and gives the store back.
    pub fn close(mut self) -> Store {
        self.end().expect("only this takes the thread's result, and it takes the writer")
    }

    fn end(&mut self) -> Option<Store> {
        self.orders = None;
        let ended = self.thread.take()?.join();
        Some(ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    }
}

impl Drop for Writer {
    /// Waits as [`Writer::close`] does.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}

/// What the thread has.
struct Work<F> {
    store: Store,
    options: Options,
    done: F,
    is_taken: Arc<AtomicBool>,
    /// A batch that failed, with what came after it.
    unwritten: Option<Order>,
}

impl<F: Fn(u64, Result<(), StoreError>)> Work<F> {
    fn run(mut self, orders: &Receiver<Order>) -> Store {
        for order in orders {
            self.is_taken.store(false, Ordering::Release);
            let order = match self.unwritten.take() {
                Some(mut before) => {
                    before.batch.absorb(*order.batch);
                    Order { ticket: order.ticket, ..before }
                }
                None => order,
            };
            self.write(order);
        }
        if let Some(order) = self.unwritten.take() {
            self.write(order);
        }
        self.store
    }

    fn write(&mut self, order: Order) {
        self.options.slow.iter().for_each(|slow| std::thread::sleep(*slow));
        let written = self.store.commit(&order.batch);
        let ticket = order.ticket;
        if written.is_err() {
            self.unwritten = Some(order);
        }
        (self.done)(ticket, written);
    }
}
