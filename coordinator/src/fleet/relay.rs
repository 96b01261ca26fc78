//! `--coordinator ec2`: people behind NAT are reached through a small instance that relays. It is launched, gets the agent's
//! program pushed, and from then on this coordinator keeps tunnels to it; agents call it instead of us.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use rehearsal_ec2::forecast::{extras, on_demand};
use rehearsal_ec2::machines::{self, Arch};
use rehearsal_ec2::money::UsdPerHour;
use rehearsal_ec2::names::Region;
use rehearsal_ec2::relay::{self, Relay};
use rehearsal_ec2::user_data::UserData;
use rehearsal_fleet::deploy::AgentBinary;
use rehearsal_relay::{Bootstrap, Incoming, Progress, RelayOptions, Secret, State, Timing, Tunnels, push, user_data};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use super::advertise::Advertised;
use super::home::Home;
use super::quote::Agreed;
use crate::run::folder::replace;
use crate::serve::log;

/// Where agents join at a relay. They dial at the next port, download from the one after that, and this coordinator's tunnels
/// lead to the last.
const FIRST_PORT: u16 = 7_701;
/// Virtual CPUs of a relay: it copies bytes.
const VCPUS: u32 = 2;
/// How long an instance may take to have an address, and to take the program.
const BOOTING: Duration = Duration::from_secs(5 * 60);
/// How long the first tunnel may take.
const TUNNEL: Duration = Duration::from_secs(60);
/// The name of the file that tells how the relay is reached. It holds its secret.
pub(super) const FILE: &str = "relay.json";

/// How a relay is reached.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    address: IpAddr,
    secret: String,
}

/// A way to agents that leads through a relay.
pub(crate) struct Way {
    /// For as long as they are held, agents get through.
    pub(super) tunnels: Tunnels,
    /// Those who come to join, and those who dial.
    pub(super) incoming: [Incoming; 2],
    /// Where agents look for it.
    pub(super) advertised: Advertised,
}

/// What a relay costs at most.
pub(super) fn costs() -> UsdPerHour {
    on_demand(VCPUS) + extras()
}

impl Agreed {
    /// Launches a relay for a fleet and makes it one. It ends with the fleet, and by itself when nobody has used it for its
    /// lease.
    pub(super) async fn relay(
        &self,
        fleet: &str,
        run: Option<&str>,
        home: &Home,
        lease: Duration,
    ) -> anyhow::Result<()> {
        let program = self.deploy.program().context(
            "launching a relay: it gets the agent's program from this coordinator; name one for x86_64 or aarch64 with --agent",
        )?;
        let order = self.wanted.order(fleet, run, self.deploy.boot(String::new(), None));
        let at = self.relay_region().context("launching a relay: no region can be used")?;
        let secret = Secret::random();
        let doors = vec![FIRST_PORT, FIRST_PORT + 1];
        let mirror = Some(FIRST_PORT + 2);
        let options = RelayOptions { mirror, lease, ..RelayOptions::new(secret.clone(), FIRST_PORT + 3, doors) };
        let script = user_data(&Bootstrap {
            ttl: order.ttl,
            sha256: program.sha256().as_str().to_owned(),
            options: options.clone(),
        })?;
        let arch = if program.arch().name() == Arch::Aarch64.name() { Arch::Aarch64 } else { Arch::X86_64 };
        let wanted = Relay {
            fleet: fleet.to_owned(),
            run: run.map(str::to_owned),
            owner: order.owner.clone(),
            ports: (FIRST_PORT..=FIRST_PORT + 3).collect(),
            machines: machines::of_size(VCPUS, &[arch].into()),
            subnets: order.subnets.get(&at).cloned().unwrap_or_default(),
            user_data: UserData(script),
            ttl: order.ttl,
        };
        log(&format!("launching a relay in {at}, by which agents reach this coordinator"));
        let launched = relay::launch(&*self.cloud, &at, &wanted, SystemTime::now()).await;
        let instance = launched.with_context(|| format!("launching a relay in {at}"))?;
        let until = Instant::now() + BOOTING;
        let address = relay::address(&*self.cloud, &at, fleet, &instance, until).await;
        let address = address.with_context(|| format!("waiting for the address of the relay {instance} in {at}"))?;
        keep(home, &Kept { address, secret: secret.hex() })?;
        log(&format!("the relay is {instance} at {address}; it boots and gets the agent's program"));
        let control = SocketAddr::new(address, FIRST_PORT + 3);
        push(control, &secret, program.bytes(), BOOTING, |progress| {
            if let Progress::Sent { bytes, of } = progress
                && bytes == of
            {
                log("the relay has the agent's program");
            }
        })
        .await?;
        Ok(())
    }

    /// Where a relay is: in the first region that was named, else in the first that can be used.
    fn relay_region(&self) -> Option<Region> {
        let named = self.wanted.ec2.regions.iter().flatten().map(|name| Region(name.clone()));
        let mut regions = named.chain(self.market.offers.keys().cloned());
        regions.find(|region| self.market.offers.contains_key(region))
    }
}

/// Opens the tunnels to the relay of a fleet, if it has one.
pub(super) async fn way(home: &Home) -> anyhow::Result<Option<Way>> {
    let path = home.path().join(FILE);
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let Kept { address, secret } =
        serde_json::from_str(&text).with_context(|| format!("understanding {}", path.display()))?;
    let secret: Secret = secret.parse().with_context(|| format!("understanding {}", path.display()))?;
    let control = SocketAddr::new(address, FIRST_PORT + 3);
    let (tunnels, incoming) = Tunnels::open(vec![control], secret, 2, Timing::default());
    let Ok(incoming) = <[Incoming; 2]>::try_from(incoming) else {
        bail!("opening tunnels to the relay: two doors were meant")
    };
    let mut state = tunnels.watch();
    let is_open = state.wait_for(|state| matches!(state, State::Connected { .. }));
    if timeout(TUNNEL, is_open).await.is_err() {
        bail!("opening tunnels to the relay at {control}: it does not answer; has the fleet ended?");
    }
    let host = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    Ok(Some(Way { tunnels, incoming, advertised: Advertised { host, port: Some(FIRST_PORT) } }))
}

fn keep(home: &Home, kept: &Kept) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(kept).context("writing how the relay is reached as JSON")?;
    replace(&home.path().join(FILE), text.as_bytes(), 0o600)
}

impl super::deploy::Deploy {
    /// A build that a relay can run.
    fn program(&self) -> Option<&AgentBinary> {
        match self {
            super::deploy::Deploy::Here(binaries) => binaries.first(),
            super::deploy::Deploy::There(_) | super::deploy::Deploy::Nowhere => None,
        }
    }
}
