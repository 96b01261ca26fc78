//! Joining: the token of the blob is exchanged for a certificate, and that for another. The private key never leaves this
//! process.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use rehearsal_plan::{AgentNumber, duration};
use rehearsal_proto::join::JoinBlob;
use rehearsal_proto::tls::{AgentKey, join_client};
use rehearsal_proto::v1::{JoinReply, JoinRequest, RenewRequest, join_client::JoinClient, link_client::LinkClient};
use tokio::time::{Instant, timeout};
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use crate::connection::{DIALLING, connect};
use crate::patience::Patience;

/// How long an agent tries at the least, whatever its clock says of the token: clocks are often wrong just after boot.
const LEAST_PATIENCE: Duration = Duration::from_secs(60);
/// A fleet's authority holds for so long, and nothing that it says for longer.
const LIFE_OF_A_FLEET: Duration = Duration::from_secs(90 * 24 * 3600);

/// What an agent shows to be admitted. With the same key it is the same agent, however often it asks.
pub(crate) struct Papers {
    pub(crate) blob: JoinBlob,
    pub(crate) key: AgentKey,
    /// What launched it, as the launcher names it.
    instance: String,
    /// Where it runs; empty if unknown.
    region: String,
}

/// What an agent is known by for a while.
pub(crate) struct Certificate {
    pub(crate) agent: AgentNumber,
    pub(crate) chain: Vec<Vec<u8>>,
    /// When it was asked for: it cannot hold for longer than `holds` from then on.
    pub(crate) asked: Instant,
    pub(crate) holds: Duration,
}

/// Why there is no certificate.
pub(crate) enum Refusal {
    /// The coordinator said no: asking again will not help.
    Final(Box<Status>),
    /// It could not be reached, or could not answer now.
    Passing(anyhow::Error),
}

impl Papers {
    pub(crate) fn new(blob: JoinBlob, instance: String, region: String) -> anyhow::Result<Self> {
        Ok(Self { blob, key: AgentKey::generate()?, instance, region })
    }

    /// Asks until it is admitted, or refused for good, or its token has ended: an agent of a fleet may be up long before its
    /// coordinator is.
    pub(crate) async fn join(&self) -> anyhow::Result<Certificate> {
        let (fleet, until) = (&self.blob.fleet, Instant::now() + patience(self.blob.expires_unix, now_unix()));
        let mut patience = Patience::new();
        loop {
            let error = match self.ask().await {
                Ok(certificate) => return Ok(certificate),
                Err(Refusal::Final(status)) => return Err(refused(fleet, &status)),
                Err(Refusal::Passing(error)) => error.context(format!("joining the fleet {fleet}")),
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(error.context("giving up, because the token of the join blob has ended"));
            }
            let told = || {
                let left = duration::print(Duration::from_secs(left.as_secs()));
                format!("{error:#}; it is tried again until the token of the join blob ends, for {left}")
            };
            patience.failed(told).await;
        }
    }

    /// Asks once, at each address until one answers.
    pub(crate) async fn ask(&self) -> Result<Certificate, Refusal> {
        let mut failed = anyhow!("the join blob has no address");
        for address in &self.blob.coordinators {
            match self.ask_at(address).await {
                Err(Refusal::Passing(error)) => failed = error.context(format!("joining at {address}")),
                answered => return answered,
            }
        }
        Err(Refusal::Passing(failed))
    }

    async fn ask_at(&self, address: &str) -> Result<Certificate, Refusal> {
        let channel = connect(address, join_client(&self.blob.ca_der)).await.context("connecting");
        let mut client = JoinClient::new(channel.map_err(Refusal::Passing)?);
        let request = JoinRequest {
            token: self.blob.token.clone(),
            public_key: self.key.public.clone(),
            build: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned(),
            instance: self.instance.clone(),
            region: self.region.clone(),
        };
        receive(client.join(request)).await
    }

    /// Replaces the certificate that a connection was made with.
    pub(crate) async fn renew(&self, mut client: LinkClient<Channel>) -> Result<Certificate, Refusal> {
        receive(client.renew(RenewRequest { public_key: self.key.public.clone() })).await
    }
}

/// How an agent tells that it was refused for good.
pub(crate) fn refused(fleet: &str, status: &Status) -> anyhow::Error {
    anyhow!("joining the fleet {fleet}: {}", status.message())
}

async fn receive(asking: impl Future<Output = Result<Response<JoinReply>, Status>>) -> Result<Certificate, Refusal> {
    let asked = Instant::now();
    let answer = timeout(DIALLING, asking).await.context("waiting for the answer").map_err(Refusal::Passing)?;
    let JoinReply { certificate_chain, agent, holds_s, .. } = answer.map_err(judge)?.into_inner();
    let (agent, holds) = (AgentNumber(agent), Duration::from_secs(holds_s).min(LIFE_OF_A_FLEET));
    Ok(Certificate { agent, chain: certificate_chain, asked, holds })
}

/// A coordinator that has understood and says no says it for good; the rest may be the network's fault, or pass.
fn judge(status: Status) -> Refusal {
    match status.code() {
        Code::PermissionDenied
        | Code::Unauthenticated
        | Code::FailedPrecondition
        | Code::InvalidArgument
        | Code::Unimplemented => Refusal::Final(status.into()),
        _ => Refusal::Passing(anyhow!("{}", status.message())),
    }
}

/// How long an agent goes on asking with a token that ends at an instant.
fn patience(expires_unix: u64, now_unix: u64) -> Duration {
    Duration::from_secs(expires_unix.saturating_sub(now_unix)).clamp(LEAST_PATIENCE, LIFE_OF_A_FLEET)
}

fn now_unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_asks_until_its_token_ends() {
        let check = |sentence, expires: u64, now: u64, seconds: u64| {
            assert_eq!(patience(expires, now), Duration::from_secs(seconds), "{sentence}");
        };
        check("a token of an hour", 1_003_600, 1_000_000, 3_600);
        check("a token that ends soon", 1_000_003, 1_000_000, 60);
        check("a clock that is a day ahead", 1_000_000, 1_086_400, 60);
        check("a clock that begins in 1970", 2_000_000_000, 5, 90 * 24 * 3_600);
        check("a token without an end", u64::MAX, 1_000_000, 90 * 24 * 3_600);
    }

    #[test]
    fn only_a_no_is_final() {
        let is_final = |code| matches!(judge(Status::new(code, "said")), Refusal::Final(_));
        let all = [Code::PermissionDenied, Code::FailedPrecondition, Code::Unavailable, Code::Unknown, Code::Internal];
        assert_eq!(all.map(is_final), [true, true, false, false, false]);
    }
}
