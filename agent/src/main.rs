//! The agent's binary: everything is in the library, which `coordinator agent` runs too.
#![forbid(unsafe_code)]

use clap::Parser;
use rehearsal_agent::{Args, relay, swarm};

#[derive(Parser)]
#[command(
    name = "agent",
    about = "Plays virtual users for a coordinator",
    version,
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    #[command(flatten)]
    agent: Args,
    #[command(subcommand)]
    other: Option<Other>,
}

#[derive(clap::Subcommand)]
enum Other {
    /// Runs many agents with simulated users, to see what a coordinator bears
    #[command(hide = true)]
    Swarm(swarm::SwarmArgs),
    /// Lets agents reach a coordinator behind NAT through this machine; told what to do by REHEARSAL_RELAY
    #[command(hide = true)]
    Relay,
}

fn main() -> std::process::ExitCode {
    let Arguments { agent, other } = Arguments::parse();
    match other {
        Some(Other::Swarm(args)) => swarm::main(&args),
        Some(Other::Relay) => relay::main(),
        None => rehearsal_agent::main(&agent),
    }
}
