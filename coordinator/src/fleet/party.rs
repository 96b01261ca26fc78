//! Who plays a run, put together before anybody is launched: where the fleet is kept, who launches it, how many come.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rehearsal_fleet::deploy::Mirror;
use rehearsal_fleet::{Exit, GuestList, Launcher as _, Local, LocalOptions};
use rehearsal_plan::{Agents, Launch};
use rehearsal_relay::Tunnels;
use rehearsal_relay::options::LEASE;
use rehearsal_verdict::amounts::counted;
use tokio::sync::mpsc;

use super::advertise::Advertised;
use super::crew::Crew;
use super::home::Home;
use super::instances::{Heard, Instances, Spent};
use super::launching::Berth;
use super::quote::{Agreed, again};
use super::relay::{self, Way};
use super::wanted::VCPUS;
use crate::run::Gathering;
use crate::run::folder::Folder;
use crate::run::services::{Fleet, Invited, Listeners, Services};
use crate::serve::log;

/// How long a token is good that admits the agents of one run.
const TOKEN: Duration = Duration::from_secs(3_600);
/// How long a local agent may take to end when asked, before it is killed.
const GRACE: Duration = Duration::from_secs(5);
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
            (Launch::Local, _) => local(agents, wish, id, folder),
            (Launch::Join, Some(home)) => standing(home.clone(), agents.ec2.min).await,
            (Launch::Join, None) => Ok(elsewhere(agents, wish, id, folder)),
            (Launch::Ec2, _) => ours(wish, id, folder, is_resumed).await,
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

/// As many processes of this machine.
fn local(agents: &Agents, wish: &Wish, id: &str, folder: &Folder) -> anyhow::Result<Party> {
    let (local, exits) = Local::new(LocalOptions {
        program: std::env::current_exe().context("finding this program")?,
        args: vec!["agent".into(), "--tied-to-stdin".into()],
        fleet: id.to_owned(),
        folder: folder.path().to_owned(),
        grace: GRACE,
    });
    let cores = cores_of_an_agent(agents);
    let gathering = Gathering::local(agents.count as usize);
    Ok(Party {
        exits,
        threads: cores,
        cores,
        ..Party::with(Crew::Local(local), gathering, id, Home::of_run(folder.path()), wish)
    })
}

/// As many as people start.
fn elsewhere(agents: &Agents, wish: &Wish, id: &str, folder: &Folder) -> Party {
    let gathering = Gathering::by_themselves(agents.count as usize);
    // How many cores others have nobody knows, unless somebody has said so: they are taken for agents of this machine.
    let cores = cores_of_an_agent(agents);
    let party = Party::with(Crew::Elsewhere(GuestList::Counted), gathering, id, Home::of_run(folder.path()), wish);
    Party { threads: cores, cores, ..party }
}

/// The instances of a fleet that `fleet up` launched.
async fn standing(home: Home, least: Option<u32>) -> anyhow::Result<Party> {
    let mut record = home.record()?;
    record.wanted.ec2.min = least.or(record.wanted.ec2.min);
    let joined = rehearsal_fleet::Authority::load(home.path())?.admitted();
    if joined == 0 {
        bail!(
            "playing with the fleet {}: none of its agents has ever joined; `coordinator fleet down {0}` ends it",
            record.name
        );
    }
    let wish = Wish { advertised: Some(record.advertised.clone()), ..Wish::default() };
    let party = match again(&record).await {
        Ok(agreed) => {
            let (instances, heard) = Instances::of(&agreed, &record.name, record.run.as_deref(), home.clone());
            let alive = instances.alive().await.len().min(joined);
            let (least, name) = (record.wanted.least(), &record.name);
            if (alive as u32) < least {
                bail!(
                    "playing with the fleet {name}: {alive} of its {} agents are left, and {least} are a must; say --min-agents if \
                     fewer will do",
                    record.wanted.agents
                );
            }
            let gathering = record.wanted.gathering(alive);
            Party::with(Crew::Standing(instances), gathering, &record.name, home, &wish).hearing(heard)
        }
        Err(error) => {
            log(&format!(
                "warning: the fleet {} is not looked at: {error:#}. Its agents have been vouched for and play; others are not \
                 admitted, its cost is not reckoned, and its instances end themselves when their time is over",
                record.name
            ));
            let gathering = record.wanted.gathering(joined);
            Party::with(Crew::Elsewhere(GuestList::nobody()), gathering, &record.name, home, &wish)
        }
    };
    let cores = record.wanted.vcpus();
    Ok(Party { threads: cores, cores, listeners: Some(record.listeners), ..party })
}

