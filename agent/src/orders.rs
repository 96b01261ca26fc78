//! What a process is told from outside, beside what the coordinator says: signals, and the end of its launcher.

use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::NO_LAUNCHER;
use crate::connection::log;

/// What an agent is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// To go, in order, before a deadline.
    Drain {
        /// Why, for people.
        reason: String,
        deadline: Instant,
        /// It may be that it could have stayed.
        is_advice: bool,
    },
    /// Its launcher is gone: without a coordinator nobody would end it.
    Orphaned,
}

/// Waits for an order that ends an agent which nobody counts on yet. Advice does not: it has no users that could be lost, and
/// an instance that should be replaced is better than none.
pub(crate) async fn before_a_run(orders: &mut mpsc::Receiver<Order>) -> anyhow::Result<()> {
    loop {
        match orders.recv().await {
            Some(Order::Drain { is_advice: true, reason, .. }) => stay(&reason),
            Some(Order::Drain { .. }) => return Ok(()),
            Some(Order::Orphaned) => anyhow::bail!(NO_LAUNCHER),
            // Nobody gives orders any more.
            None => std::future::pending().await,
        }
    }
}

/// Says that advice is not followed.
pub(crate) fn stay(reason: &str) {
    log(&format!("{reason}: it stays as long as it can, because nobody has users on it"));
}

/// Orders that wait: whoever gives them is rarely in a hurry, and then waits until there is room.
pub(crate) const WAITING: usize = 4;

/// Listens to SIGTERM, which asks to go within a time, and to the end of standard input if the launcher holds its other end.
pub(crate) fn listen(orders: &mpsc::Sender<Order>, drain_within: Duration, tied_to_stdin: bool) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening to SIGTERM")?;
    let asked = orders.clone();
    tokio::spawn(async move {
        while terminate.recv().await.is_some() {
            let order = Order::Drain {
                reason: "SIGTERM".to_owned(),
                deadline: Instant::now() + drain_within,
                is_advice: false,
            };
            if asked.send(order).await.is_err() {
                break; // the agent ends
            }
        }
    });
    if tied_to_stdin {
        let orders = orders.clone();
        // A thread of its own: input that blocks must not hold up the end.
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            let _ = orders.blocking_send(Order::Orphaned);
        });
    }
    Ok(())
}
