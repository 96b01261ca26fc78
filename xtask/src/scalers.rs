//! `cargo xtask scalers`: whole runs against the demo's autoscaler in each of its ways, side by side.

use std::path::Path;

use anyhow::Result;

use crate::command::{cargo, succeed};

/// Tests that run at the same time; each waits for most of its time.
const AT_ONCE: &str = "7";

#[derive(clap::Args)]
pub struct Options {
    /// How many seeds each way is played with
    #[arg(long, value_name = "N", default_value_t = 1)]
    seeds: u32,
}

/// What `cargo xtask ci` plays.
pub const ONCE: Options = Options { seeds: 1 };

/// Builds and runs them.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    // The whole workspace, so that libraries are those that the other tests have built.
    let words = ["nextest", "run", "--workspace", "--ignore-default-filter", "-E", "binary(scalers)", "--no-fail-fast"];
    let mut tests = cargo(root, &[&words[..], &["--test-threads", AT_ONCE, "--success-output", "final"]].concat());
    tests.env("SCALER_SEEDS", options.seeds.to_string());
    succeed(tests)
}
