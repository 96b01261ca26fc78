//! By which operators reach a run: orders through the API, and the terminal. Before and after the conductor's time, when
//! the scenario's own functions run, only a stop is of use.

use rehearsal_api::{Answer, Command, Refusal};
use tokio::sync::mpsc;

use super::control::Order;
use super::ending::Interrupts;

/// The ways to a run.
pub(crate) struct Doors {
    /// By way of the API.
    pub(crate) orders: mpsc::Receiver<Order>,
    /// By way of the terminal; none when nobody sits there.
    pub(crate) interrupts: Option<Interrupts>,
    is_stopped: bool,
}

impl Doors {
    pub(crate) fn new(orders: mpsc::Receiver<Order>, interrupts: Option<Interrupts>) -> Self {
        Self { orders, interrupts, is_stopped: false }
    }

    /// Whether somebody has stopped what was waited for.
    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Waits for work unless somebody stops it; then it is dropped, and the result is none.
    pub(crate) async fn unless_stopped<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        loop {
            let order = tokio::select! {
                done = &mut work => return Some(done),
                order = self.orders.recv() => order,
                () = interrupted(&mut self.interrupts) => {
                    self.is_stopped = true;
                    return None;
                }
            };
            // A run that nobody can order about any more goes its way.
            let Some(order) = order else { return Some(work.await) };
            if let Command::Stop { .. } = order.command {
                self.is_stopped = true;
                let text = "stopped while a function of the scenario ran on the coordinator".to_owned();
                let answer = Answer { command: "stop".to_owned(), by: order.by, text, ..Answer::default() };
                let _ = order.answer.send(Ok(answer)); // whoever asked may have gone
                return None;
            }
            let why = "no load is made now: a function of the scenario runs on the coordinator".to_owned();
            let _ = order.answer.send(Err(Refusal::Conflict(why)));
        }
    }
}

/// Waits for Ctrl-C, for ever where there is no terminal.
pub(super) async fn interrupted(interrupts: &mut Option<Interrupts>) {
    match interrupts {
        Some(interrupts) => interrupts.recv().await,
        None => std::future::pending().await,
    }
}
