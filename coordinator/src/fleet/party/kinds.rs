//! The kinds of parties: processes of this machine, agents that people start, a fleet that is up, a fleet of one's own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rehearsal_fleet::{GuestList, Local, LocalOptions};
use rehearsal_plan::{Agents, Launch};
use tokio::sync::mpsc;

use super::super::crew::Crew;
use super::super::home::Home;
use super::super::instances::{Heard, Instances};
use super::super::quote::{Agreed, again};
use super::super::wanted::VCPUS;
use super::{Party, Wish};
use crate::run::Gathering;
use crate::run::folder::Folder;
use crate::serve::log;

/// How long a local agent may take to end when asked, before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// As many processes of this machine.
pub(super) fn local(agents: &Agents, wish: &Wish, id: &str, folder: &Folder) -> anyhow::Result<Party> {
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
pub(super) fn elsewhere(agents: &Agents, wish: &Wish, id: &str, folder: &Folder) -> Party {
    let gathering = Gathering::by_themselves(agents.count as usize);
    // How many cores others have nobody knows, unless somebody has said so: they are taken for agents of this machine.
    let cores = cores_of_an_agent(agents);
    let party = Party::with(Crew::Elsewhere(GuestList::Counted), gathering, id, Home::of_run(folder.path()), wish);
    Party { threads: cores, cores, ..party }
}

/// The instances of a fleet that `fleet up` launched.
pub(super) async fn standing(home: Home, least: Option<u32>) -> anyhow::Result<Party> {
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
            if alive == 0 {
                bail!(
                    "playing with the fleet {name}: none of its instances is there any more; `coordinator fleet down {name}` \
                     forgets it, `coordinator fleet up` launches another"
                );
            }
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
pub(super) async fn ours(wish: &Wish, id: &str, folder: &Folder, is_resumed: bool) -> anyhow::Result<Party> {
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
