//! `coordinator stop | pause | resume | scale | cue`: an operator's commands to a run that goes on elsewhere.

use std::io::Write as _;

use anyhow::Context as _;
use rehearsal_api::{Answer, Client, Command, Token};
use rehearsal_plan::Scale;

use crate::cli;
use crate::exit::ExitCode;
use crate::run::folder::Folder;

/// Stops a run.
pub fn stop(options: &cli::Stop) -> anyhow::Result<ExitCode> {
    steer(&options.run, Command::Stop { now: options.now })
}

/// Pauses arrivals.
pub fn pause(run: &cli::Run) -> anyhow::Result<ExitCode> {
    steer(run, Command::Pause)
}

/// Lets arrivals go on.
pub fn resume(run: &cli::Run) -> anyhow::Result<ExitCode> {
    steer(run, Command::Resume)
}

/// Fires a cue.
pub fn cue(options: &cli::Cue) -> anyhow::Result<ExitCode> {
    steer(&options.run, Command::Cue { name: options.name.clone() })
}

/// Scales the load.
pub fn scale(options: &cli::Scale) -> anyhow::Result<ExitCode> {
    let users = options.users.map(Scale::Users);
    let rate = options.rate.map(Scale::Rate);
    let to = users.or(rate).or(options.factor.map(Scale::Factor)).context("one of --users, --rate and --factor")?;
    steer(&options.run, Command::Scale { to, scenario: options.scenario.clone(), over: options.over })
}

/// Gives the command to the run's own API and prints who put it in force when.
fn steer(run: &cli::Run, command: Command) -> anyhow::Result<ExitCode> {
    let folder = Folder::find(&run.runs.out, &run.run)?;
    let control = folder.control()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting a runtime")?;
    let client = Client { address: control.address, token: Token::new(control.token) };
    let answer = runtime.block_on(client.command(&folder.id(), &operator(), &command))?;
    print(&answer).context("printing the answer")?;
    Ok(ExitCode::Pass)
}

/// Who types: the name that goes into the run's log.
fn operator() -> String {
    let name = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let name: String = name.unwrap_or_default().chars().filter(char::is_ascii_graphic).take(40).collect();
    if name.is_empty() { "cli".to_owned() } else { format!("{name}@cli") }
}

fn print(answer: &Answer) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", answer.text)?;
    for applied in &answer.applied {
        let missed = if applied.missed > 0 { format!(", {} starts dropped", applied.missed) } else { String::new() };
        writeln!(out, "  {} at {:.3} s{missed}", applied.agent, applied.at_s)?;
    }
    for agent in &answer.pending {
        writeln!(out, "  {agent} has not said so yet")?;
    }
    Ok(())
}
