//! How a session ends: with the process, or so that nothing of it is left for the next one.

use std::time::Duration;

use anyhow::{Context as _, bail};
use rehearsal_link::agent::Exit;
use tokio::sync::{mpsc, oneshot};

use super::Session;
use crate::crew::Crew;
use crate::orders::Order;

/// How long the user threads of a run that is over may take to end. Scripts are interrupted long before.
const CLOSING: Duration = Duration::from_secs(60);

/// What follows a session.
pub(crate) enum Ended {
    /// The end of the process.
    ForGood(anyhow::Result<()>),
    /// The agent stays, and may be wanted again.
    ForNow {
        /// Why it ended, for people.
        why: String,
        /// Whether a run had begun for it.
        has_played: bool,
    },
}

impl<C: Crew> Session<C> {
    /// Runs until the coordinator says goodbye, or does not come back, or an order from outside has been carried out; if the
    /// agent stays, also until no coordinator takes it.
    pub(crate) async fn run(mut self, orders: &mut mpsc::Receiver<Order>) -> Ended {
        let result = self.play(orders).await;
        if !self.stays {
            return Ended::ForGood(result);
        }
        let has_played = self.versions.is_some();
        if let Err(error) = self.close().await {
            return Ended::ForGood(Err(error));
        }
        let why = result.err().map_or("the former one is over".to_owned(), |error| format!("{error:#}"));
        Ended::ForNow { why, has_played }
    }

    /// Goes the way out of the link.
    pub(super) async fn part(&mut self, exit: &Exit) -> anyhow::Result<()> {
        if let (Exit::Done, Some(connection)) = (exit, self.connection.take()) {
            connection.close().await;
        }
        finish(exit)
    }

    /// Leaves nothing behind: no thread, no file, no connection.
    async fn close(self) -> anyhow::Result<()> {
        let Some(crew) = self.crew else { return Ok(()) };
        drop(self.reports);
        let (end, ended) = oneshot::channel();
        // No thread of the runtime's: for those the process waits before it ends, however long.
        std::thread::spawn(move || {
            crew.end();
            let _ = end.send(()); // nobody waits any more
        });
        let ended = tokio::time::timeout(CLOSING, ended).await;
        ended.context("waiting for the user threads of the former run to end")?.context("ending the user threads")
    }
}

/// What the way out of the link means.
fn finish(exit: &Exit) -> anyhow::Result<()> {
    match exit {
        Exit::Done => Ok(()),
        Exit::Abandoned { unacknowledged: None } => bail!("the coordinator did not come back"),
        Exit::Abandoned { unacknowledged: Some(seconds) } => {
            bail!("the coordinator did not come back; seconds {} to {} of the run are lost", seconds.start, seconds.end)
        }
    }
}
