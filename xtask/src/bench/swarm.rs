//! A thousand agents on one coordinator: how fast they join, what they cost it, and how long they need to come back to one
//! that was killed. What is measured, and how, is in `tests/src/bin/swarm`.

use anyhow::{Context, Result};

use super::Bench;
use super::process::allow_many_files;
use crate::command::succeed;

/// How long they stream.
const SECONDS: u64 = 60;
/// What shows only that the bench works.
const QUICK: (u32, u64) = (100, 3);

/// Builds and runs it.
pub fn run(bench: &Bench, agents: u32) -> Result<()> {
    let (agents, seconds) = if bench.is_quick() { QUICK } else { (agents, SECONDS) };
    println!("── swarm: {agents} agents for {seconds} s");
    allow_many_files()?;
    succeed(bench.cargo(&["build", "-p", "rehearsal-coordinator"]))?;
    let mut swarm = bench.cargo(&["run", "-q", "-p", "rehearsal-tests", "--bin", "swarm"]);
    let figures = bench.folder()?.join("swarm.json");
    swarm.args(["--", "measure", "--agents", &agents.to_string(), "--seconds", &seconds.to_string()]);
    swarm.arg("--coordinator").arg(bench.built("coordinator")).arg("--figures").arg(&figures);
    succeed(swarm).context("not everything was counted right")?;
    println!("written: {}", figures.display());
    Ok(())
}
