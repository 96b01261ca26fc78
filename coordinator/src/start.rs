//! `coordinator start`: the whole job, from the scenario's text to the verdict and the exit code.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use rehearsal_api::{Server, Token};
use rehearsal_plan::Launch;

use crate::cli::{self, Dashboard};
use crate::exit::ExitCode;
use crate::play::{Run, Wishes};
use crate::prepare::{Prepared, prepared_or_told};
use crate::serve::{log, open_doors};
use crate::studio::Studio;

/// Where the dashboard is unless somebody says otherwise, or is there already.
const USUAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7_700);

/// Plays a scenario.
pub fn start(options: &cli::Start) -> anyhow::Result<ExitCode> {
    let Some(mut prepared) = prepared_or_told(&options.place)? else { return Ok(ExitCode::Usage) };
    if let Some(count) = options.agents {
        (prepared.environment.agents.launch, prepared.environment.agents.count) = (Launch::Local, count);
    }
    if let Some(refusal) = refusal(&prepared, options.yes) {
        let _ = writeln!(std::io::stderr(), "error: {refusal}");
        return Ok(ExitCode::Usage);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.context("starting a runtime")?.block_on(play(prepared, options))
}

/// What cannot be started though it is no mistake in the scenario.
pub(crate) fn refusal(prepared: &Prepared, yes: bool) -> Option<&'static str> {
    if prepared.environment_name == "production" && !yes {
        return Some("the environment is production: say --yes if you mean it");
    }
    match prepared.environment.agents.launch {
        Launch::Local => None,
        Launch::Ec2 => Some("agents.launch = \"ec2\" is not built yet: use local"),
        Launch::Join => Some("agents.launch = \"join\" is not built yet: use local"),
    }
}

async fn play(prepared: Prepared, options: &cli::Start) -> anyhow::Result<ExitCode> {
    let studio = Arc::new(Studio::new(&options.runs.out, None));
    let (server, dashboard) = doors(&studio, options.dashboard)?;
    let wishes = Wishes { seed: options.seed, at_terminal: true, dashboard };
    let played = Run::open(prepared, wishes, &studio)?.play(&studio).await;
    server.stop().await;
    played
}

/// Opens the doors for commands, and for people if a dashboard is wanted.
fn doors(studio: &Arc<Studio>, wanted: Option<Dashboard>) -> anyhow::Result<(Server, Option<String>)> {
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
