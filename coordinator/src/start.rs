//! `coordinator start`: the whole job, from the scenario's text to the verdict and the exit code.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use rehearsal_api::{Server, Token};
use rehearsal_plan::Launch;

use crate::cli::{self, Crew, Dashboard, Place};
use crate::exit::{ExitCode, misuse};
use crate::fleet::{Home, Wanted, Wish, agree, find_standing};
use crate::opening::{Wishes, place_of};
use crate::play::Run;
use crate::prepare::{Prepared, prepared_or_told, print, unfit_target};
use crate::run::folder::Folder;
use crate::serve::{log, open_doors};
use crate::studio::Studio;

/// Where the dashboard is unless somebody says otherwise, or is there already.
const USUAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7_700);

/// Instances are told by which address they reach this coordinator.
const NOWHERE: &str = "launching instances: they have to reach this coordinator; say by which host with --advertise \
                       HOST[:PORT], or use --coordinator ec2 if it is behind a router";
/// What a fleet is called before its run has an id; no fleet is called so.
const NO_FLEET: &str = "start/";
/// How long instances are needed for a plan of which nobody can say when it ends.
const UNKNOWN: Duration = Duration::from_secs(2 * 3_600);
/// How long before its start they are launched.
const BEFORE: Duration = Duration::from_secs(10 * 60);

/// Plays a scenario, or goes on with a run whose coordinator died.
pub fn start(options: &cli::Start) -> anyhow::Result<ExitCode> {
    let former = options.resume.as_deref().map(|run| Folder::find(&options.runs.out, run)).transpose()?;
    let place = match &former {
        Some(folder) => former_place(folder, options)?,
        None => Place {
            scenario: options.scenario.clone().context("no scenario was named")?,
            surroundings: options.surroundings.clone(),
        },
    };
    let Some(mut prepared) = prepared_or_told(&place)? else { return Ok(ExitCode::Usage) };
    let standing = if former.is_none() { options.crew.join(&mut prepared)? } else { None };
    if let Some(refusal) = unmeant(&prepared, options.crew.yes || former.is_some()) {
        let _ = writeln!(std::io::stderr(), "error: {refusal}");
        return Ok(ExitCode::Usage);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.context("starting a runtime")?.block_on(play(prepared, former, standing, options))
}

/// Where the scenario of a former run is. Whoever names one as well must mean the same.
fn former_place(folder: &Folder, options: &cli::Start) -> anyhow::Result<Place> {
    let place = place_of(folder)?;
    let same = |named: &PathBuf| named.canonicalize().ok() == place.scenario.canonicalize().ok();
    if let Some(named) = options.scenario.as_ref().filter(|named| !same(named)) {
        bail!("run {} plays {}, not {}", folder.id(), place.scenario.display(), named.display());
    }
    Ok(place)
}

/// What only those may start who say so.
fn unmeant(prepared: &Prepared, yes: bool) -> Option<&'static str> {
    let is_production = prepared.environment_name == "production";
    (is_production && !yes).then_some("the environment is production: say --yes if you mean it")
}

/// What cannot be started, though it is no mistake in the scenario, where nobody can agree to what a fleet costs.
pub(crate) fn refusal(prepared: &Prepared, yes: bool) -> Option<&'static str> {
    unmeant(prepared, yes).or((prepared.environment.agents.launch == Launch::Ec2).then_some(
        "instances are launched by `coordinator start` and `coordinator fleet up` only, where somebody agrees to what they \
         cost: launch a fleet and play with it (--agents join)",
    ))
}

/// The fleet that a scenario wants in its environment.
pub(crate) fn wanted(prepared: &Prepared) -> Wanted {
    let agents = &prepared.environment.agents;
    let lasts = rehearsal_plan::Forecast::of(&prepared.plan).duration.unwrap_or(UNKNOWN) + BEFORE;
    Wanted { agents: agents.count, lasts, is_relayed: false, ec2: agents.ec2.clone() }
}

