//! `cargo xtask chaos`: one run in which agents, coordinator and links break at random, with every count compared at the end.
//!
//! Here programs are built; what is done with them is in `tests/src/bin/chaos`.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::command::{cargo, succeed, target};

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("length").required(true).args(["minutes", "seconds"])))]
pub struct Options {
    /// How long the run takes
    #[arg(long, value_name = "N")]
    minutes: Option<u64>,
    /// How long the run takes; at least 30
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(30..))]
    seconds: Option<u64>,
    /// Chooses what goes wrong, and when
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How many agents the run has
    #[arg(long, value_name = "N", default_value_t = 5)]
    agents: u32,
    /// Breaks the unoptimised coordinator, which tests have built already
    #[arg(long)]
    debug: bool,
}

/// One minute for `cargo xtask ci`; of this seed, because it has faults of all kinds.
pub const MINUTE: Options = Options { minutes: Some(1), seconds: None, seed: 1, agents: 5, debug: true };

/// Builds and runs it.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    // With a test, cargo takes the libraries as `cargo nextest run --workspace` has built them.
    succeed(cargo(root, &["build", "--quiet", "--workspace", "--bins", "--test", "language"]))?;
    if !options.debug {
        succeed(cargo(root, &["build", "--quiet", "--package", "rehearsal-coordinator", "--release"]))?;
    }
    let profile = if options.debug { "debug" } else { "release" };
    let mut chaos = Command::new(target(root).join("debug/chaos"));
    chaos.current_dir(root).arg("--coordinator").arg(target(root).join(profile).join("coordinator"));
    let seconds = options.seconds.unwrap_or_default() + options.minutes.unwrap_or_default() * 60;
    let numbers = [("--seconds", seconds), ("--seed", options.seed), ("--agents", options.agents.into())];
    chaos.args(numbers.into_iter().flat_map(|(name, number)| [name.to_owned(), number.to_string()]));
    succeed(chaos)
}
