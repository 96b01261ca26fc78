//! Joining: the token of the blob is exchanged for a certificate. The private key never leaves this process.

use std::time::Duration;

use anyhow::{Context as _, bail};
use rehearsal_plan::AgentNumber;
use rehearsal_proto::join::JoinBlob;
use rehearsal_proto::tls::{AgentKey, join_client};
use rehearsal_proto::v1::{JoinRequest, join_client::JoinClient};

use crate::connection::{DIALLING, connect};

/// Attempts over all addresses before giving up: an agent of a fleet may be up before its coordinator is.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);

/// Who this agent is from now on.
pub(crate) struct Identity {
    pub(crate) agent: AgentNumber,
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) key: AgentKey,
}

/// Asks the coordinator for a certificate.
pub(crate) async fn join(blob: &JoinBlob, instance: &str) -> anyhow::Result<Identity> {
    let key = AgentKey::generate()?;
    let mut last = None;
    for attempt in 0..ATTEMPTS {
        for address in &blob.coordinators {
            match ask(blob, address, &key, instance).await {
                Ok((agent, chain)) => return Ok(Identity { agent, chain, key }),
                Err(Refusal::Final(status)) => bail!("joining the fleet {}: {}", blob.fleet, status.message()),
                Err(Refusal::Passing(error)) => last = Some(error.context(format!("joining at {address}"))),
            }
        }
        if attempt + 1 < ATTEMPTS {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Err(last.unwrap_or_else(|| anyhow::anyhow!("the join blob has no address")))
}

enum Refusal {
    /// The coordinator said no: asking again will not help.
    Final(Box<tonic::Status>),
    /// It could not be reached.
    Passing(anyhow::Error),
}

async fn ask(
    blob: &JoinBlob,
    address: &str,
    key: &AgentKey,
    instance: &str,
) -> Result<(AgentNumber, Vec<Vec<u8>>), Refusal> {
    let channel = connect(address, join_client(&blob.ca_der)).await.context("connecting").map_err(Refusal::Passing)?;
    let request = JoinRequest {
        token: blob.token.clone(),
        public_key: key.public.clone(),
        build: env!("CARGO_PKG_VERSION").to_owned(),
        hostname: std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned(),
        instance: instance.to_owned(),
    };
    let mut client = JoinClient::new(channel);
    let answer = tokio::time::timeout(DIALLING, client.join(request)).await.context("waiting for the answer");
    match answer.map_err(Refusal::Passing)? {
        Ok(reply) => {
            let reply = reply.into_inner();
            Ok((AgentNumber(reply.agent), reply.certificate_chain))
        }
        Err(status) if matches!(status.code(), tonic::Code::Unavailable | tonic::Code::ResourceExhausted) => {
            Err(Refusal::Passing(anyhow::anyhow!("{}", status.message())))
        }
        Err(status) => Err(Refusal::Final(status.into())),
    }
}
