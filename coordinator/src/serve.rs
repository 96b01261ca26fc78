//! `coordinator serve`: the dashboard and the API, from which runs are started, steered, read and deleted, until Ctrl-C.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use rehearsal_api::{Command, Listen, Reach, Server, Token};
use rehearsal_store::is_being_written;
use tokio::sync::oneshot;

use crate::cli;
use crate::desk::{StudioDesk, play_aside, prepared_aside};
use crate::exit::ExitCode;
use crate::opening::{Wishes, is_to_be_taken_up, place_of};
use crate::play::Run;
use crate::prepare::Unprepared;
use crate::run::Interrupts;
use crate::run::control::Order;
use crate::run::folder::{Control, Folder};
use crate::studio::Studio;
use crate::web::ASSETS;

/// Where the token is kept, among the runs.
const TOKEN: &str = ".token";

/// A line for whoever looks at the log.
pub(crate) fn log(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}"); // a closed standard error has nobody to tell
}

/// Serves until it is interrupted.
pub fn serve(options: &cli::Serve) -> anyhow::Result<ExitCode> {
    if !options.scenarios.is_dir() {
        bail!("reading scenarios: {} is no folder; name one with --scenarios", options.scenarios.display());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.context("starting a runtime")?.block_on(async {
        let mut interrupts = Interrupts::new()?;
        let studio = Arc::new(Studio::new(&options.runs.out, Some(&options.scenarios)));
        let (server, address) = open_doors(&studio, options.listen, "--listen", kept_token(&options.runs.out)?)?;
        writeln!(std::io::stdout(), "{address}").context("printing the address")?;
        take_up_runs(&studio).await;
        interrupts.recv().await;
        end_runs(&studio, &mut interrupts).await;
        server.stop().await;
        Ok(ExitCode::Pass)
    })
}

/// Goes on with the runs of a former `serve` that died.
async fn take_up_runs(studio: &Arc<Studio>) {
    let open = Folder::all(studio.out()).into_iter();
    let open = open.filter(|folder| !is_being_written(&folder.database()) && is_to_be_taken_up(folder));
    for folder in open {
        let id = folder.id();
        match take_up(studio, folder).await {
            Ok(()) => log(&format!("run {id} goes on: its coordinator had died")),
            Err(error) => log(&format!("run {id} is not judged, and cannot go on: {error:#}")),
        }
    }
}

async fn take_up(studio: &Arc<Studio>, folder: Folder) -> anyhow::Result<()> {
    let prepared = match prepared_aside(place_of(&folder)?).await? {
        Ok(prepared) => prepared,
        Err(Unprepared::Mistakes(mistakes, source)) => bail!("{} has {} mistakes now", source.name, mistakes.len()),
        Err(Unprepared::Failed(error)) => return Err(error),
    };
    let wishes = Wishes { is_served: true, ..Wishes::default() };
    play_aside(Run::resume(prepared, wishes, studio, folder)?, Arc::clone(studio));
    Ok(())
}

/// The token of this folder of runs: pages that are open when the coordinator comes back still hold the right one.
fn kept_token(out: &Path) -> anyhow::Result<Token> {
    let file = out.join(TOKEN);
    match fs::read_to_string(&file) {
        Ok(token) if !token.trim().is_empty() => Ok(Token::new(token.trim())),
        _ => {
            fs::create_dir_all(out).with_context(|| format!("making the folder of runs {}", out.display()))?;
            let token = Token::random();
            let made = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file);
            let written = made.and_then(|mut file| file.write_all(token.reveal().as_bytes()));
            written.with_context(|| format!("keeping the token in {}", file.display()))?;
            Ok(token)
        }
    }
}

/// Starts the server; the address is that of the dashboard, token included.
pub(crate) fn open_doors(
    studio: &Arc<Studio>,
    address: SocketAddr,
    option: &'static str,
    token: Token,
) -> anyhow::Result<(Server, String)> {
    let desk = Arc::new(StudioDesk::new(Arc::clone(studio)));
    let listen = Listen { address, option, reach: Reach::Loopback };
    let server = Server::start(listen, desk, token.clone(), ASSETS.to_vec())?;
    let address = format!("http://{}/#token={}", server.address(), token.reveal());
    studio.reached_by(Control { address: server.address(), token: token.reveal().to_owned() });
    Ok((server, address))
}

/// Nothing is left running: live runs are stopped, at once if it is asked for again, and waited for.
pub(crate) async fn end_runs(studio: &Studio, interrupts: &mut Interrupts) {
    let mut now = false;
    while !studio.live_runs().is_empty() {
        log(if now {
            "cutting off the users of live runs"
        } else {
            "stopping live runs (Ctrl-C once more to cut users off)"
        });
        for orders in studio.all_orders() {
            let (answer, _) = oneshot::channel();
            let order = Order { command: Command::Stop { now }, by: "Ctrl-C".to_owned(), answer };
            let _ = orders.send(order).await; // it may have ended by itself
        }
        tokio::select! {
            () = all_over(studio) => {}
            () = interrupts.recv() => now = true,
        }
    }
}

async fn all_over(studio: &Studio) {
    let mut look = tokio::time::interval(std::time::Duration::from_millis(100));
    while !studio.live_runs().is_empty() {
        look.tick().await;
    }
}