/// The instances that were agreed to, or those that a former life of this coordinator launched.
async fn ours(wish: &Wish, id: &str, folder: &Folder, is_resumed: bool) -> anyhow::Result<Party> {
    let home = Home::of_run(folder.path());
    if !is_resumed {
        let agreed = wish.agreed.clone().context("launching the fleet: nobody agreed to it")?;
        return Ok(instances(agreed, wish, id, home));
    }
    let record = home.record()?;
    let wish = Wish { advertised: Some(record.advertised.clone()), ..Wish::default() };
    match again(&record).await {
        Ok(agreed) => Ok(instances(Arc::new(agreed), &wish, id, home)),
        Err(error) => {
            log(&format!(
                "warning: the run goes on, and nobody looks at its fleet: {error:#}. End it with `coordinator fleet down {id}`"
            ));
            let gathering = record.wanted.gathering(record.wanted.instances() as usize);
            let party = Party::with(Crew::Elsewhere(GuestList::nobody()), gathering, id, home, &wish);
            let cores = record.wanted.vcpus();
            Ok(Party { threads: cores, cores, ..party })
        }
    }
}

fn instances(agreed: Arc<Agreed>, wish: &Wish, id: &str, home: Home) -> Party {
    let gathering = agreed.wanted.gathering(agreed.wanted.instances() as usize);
    let cores = agreed.wanted.vcpus();
    let (instances, heard) = Instances::of(&agreed, id, Some(id), home.clone());
    let wish = Wish { agreed: Some(agreed), ..wish.clone() };
    let party = Party::with(Crew::Ours(instances), gathering, id, home, &wish).hearing(heard);
    Party { threads: cores, cores, ..party }
}

impl Party {
    /// One of which nothing is heard.
    fn with(crew: Crew, gathering: Gathering, name: &str, home: Home, wish: &Wish) -> Party {
        let (exits, spending) = (mpsc::channel(1).1, mpsc::channel(1).1);
        Party {
            crew,
            exits,
            spending,
            gathering,
            threads: 0,
            cores: 1,
            home,
            name: name.to_owned(),
            agreed: wish.agreed.clone(),
            advertised: wish.advertised.clone(),
            listeners: None,
            mirror: None,
            is_relayed: wish.is_relayed,
            tunnels: None,
        }
    }

    fn hearing(self, Heard { exits, spending }: Heard) -> Party {
        Party { exits, spending, ..self }
    }
}

/// Leaves the join blob for whoever starts the agents.
fn invite(folder: &Folder, join: &str, agents: usize) -> anyhow::Result<()> {
    folder.write_secret(JOIN, join.as_bytes())?;
    let (file, agents) = (folder.path().join(JOIN), counted(agents as u64, "agent"));
    let command = format!("coordinator agent --join \"$(cat {})\"", file.display());
    log(&format!("waiting for {agents}: start each with `{command}`"));
    Ok(())
}

/// How many cores an agent has: an instance as many as were ordered, agents of this machine their share of it. Of those that
/// come by themselves nobody knows.
pub(crate) fn cores_of_an_agent(agents: &Agents) -> u32 {
    let ordered = agents.ec2.vcpus.or((agents.launch == Launch::Ec2).then_some(VCPUS));
    match ordered.filter(|_| agents.launch != Launch::Local) {
        Some(vcpus) => vcpus,
        None => {
            let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
            (cores / agents.count.max(1)).max(1)
        }
    }
}
