//! Who plays a run, put together before anybody is launched: where the fleet is kept, who launches it, how many come.

mod kinds;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rehearsal_fleet::deploy::Mirror;
use rehearsal_fleet::{Exit, Launcher as _};
use rehearsal_plan::{Agents, Launch};
use rehearsal_relay::Tunnels;
use rehearsal_relay::options::LEASE;
use rehearsal_verdict::amounts::counted;
use tokio::sync::mpsc;

use super::advertise::Advertised;
use super::crew::Crew;
use super::home::Home;
use super::instances::Spent;
use super::launching::Berth;
use super::quote::Agreed;
use super::relay::{self, Way};
use crate::run::Gathering;
use crate::run::folder::Folder;
use crate::run::services::{Fleet, Invited, Listeners, Services};
use crate::serve::log;

pub(crate) use kinds::cores_of_an_agent;

/// How long a token is good that admits the agents of one run.
const TOKEN: Duration = Duration::from_secs(3_600);
/// The file of the join blob.
const JOIN: &str = "join";

/// What the command line says about who plays, beside the environment.
#[derive(Debug, Default, Clone)]
pub(crate) struct Wish {
    /// A fleet of instances that was agreed to.
    pub(crate) agreed: Option<Arc<Agreed>>,
    /// A fleet that stands already.
    pub(crate) standing: Option<Home>,
    /// By which host agents elsewhere reach this coordinator.
    pub(crate) advertised: Option<Advertised>,
    /// They reach it through a relay.
    pub(crate) is_relayed: bool,
}

/// Who plays a run.
pub(crate) struct Party {
    pub(crate) crew: Crew,
    pub(crate) exits: mpsc::Receiver<Exit>,
    pub(crate) spending: mpsc::Receiver<Spent>,
    pub(crate) gathering: Gathering,
    /// Threads of users in each agent; as many as it has cores if 0.
    pub(crate) threads: u32,
    /// Cores of an agent, as far as is known.
    pub(crate) cores: u32,
    home: Home,
    /// The fleet's name.
    name: String,
    agreed: Option<Arc<Agreed>>,
    advertised: Option<Advertised>,
    /// Where its agents look for the coordinator, if it was launched before.
    listeners: Option<[SocketAddr; 2]>,
    /// Where instances download their agent.
    mirror: Option<Mirror>,
    /// A relay is to be launched.
    is_relayed: bool,
    /// For as long as they are held, agents get through to a coordinator behind NAT.
    tunnels: Option<Tunnels>,
}

impl Party {
    /// Those that environment and command line want, for a run with an id and a folder. `is_resumed` if they were launched
    /// by a former life of this coordinator.
    pub(crate) async fn of(
        agents: &Agents,
        wish: &Wish,
        id: &str,
        folder: &Folder,
        is_resumed: bool,
    ) -> anyhow::Result<Party> {
        match (agents.launch, &wish.standing) {
            (Launch::Local, _) => kinds::local(agents, wish, id, folder),
            (Launch::Join, Some(home)) => kinds::standing(home.clone(), agents.ec2.min).await,
            (Launch::Join, None) => Ok(kinds::elsewhere(agents, wish, id, folder)),
            (Launch::Ec2, _) => kinds::ours(wish, id, folder, is_resumed).await,
        }
    }

    /// Where agents look for the coordinator, if that is settled; whether others than those of this machine do.
    pub(crate) fn listeners(&self) -> (Option<[SocketAddr; 2]>, bool) {
        let named = || self.advertised.as_ref().and_then(Advertised::listeners);
        (self.listeners.or_else(named), self.advertised.is_some())
    }

    /// Opens the way that leads through a relay, if one does; launches the relay, if it is not there yet.
    pub(crate) async fn open_way(&mut self, listeners: Listeners) -> anyhow::Result<Listeners> {
        if let (true, Some(agreed)) = (self.is_relayed, &self.agreed) {
            agreed.relay(&self.name, Some(&self.name), &self.home, LEASE).await?;
        }
        match relay::way(&self.home).await? {
            None => Ok(listeners),
            Some(Way { tunnels, incoming, advertised }) => {
                (self.tunnels, self.advertised) = (Some(tunnels), Some(advertised));
                Ok(listeners.and_relayed(incoming))
            }
        }
    }

    /// What has to be held for as long as agents are to reach this coordinator.
    pub(crate) fn hold(&mut self) -> (Option<Mirror>, Option<Tunnels>) {
        (self.mirror.take(), self.tunnels.take())
    }

    /// The fleet as agents meet it at the door.
    pub(crate) fn fleet(&self, has_started: bool) -> Fleet<'_> {
        let uses = u32::try_from(self.gathering.wanted).unwrap_or(u32::MAX);
        let is_invited = !has_started && !matches!(self.crew, Crew::Standing(_));
        Fleet {
            name: &self.name,
            folder: self.home.path(),
            advertised: self.advertised.as_ref(),
            stays: false,
            invited: is_invited.then_some(Invited { uses, holds: TOKEN }),
        }
    }

    /// Where its authority is.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Launches whoever is not there yet, or leaves word for whoever starts them.
    pub(crate) async fn gather(
        &mut self,
        services: &Services,
        listeners: [SocketAddr; 2],
        folder: &Folder,
    ) -> anyhow::Result<()> {
        let join = services.blob.to_string();
        match &mut self.crew {
            Crew::Local(local) => {
                let missing = self.gathering.wanted.saturating_sub(local.list().await?.len());
                local.launch(u32::try_from(missing).unwrap_or(u32::MAX), &join).await?;
            }
            Crew::Ours(instances) => {
                let agreed = self.agreed.as_ref().context("launching the fleet: nobody agreed to it")?;
                if !agreed.can_launch() {
                    bail!(
                        "the coordinator died while the fleet was being launched: it is ended now; start the run anew"
                    );
                }
                let berth = Berth {
                    name: &self.name,
                    run: Some(&self.name),
                    home: &self.home,
                    advertised: self.advertised.as_ref().context("launching the fleet: no --advertise")?,
                    listeners,
                    is_relayed: self.tunnels.is_some(),
                };
                let launched = agreed.launch(instances, berth, services).await?;
                self.gathering = agreed.wanted.gathering(launched.agents);
                self.mirror = launched.mirror;
            }
            Crew::Standing(_) => {}
            Crew::Elsewhere(_) => invite(folder, &join, self.gathering.wanted)?,
        }
        Ok(())
    }

    /// Forgets what only this run's agents needed.
    pub(crate) fn forget(folder: &Folder) {
        folder.remove(crate::run::authority::AUTHORITY);
        folder.remove(JOIN);
        folder.remove(relay::FILE);
    }
}

/// Leaves the join blob for whoever starts the agents.
fn invite(folder: &Folder, join: &str, agents: usize) -> anyhow::Result<()> {
    folder.write_secret(JOIN, join.as_bytes())?;
    let (file, agents) = (folder.path().join(JOIN), counted(agents as u64, "agent"));
    // What is in a command line, every user of the machine may read.
    let command = format!("REHEARSAL_JOIN=\"$(cat {})\" coordinator agent", file.display());
    log(&format!("waiting for {agents}: start each with `{command}`"));
    Ok(())
}
