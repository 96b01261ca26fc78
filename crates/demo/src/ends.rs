//! What ends a connection from our side: the demo stops, or, if it is scaled, the connection's
//! instance is killed.

use std::future::pending;

use tokio::sync::watch;

use crate::scaling::Member;

/// What a connection listens to beside its client.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) stopping: watch::Receiver<()>,
    /// None without an autoscaler.
    pub(crate) member: Option<Member>,
}

/// How a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// In order.
    Stop,
    /// Without a word. The connection is dropped, so its client sees what it sees of a process that
    /// was killed: all that was written arrives, then the connection ends. What was counted as
    /// answered has been written: a task is dropped only where it waits, and from counting to
    /// writing it does not, as answers are small and the client has read the ones before.
    Cut,
}

impl Ends {
    /// Waits until the connection is to end.
    pub(crate) async fn told(&mut self) -> Told {
        let cut = async {
            match &mut self.member {
                Some(member) => member.cut().await,
                None => pending().await,
            }
        };
        tokio::select! {
            // The channel never carries a value: the demo stops, or was dropped.
            _ = self.stopping.changed() => Told::Stop,
            () = cut => Told::Cut,
        }
    }
}
