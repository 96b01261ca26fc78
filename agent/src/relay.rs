//! `agent relay`: agents reach a coordinator behind NAT through an instance that runs this. It is a part of the agent's
//! program because it is the one program that instances get.

use std::future::pending;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use rehearsal_fleet::Authority;
use rehearsal_fleet::deploy::{AgentBinary, Mirror};
use rehearsal_relay::options::VARIABLE;
use rehearsal_relay::{Relay, RelayOptions};
use tokio::signal::unix::{SignalKind, signal};

use crate::connection::log;
use crate::exit_code;

/// Relays until nobody needs it, or it is asked to end.
#[must_use]
pub fn main() -> ExitCode {
    exit_code(relay())
}

async fn relay() -> anyhow::Result<()> {
    let options = std::env::var(VARIABLE).with_context(|| format!("{VARIABLE} is not set"))?;
    let options: RelayOptions = options.parse()?;
    let mut relay = Relay::bind(&options).await?;
    // Agents get from here what this instance got: through the coordinator's own line it would take too long.
    let _mirror = match relay.take_mirror() {
        Some(listener) => Some(Mirror::start(listener, vec![itself()?], &certificate()?).await?),
        None => None,
    };
    let mut terminate = signal(SignalKind::terminate()).context("listening to SIGTERM")?;
    let asked = async {
        if terminate.recv().await.is_none() {
            pending().await
        }
    };
    let ended = relay.run(asked).await;
    log(&format!("the relay ends: {ended:?}"));
    Ok(())
}

fn itself() -> anyhow::Result<AgentBinary> {
    AgentBinary::read(Path::new("/proc/self/exe")).context("reading this program")
}

/// One that nobody checks: what is downloaded is.
fn certificate() -> anyhow::Result<rehearsal_fleet::ServerCertificate> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Ok(Authority::create("relay", now)?.server_certificate(&["localhost".to_owned()], now)?)
}
