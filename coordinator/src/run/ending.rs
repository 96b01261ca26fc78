//! How a run is ended from outside: the operator's signals, and the end of agents that are left.

use anyhow::{Context as _, bail};
use rehearsal_fleet::{Launcher as _, Local};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C, SIGTERM and a terminal that is closed mean the same.
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupts {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    pub(crate) async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// Ends what a launcher started; agents that were told goodbye have ended by themselves.
pub async fn end_agents(mut launcher: Local) -> anyhow::Result<()> {
    let left: Vec<_> = launcher.list().await?.into_iter().map(|launched| launched.instance).collect();
    launcher.terminate(&left).await?;
    if !launcher.list().await?.is_empty() {
        bail!("some agents could not be ended");
    }
    Ok(())
}
