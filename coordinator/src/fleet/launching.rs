//! Launching a fleet that was agreed to: the agent's binary is served, the instances are asked for, and everything is
//! written down before anything costs money.

use std::net::SocketAddr;

use rehearsal_ec2::order::LONGEST_TTL;
use rehearsal_fleet::deploy::Mirror;

use super::advertise::Advertised;
use super::deploy::Deploy;
use super::home::{Home, Record};
use super::instances::Instances;
use super::quote::Agreed;
use crate::run::authority::now_unix;
use crate::run::services::Services;

/// Whose fleet is launched, and where its agents find their coordinator.
pub(super) struct Berth<'a> {
    pub(super) name: &'a str,
    pub(super) run: Option<&'a str>,
    pub(super) home: &'a Home,
    pub(super) advertised: &'a Advertised,
    pub(super) listeners: [SocketAddr; 2],
    /// They find it by way of a relay.
    pub(super) is_relayed: bool,
}

/// What came of a launch.
pub(crate) struct Launched {
    /// How many instances.
    pub(super) agents: usize,
    /// When the last of them has ended by itself, in seconds since the Unix epoch.
    pub(super) expires_unix: u64,
    /// Where they download their agent; it is needed until all have.
    pub(super) mirror: Option<Mirror>,
}

impl Agreed {
    /// Whether there is an agent for the instances.
    pub(super) fn can_launch(&self) -> bool {
        !matches!(self.deploy, Deploy::Nowhere)
    }

    /// Launches the fleet of a berth, and writes down at home what is known of it.
    pub(super) async fn launch(
        &self,
        instances: &mut Instances,
        berth: Berth<'_>,
        services: &Services,
    ) -> anyhow::Result<Launched> {
        let Berth { name, run, home, advertised, listeners, is_relayed } = berth;
        let (mirror, address) = if is_relayed {
            // The relay serves what it got itself.
            (None, Some(format!("https://{}:{}", advertised.host, advertised.mirror().port())))
        } else {
            self.deploy.serve(advertised.mirror(), &advertised.host, services.authority()).await?.unzip()
        };
        let boot = self.deploy.boot(services.blob.to_string(), address.as_deref());
        let record = Record {
            name: name.to_owned(),
            run: run.map(str::to_owned),
            wanted: self.wanted.clone(),
            advertised: advertised.clone(),
            listeners,
            // Until it is known when it really ends.
            expires_unix: now_unix() + LONGEST_TTL.as_secs(),
            spent: None,
        };
        home.keep(&record)?;
        let fleet = instances.launch(boot).await?;
        home.keep(&Record { expires_unix: fleet.expires_unix, ..record })?;
        Ok(Launched { agents: fleet.agents.len(), expires_unix: fleet.expires_unix, mirror })
    }
}