/// Has somebody agree to a fleet of instances, if one is wanted. None if nobody does.
async fn agreed(prepared: &Prepared, crew: &Crew) -> anyhow::Result<Option<Wish>> {
    let agents = &prepared.environment.agents;
    let is_relayed = crew.coordinator.is_some();
    let wish = Wish { advertised: crew.advertise.clone(), is_relayed, ..Wish::default() };
    if agents.launch != Launch::Ec2 {
        return Ok(Some(wish));
    }
    match &crew.advertise {
        Some(advertised) => advertised.check().await?,
        None if is_relayed => {}
        None => return Err(misuse(anyhow!(NOWHERE))),
    }
    if agents.ec2.spares.is_some_and(|spares| spares > 0) && prepared.plan.restore.is_none() {
        log(
            "warning: a spare takes over who is still to come; users that are there when an agent goes are lost, unless the \
             plan has them `restore`d",
        );
    }
    let wanted = Wanted { is_relayed, ..wanted(prepared) };
    let agreed = agree(wanted, NO_FLEET, crew.yes).await?;
    Ok(agreed.map(|agreed| Wish { agreed: Some(Arc::new(agreed)), ..wish }))
}

async fn play(
    prepared: Prepared,
    former: Option<Folder>,
    standing: Option<Home>,
    options: &cli::Start,
) -> anyhow::Result<ExitCode> {
    // A run that goes on has load already, whatever Consul says.
    if former.is_none()
        && let Some(fault) = unfit_target(&prepared).await
    {
        print(&[fault], &prepared.source);
        return Ok(ExitCode::Usage);
    }
    let agents = match &former {
        Some(_) => Wish::default(),
        None => match agreed(&prepared, &options.crew).await? {
            Some(wish) => Wish { standing, ..wish },
            None => return Ok(ExitCode::Usage),
        },
    };
    let studio = Arc::new(Studio::new(&options.runs.out, None));
    let (server, dashboard) = doors(&studio, options.crew.dashboard)?;
    let wishes = Wishes {
        seed: options.seed,
        at_terminal: true,
        is_served: false,
        dashboard,
        agents,
        slow_disk: options.slow_disk,
    };
    let run = match former {
        Some(folder) => Run::resume(prepared, wishes, &studio, folder)?,
        None => Run::open(prepared, wishes, &studio)?,
    };
    let played = run.play(&studio).await;
    server.stop().await;
    played
}

impl Crew {
    /// Says who plays, if the command line has something to say about it; gives the fleet that does, if it is up already.
    pub(crate) fn join(&self, prepared: &mut Prepared) -> anyhow::Result<Option<Home>> {
        let agents = &mut prepared.environment.agents;
        agents.ec2 = self.instances.said().or(std::mem::take(&mut agents.ec2));
        if let Some((launch, count)) = self.agents {
            agents.launch = launch;
            agents.count = count.unwrap_or(agents.count);
        }
        let takes_fleet = self.fleet.is_some() || matches!(self.agents, Some((Launch::Join, None)));
        let idle = self.instances.idle(if takes_fleet { Launch::Join } else { agents.launch }, takes_fleet);
        if !idle.is_empty() {
            return Err(misuse(anyhow!(
                "putting the agents together: {} {} how instances are to be launched, and none are; leave that out, or say \
                 --agents ec2:N",
                idle.join(", "),
                if idle.len() == 1 { "says" } else { "say" }
            )));
        }
        if !takes_fleet {
            return Ok(None);
        }
        let (home, record) = find_standing(&self.fleets.fleets, self.fleet.as_deref())?;
        (agents.launch, agents.count) = (Launch::Join, record.wanted.agents);
        agents.ec2.vcpus = Some(record.wanted.vcpus());
        Ok(Some(home))
    }
}

/// Opens the doors for commands, and for people if a dashboard is wanted.
pub(crate) fn doors(studio: &Arc<Studio>, wanted: Option<Dashboard>) -> anyhow::Result<(Server, Option<String>)> {
    let open = |address| open_doors(studio, address, "--dashboard", Token::random());
    let any_port = SocketAddr::new(USUAL.ip(), 0);
    let (server, address) = match wanted {
        Some(Dashboard::At(address)) => open(address)?,
        Some(Dashboard::Off) => open(any_port)?,
        // Another run's dashboard may be there.
        None => open(USUAL).or_else(|_| open(any_port))?,
    };
    if wanted == Some(Dashboard::Off) {
        return Ok((server, None));
    }
    log(&format!("dashboard  {address}"));
    Ok((server, Some(address)))
}
