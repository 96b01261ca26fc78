//! `coordinator start`: the whole job, from the scenario's text to the verdict and the exit code.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use rehearsal_api::{Server, Token};
use rehearsal_plan::Launch;

use crate::cli::{self, Crew, Dashboard, Place};
use crate::exit::ExitCode;
use crate::opening::{Wishes, place_of};
use crate::play::Run;
use crate::prepare::{Prepared, prepared_or_told, print, unfit_target};
use crate::run::folder::Folder;
use crate::serve::{log, open_doors};
use crate::studio::Studio;

/// Where the dashboard is unless somebody says otherwise, or is there already.
const USUAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7_700);

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
    options.crew.join(&mut prepared);
    if let Some(refusal) = refusal(&prepared, options.crew.yes || former.is_some()) {
        let _ = writeln!(std::io::stderr(), "error: {refusal}");
        return Ok(ExitCode::Usage);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.context("starting a runtime")?.block_on(play(prepared, former, options))
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

/// What cannot be started though it is no mistake in the scenario.
pub(crate) fn refusal(prepared: &Prepared, yes: bool) -> Option<&'static str> {
    if prepared.environment_name == "production" && !yes {
        return Some("the environment is production: say --yes if you mean it");
    }
    match prepared.environment.agents.launch {
        Launch::Local | Launch::Join => None,
        Launch::Ec2 => Some("agents.launch = \"ec2\" is not built yet: use local or join"),
    }
}

async fn play(prepared: Prepared, former: Option<Folder>, options: &cli::Start) -> anyhow::Result<ExitCode> {
    // A run that goes on has load already, whatever Consul says.
    if former.is_none()
        && let Some(fault) = unfit_target(&prepared).await
    {
        print(&[fault], &prepared.source);
        return Ok(ExitCode::Usage);
    }
    let studio = Arc::new(Studio::new(&options.runs.out, None));
    let (server, dashboard) = doors(&studio, options.crew.dashboard)?;
    let wishes = Wishes {
        seed: options.seed,
        at_terminal: true,
        is_served: false,
        dashboard,
        advertise: options.crew.advertise.clone(),
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
    /// Says who plays, if the command line has something to say about it.
    pub(crate) fn join(&self, prepared: &mut Prepared) {
        if let Some((launch, count)) = self.agents {
            (prepared.environment.agents.launch, prepared.environment.agents.count) = (launch, count);
        }
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
