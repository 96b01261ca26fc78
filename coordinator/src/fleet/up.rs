//! `coordinator fleet up`: launches a fleet for several runs, and waits until its agents have joined. After that nobody
//! needs this coordinator: the agents wait for the one that plays a run with them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use rehearsal_engine::RunClock;
use rehearsal_fleet::{End, Exit};
use rehearsal_plan::Agents;
use rehearsal_verdict::amounts::counted;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::advertise::Advertised;
use super::home::Home;
use super::instances::{Heard, Instances};
use super::launching::Berth;
use super::options::{Ordered, Up};
use super::quote::{Agreed, agree};
use super::relay;
use super::wanted::Wanted;
use crate::cli::Place;
use crate::exit::ExitCode;
use crate::prepare::prepared_or_told;
use crate::run::Interrupts;
use crate::run::folder::new_id;
use crate::run::services::{Arrival, Fleet, Invited, Listeners, Services};
use crate::serve::log;

/// How long agents may take from the launch to joining: instances boot and download first.
const JOINING: Duration = Duration::from_secs(5 * 60);
/// Agents that wait to be counted.
const INBOX: usize = 1_024;

/// What was ordered, from the scenario's environment and the options. None if the scenario has mistakes, which are told.
pub(super) fn wanted(ordered: &Ordered) -> anyhow::Result<Option<Wanted>> {
    let agents = match &ordered.scenario {
        None => Agents::default(),
        Some(scenario) => {
            let place = Place { scenario: scenario.clone(), surroundings: ordered.surroundings.clone() };
            match prepared_or_told(&place)? {
                Some(prepared) => prepared.environment.agents,
                None => return Ok(None),
            }
        }
    };
    let (count, ec2) = (ordered.agents.unwrap_or(agents.count), ordered.instances.said().or(agents.ec2));
    Ok(Some(Wanted { agents: count, lasts: ordered.lasts, is_relayed: false, ec2 }))
}

/// Launches it.
pub(super) async fn up(options: &Up) -> anyhow::Result<ExitCode> {
    let Some(wanted) = wanted(&options.ordered)? else { return Ok(ExitCode::Usage) };
    let name = options.name.clone();
    let name = name.unwrap_or_else(|| format!("fleet-{}", new_id(SystemTime::now().into(), rand::random())));
    if let Some(advertised) = &options.advertise {
        advertised.check().await?;
    }
    let wanted = Wanted { is_relayed: options.advertise.is_none(), ..wanted };
    match raise(wanted, &name, options.advertise.as_ref(), &options.fleets.fleets, options.yes).await? {
        Ok(raised) => {
            log(&format!("{}\nplay with it: coordinator start SCENARIO --agents join --fleet {name}", raised.told));
            Ok(ExitCode::Pass)
        }
        Err(code) => Ok(code),
    }
}

/// A fleet whose agents have joined.
pub(super) struct Raised {
    pub(super) instances: Instances,
    /// What is to be said of it.
    pub(super) told: String,
}

/// Has somebody agree to a fleet, launches it and waits for its agents. What failed, or was interrupted, is ended.
pub(super) async fn raise(
    wanted: Wanted,
    name: &str,
    advertised: Option<&Advertised>,
    fleets: &Path,
    yes: bool,
) -> anyhow::Result<Result<Raised, ExitCode>> {
    let Some(agreed) = agree(wanted, name, yes).await? else { return Ok(Err(ExitCode::Usage)) };
    // A port that is taken is found before there is anything to end.
    let listeners = Listeners::open(advertised.and_then(Advertised::listeners), advertised.is_some()).await?;
    let home = Home::create(fleets, name)?;
    let (mut instances, heard) = Instances::of(&agreed, name, None, home.clone());
    let mut interrupts = Interrupts::new()?;
    let standing = tokio::select! {
        standing = stand(&agreed, &mut instances, heard, &home, name, advertised, listeners) => standing.map(Some),
        () = interrupts.recv() => Ok(None),
    };
    match standing {
        Ok(Some(told)) => Ok(Ok(Raised { instances, told })),
        failed => {
            log("giving the fleet up");
            tokio::select! {
                ended = instances.end() => ended.map(|_| home.remove())??,
                () = interrupts.recv() => {}
            }
            failed.map(|_| Err(ExitCode::Stopped))
        }
    }
}

