//! What can be typed, as typed. What it means is decided where it is used.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Rehearses a show: plays its audience from many load agents, fires its cues, judges whether the system held.
#[derive(Debug, Parser)]
#[command(name = "coordinator", version, propagate_version = true)]
pub struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play a scenario from start to verdict
    Start(Start),
    /// Find every mistake in a scenario that can be known before the run
    Validate(Validate),
    /// Run the demo system under test by itself
    Demo(Demo),
    /// Run a load agent (the same as the binary `agent`)
    Agent(rehearsal_agent::Args),
}

/// A scenario in its environment.
#[derive(Debug, Args)]
pub struct Place {
    /// The scenario file
    #[arg(value_name = "SCENARIO")]
    pub scenario: PathBuf,
    /// The environment: NAME.toml in the folder `environments` beside the scenario
    #[arg(long, value_name = "NAME", default_value = "dev")]
    pub env: String,
    /// Set a key of the environment; the value is TOML, or else a text
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
}

/// Options of `start`.
#[derive(Debug, Args)]
pub struct Start {
    #[command(flatten)]
    pub place: Place,
    /// Where the load comes from: local:N
    #[arg(long, value_name = "local:N", value_parser = agents)]
    pub agents: Option<u32>,
    /// Where runs are kept
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// Seed of all random numbers, to repeat a run
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Do not ask; needed for an environment named production
    #[arg(long)]
    pub yes: bool,
}

/// Options of `validate`.
#[derive(Debug, Args)]
pub struct Validate {
    #[command(flatten)]
    pub place: Place,
    /// Then run one user against the target and print each of its steps
    #[arg(long)]
    pub trace: bool,
    /// Print the mistakes as JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// The address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

fn agents(text: &str) -> Result<u32, String> {
    let count = text.strip_prefix("local:").and_then(|count| count.parse().ok());
    count.filter(|count| (1..=1_000).contains(count)).ok_or_else(|| "expected local:N with N from 1 to 1000".to_owned())
}
