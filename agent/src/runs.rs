//! The life of an agent that has joined: one run, or, for an agent that stays, as many as come until its instance ends.
//!
//! Every run is played by a [`Session`] of its own: another coordinator may be at the same address, with another run and
//! epochs that begin anew. Nothing of a run is left for the next but the agent's identity.

use rehearsal_proto::join::JoinBlob;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::crew::Crew;
use crate::identity::Identity;
use crate::orders::{Order, before_a_run};
use crate::patience::Patience;
use crate::session::{Ended, Session};

/// Plays until the agent has to end.
///
/// # Errors
/// When it ends otherwise than in order.
pub(crate) async fn play<C: Crew>(
    identity: &Identity,
    options: &C::Options,
    orders: &mut mpsc::Receiver<Order>,
) -> anyhow::Result<()> {
    // A task of its own, which ends with this function: a certificate must not wait for what a run has to do.
    let mut keeping = JoinSet::new();
    keeping.spawn(identity.clone().keep());
    let JoinBlob { fleet, .. } = identity.blob();
    let mut patience = Patience::new();
    loop {
        let (why, has_played) = match Session::<C>::new(identity, options.clone()).run(orders).await {
            Ended::ForGood(result) => return result,
            Ended::ForNow { why, has_played } => (why, has_played),
        };
        if has_played {
            patience = Patience::new();
        }
        tokio::select! {
            // It dials again.
            () = patience.failed(|| format!("waiting for the next run of the fleet {fleet}: {why}")) => {}
            // Nothing of any run is here that could be lost.
            ended = before_a_run(orders) => return ended,
            // Without a certificate it cannot serve anybody, and costs money.
            Some(Ok(error)) = keeping.join_next() => return Err(error),
        }
    }
}