/// Launches the fleet and waits for its agents; tells what stands then. Where nobody can dial this coordinator, a relay is
/// launched with it, which stays as long as it.
async fn stand(
    agreed: &Agreed,
    instances: &mut Instances,
    heard: Heard,
    home: &Home,
    name: &str,
    advertised: Option<&Advertised>,
    mut listeners: Listeners,
) -> anyhow::Result<String> {
    let addresses = listeners.addresses()?;
    let lives = agreed.wanted.order(name, None, agreed.deploy.boot(String::new(), None)).ttl;
    // For as long as tunnels are held, agents get through a relay.
    let (mut tunnels, mut advertised) = (None, advertised.cloned());
    if advertised.is_none() {
        agreed.relay(name, None, home, lives).await?;
        let way = relay::way(home).await?.context("opening tunnels to the relay that was launched just now")?;
        listeners = listeners.and_relayed(way.incoming);
        (tunnels, advertised) = (Some(way.tunnels), Some(way.advertised));
    }
    let advertised = advertised.context("nobody said how agents reach this coordinator")?;
    let invited = Invited { uses: agreed.wanted.instances(), holds: lives + JOINING };
    let fleet = Fleet { name, folder: home.path(), advertised: Some(&advertised), stays: true, invited: Some(invited) };
    let (arrivals, inbox) = mpsc::channel(INBOX);
    let clock = Arc::new(RunClock::starting_at(Instant::now()));
    let services = Services::start(listeners, fleet, instances.guests(), clock, arrivals).await?;
    let is_relayed = tunnels.is_some();
    let berth = Berth { name, run: None, home, advertised: &advertised, listeners: addresses, is_relayed };
    let launched = agreed.launch(instances, berth, &services).await?;
    log(&format!("launched {}; waiting for them to boot and join", counted(launched.agents as u64, "instance")));
    let (joined, ended) = joined(inbox, heard.exits, launched.agents).await;
    services.stop();
    let least = agreed.wanted.least() as usize;
    anyhow::ensure!(
        joined >= least,
        "launching the fleet: {joined} of {} agents joined, {ended} ended before, and {least} are a must. What an instance did when \
         it booted, `aws ec2 get-console-output` tells; as a rule it could not reach {} at its three ports",
        launched.agents,
        advertised.host
    );
    let ends = launched.expires_unix.saturating_sub(crate::run::authority::now_unix()) / 60;
    Ok(format!(
        "fleet {name} is up: {joined} of {} agents have joined; it ends itself within {ends} min",
        launched.agents
    ))
}

/// Counts who joins, until all have that still can, or time is up; and who has ended.
async fn joined(mut inbox: mpsc::Receiver<Arrival>, mut exits: mpsc::Receiver<Exit>, wanted: usize) -> (usize, usize) {
    let until = Instant::now() + JOINING;
    let (mut known, mut ended) = (std::collections::BTreeSet::new(), 0);
    while known.len() + ended < wanted {
        let arrival = tokio::select! {
            arrival = inbox.recv() => arrival,
            Some(exit) = exits.recv() => {
                ended += usize::from(!matches!(exit.end, End::Dismissed(_)));
                log(&format!("{} has ended: {}", exit.instance, exit.end));
                continue;
            }
            () = sleep_until(until) => break,
        };
        let Some(arrival) = arrival else { break };
        // Whoever dials now is sent away: there is no run yet.
        if let Arrival::Joined { agent, guest, stored } = arrival {
            if known.insert(agent) {
                log(&format!("{:<16} {} has joined ({} of {wanted})", guest.region, guest.instance, known.len()));
            }
            let _ = stored.send(()); // it may have hung up
        }
    }
    (known.len(), ended)
}
