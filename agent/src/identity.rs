//! Who an agent is: one key for all its life, and a certificate that is replaced before it ends. Whoever dials shows the
//! newest.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use rehearsal_plan::AgentNumber;
use rehearsal_proto::join::JoinBlob;
use rehearsal_proto::tls::link_client;
use tokio::sync::watch;
use tonic::transport::ClientTlsConfig;

use crate::connection::{Dialer, log};
use crate::join::{Certificate, Papers, Refusal, refused};
use crate::patience::Patience;

/// The soonest that the next certificate is asked for, however short this one's life is.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// Shared by all who dial for one agent.
#[derive(Clone)]
pub(crate) struct Identity(Arc<Shared>);

struct Shared {
    papers: Papers,
    newest: watch::Sender<Certificate>,
}

impl Identity {
    /// Joins the fleet.
    pub(crate) async fn join(papers: Papers) -> anyhow::Result<Self> {
        let newest = watch::Sender::new(papers.join().await?);
        Ok(Self(Arc::new(Shared { papers, newest })))
    }

    /// The number that the fleet gave it. Only an agent that was away for more than a day may get another.
    pub(crate) fn agent(&self) -> AgentNumber {
        self.0.newest.borrow().agent
    }

    pub(crate) fn blob(&self) -> &JoinBlob {
        &self.0.papers.blob
    }

    /// How it shows itself on the link from now on.
    pub(crate) fn tls(&self) -> ClientTlsConfig {
        let Papers { blob, key, .. } = &self.0.papers;
        link_client(&blob.ca_der, &self.0.newest.borrow().chain, &key.private)
    }

    /// Replaces the certificate at half of its life, again and again; one that has ended by asking to join once more. Comes
    /// back only when the fleet does not want this agent any longer.
    pub(crate) async fn keep(self) -> anyhow::Error {
        loop {
            match self.next().await {
                Ok(certificate) => drop(self.0.newest.send_replace(certificate)),
                Err(error) => {
                    log(&format!("{error:#}"));
                    return error;
                }
            }
        }
    }

    /// Waits until the next certificate is due, and asks until it is there.
    async fn next(&self) -> anyhow::Result<Certificate> {
        let (asked, holds) = {
            let newest = self.0.newest.borrow();
            (newest.asked, newest.holds)
        };
        let (random, mut is_disowned, mut patience) = (rand::rng().next_u64(), false, Patience::new());
        loop {
            let due = due(holds, asked.elapsed(), random);
            let answer = match due {
                Due::In(pause) => {
                    tokio::time::sleep(pause).await;
                    continue;
                }
                Due::Renew if !is_disowned => self.renew().await,
                Due::Renew | Due::Join => self.0.papers.ask().await,
            };
            match answer {
                Ok(certificate) => return Ok(certificate),
                // This coordinator does not know the certificate; it may know the token.
                Err(Refusal::Final(_)) if due == Due::Renew && !is_disowned => is_disowned = true,
                Err(Refusal::Final(status)) => return Err(refused(&self.blob().fleet, &status)),
                Err(Refusal::Passing(error)) => {
                    patience.failed(|| format!("renewing the certificate, which is tried again: {error:#}")).await;
                }
            }
        }
    }

    async fn renew(&self) -> Result<Certificate, Refusal> {
        // A connection of its own: it shows the certificate that is to be replaced, and delays nobody.
        let client = Dialer::new(self.clone()).dial().await.map_err(Refusal::Passing)?;
        self.0.papers.renew(client).await
    }
}

/// How the next certificate is come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// Not yet.
    In(Duration),
    /// By the present one.
    Renew,
    /// By the token.
    Join,
}

/// What to do about a certificate that holds for so long from when it was asked for, which was so long ago. Renewal begins
/// within the tenth of its life after the half, where `random`, uniform over all of `u64`, says: the agents of a fleet
/// joined together.
fn due(holds: Duration, age: Duration, random: u64) -> Due {
    let jitter = holds.div_f64(10.0).mul_f64(random as f64 / u64::MAX as f64);
    let begins = (holds / 2 + jitter).max(SHORTEST_PAUSE);
    if age < begins {
        Due::In(begins - age)
    } else if age < holds {
        Due::Renew
    } else {
        Due::Join
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_renewed_at_half_of_their_life_and_joined_for_when_it_is_over() {
        let check = |sentence, [holds, age]: [u64; 2], random: u64, expected| {
            let due = due(Duration::from_secs(holds), Duration::from_secs(age), random);
            assert_eq!(due, expected, "{sentence}");
        };
        let later = |seconds| Due::In(Duration::from_secs(seconds));
        check("an hour, just got", [3_600, 0], 0, later(1_800));
        check("the last of the fleet", [3_600, 0], u64::MAX, later(2_160));
        check("some time has passed", [3_600, 1_500], 0, later(300));
        check("half of it is over", [3_600, 1_800], 0, Due::Renew);
        check("others first", [3_600, 1_800], u64::MAX, later(360));
        check("the last second", [3_600, 3_599], u64::MAX, Due::Renew);
        check("it has ended", [3_600, 3_600], 0, Due::Join);
        check("one that ends at once, not as fast as it goes", [0, 0], 0, later(1));
        check("one that has ended at once", [0, 1], 0, Due::Join);
    }
}
