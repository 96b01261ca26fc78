//! Asks the coordinator for the time, again and again, on a connection of its own: an upload must not delay a probe.

use std::time::Duration;

use anyhow::Context as _;
use rehearsal_link::Probe;
use rehearsal_plan::RunTime;
use rehearsal_proto::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::Monotonic;
use crate::connection::{DIALLING, Dialer, log};

/// The first probes come quickly, so that an agent is soon armed; then one a second keeps the bound small.
const QUICK: u32 = 8;
const QUICK_PAUSE: Duration = Duration::from_millis(50);
const PAUSE: Duration = Duration::from_secs(1);
/// After this the connection is made anew. A probe that takes seconds is worth nothing, but on a line that loses every third
/// packet the next one comes sooner than a new connection.
const LONGEST: Duration = DIALLING;

/// Probes until the receiver is dropped.
pub(crate) async fn probe(dialer: Dialer, clock: Monotonic, probes: mpsc::Sender<Probe>) {
    while !probes.is_closed() {
        if let Err(error) = exchange(&dialer, clock, &probes).await {
            log(&format!("{error:#}"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn exchange(dialer: &Dialer, clock: Monotonic, probes: &mpsc::Sender<Probe>) -> anyhow::Result<()> {
    let mut client = dialer.dial().await?;
    let (questions, receiver) = mpsc::channel(1);
    let asking = tokio::time::timeout(LONGEST, client.clock(ReceiverStream::new(receiver)));
    let mut answers = asking.await.context("asking for the time")?.context("asking for the time")?.into_inner();
    for round in 0_u32.. {
        let sent = clock.now();
        let question = v1::Probe { sent_us: i64::try_from(sent.0).unwrap_or(i64::MAX) };
        questions.send(question).await.context("sending a probe")?;
        let answer = tokio::time::timeout(LONGEST, answers.message()).await.context("waiting for a probe")?;
        let Some(answer) = answer.context("waiting for a probe")? else { break };
        let probe = Probe {
            sent,
            received: RunTime(answer.received_us),
            answered: RunTime(answer.answered_us),
            returned: clock.now(),
        };
        if probes.send(probe).await.is_err() {
            break;
        }
        tokio::time::sleep(if round < QUICK { QUICK_PAUSE } else { PAUSE }).await;
    }
    Ok(())
}
