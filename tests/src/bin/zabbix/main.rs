//! A real Zabbix scales real instances of the demo behind a real HAProxy, and rehearsals judge it: `cargo xtask zabbix`.
//!
//! The loop is a common one: the average of the instances, often their CPU, is kept between 10 and 30 %; a trigger at
//! either edge runs a script that adds or takes away one instance. Three rehearsals play a load to it: one as it should
//! be, which has to pass, and two with a fault that the verdict has to find.
//!
//! What is averaged here is how full the instances are, by the sockets of viewers that each holds: so small an audience
//! uses so little CPU that the figure would be of whatever else the machine does.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // a program for terminals

mod runs;

mod platform;
mod instance;

mod autoscaler;
mod rpc;
mod sender;

mod balancer;
mod monitor;
mod database;
mod process;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use clap::Parser;
use rehearsal_tests::{coordinator, workspace};
use tokio::net::TcpListener;

use autoscaler::{Autoscaler, INSTANCE_BOUNDS};
use balancer::Balancer;
use monitor::Monitor;
use platform::Platform;
use process::Account;
use runs::{Finding, Run};

const SCALE: &str = include_str!("scale.sh");
/// Slots of the balancer: as many instances may be leaving as are wanted.
const SLOTS: u32 = 2 * INSTANCE_BOUNDS[1];

/// What is to be done.
#[derive(Parser)]
struct Arguments {
    /// What is played; without, everything
    #[arg(long, value_delimiter = ',')]
    runs: Vec<Run>,
    /// Leaves the runs' folders, also when all is well
    #[arg(long)]
    keep: bool,
}

// One thread, which lives as long as everything that it starts.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let played = tokio::select! {
        played = play(&arguments) => played,
        // Whoever stops it gets everything ended in order: the Zabbix server does not end without its database.
        _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted")),
    };
    match played {
        Ok(0) => ExitCode::SUCCESS,
        Ok(wrong) => {
            println!("WRONG: {wrong} statements do not hold");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("WRONG: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Starts everything, plays the runs and returns how many statements about them do not hold.
async fn play(arguments: &Arguments) -> Result<usize> {
    let began = Instant::now();
    let program = coordinator();
    let folder = fresh_folder()?;
    let account = Account::unprivileged();
    let monitor = Monitor::start(account, &folder).await.context("starting Zabbix")?;
    let door = TcpListener::bind(("127.0.0.1", 0)).await.context("opening the door")?;
    let autoscaler = make_autoscaler(&monitor, &folder, &door).await?;
    let balancer = Balancer::start(account, &folder, SLOTS).await.context("starting HAProxy")?;
    println!(
        "Zabbix and HAProxy are up after {:.0} s; their logs are in {}",
        began.elapsed().as_secs_f64(),
        folder.display()
    );
    let mut platform = Platform::new(&balancer, &autoscaler, door, monitor.port, program.to_owned(), folder.clone());
    let chosen = if arguments.runs.is_empty() { &Run::ALL[..] } else { &arguments.runs };
    let mut wrong = 0;
    for run in chosen {
        println!("{run:?}");
        autoscaler.set_acting(run.acts()).await?;
        platform.leave = run.leave();
        platform.reset().await?;
        let rehearsal = runs::rehearsal(*run, &balancer, &autoscaler, &monitor.url);
        let outcome = platform.serve_while(rehearsal.run()).await?;
        let findings = runs::judge(*run, &outcome, &platform.orders);
        print_findings(&findings);
        let wrong_here = findings.iter().filter(|finding| !finding.holds).count();
        wrong += wrong_here;
        if wrong_here > 0 {
            println!("{}", outcome.context());
        }
        if arguments.keep || wrong_here > 0 {
            println!("  all of this run is in {}", outcome.keep().display());
        }
    }
    println!("{} runs in {:.0} s", chosen.len(), began.elapsed().as_secs_f64());
    Ok(wrong)
}

/// A folder below the one where everything is built, without what a former time left in it.
fn fresh_folder() -> Result<PathBuf> {
    let folder = coordinator().ancestors().nth(2).unwrap_or(workspace()).join("zabbix");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context("removing the former folder"),
        _ => fs::create_dir_all(&folder).context("making a folder"),
    }?;
    Ok(folder)
}

async fn make_autoscaler(monitor: &Monitor, folder: &Path, door: &TcpListener) -> Result<Autoscaler> {
    let script = Account::unprivileged().folder(&folder.join("scripts"))?.join("scale.sh");
    fs::write(&script, SCALE).context("writing the script")?;
    let port = door.local_addr().context("opening the door")?.port();
    let command = |word: &str| format!("bash {} {word} {port}", script.display());
    Autoscaler::create(&monitor.url, &command("out"), &command("in")).await.context("teaching Zabbix to scale")
}

fn print_findings(findings: &[Finding]) {
    for Finding { what, found, holds } in findings {
        println!("  {}  {what:<58}  {found}", if *holds { "holds" } else { "WRONG" });
    }
}
