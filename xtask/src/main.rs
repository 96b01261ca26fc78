//! Project tasks: `cargo xtask ci` checks everything, `aws` what needs Amazon's libraries, `tidy` what compilers do not,
//! `templates` what starts agents elsewhere, `agent` builds agents for other machines, `bench` measures, `chaos` breaks
//! things, `scalers` and `zabbix` judge autoscalers.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // a program for terminals

mod agent;
mod aws;
mod bench;
mod chaos;
mod ci;
mod command;
mod packages;
mod python;
mod scalers;
mod templates;
mod tidy;
mod web;
mod zabbix;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Checks and measures Rehearsal")]
enum Task {
    /// Formatting, clippy, the pages, all tests, tidy, a minute of chaos, autoscalers; ends at the first step that fails
    Ci,
    /// What needs Amazon's libraries, which take minutes to build: its observers, and the replay that they are tested with
    Aws,
    /// The agent as one static file for any Linux: builds and checks it, prints its size and SHA-256
    Agent(agent::Options),
    /// House rules: first lines, lengths, links, unsafe code, leftovers
    Tidy,
    /// What starts agents elsewhere, by schemas and linters of others, which must also refuse it with mistakes
    Templates,
    /// Throughput beside wrk, memory per user, size of the wire form, a thousand agents
    Bench(bench::Options),
    /// One run whose agents, coordinator and links break at random, and whose counts must be right all the same
    Chaos(chaos::Options),
    /// Whole runs against the demo's autoscaler in each of its ways: the verdict passes only the healthy one
    Scalers(scalers::Options),
    /// Rehearsals with an autoscaler made of Zabbix and HAProxy, as it should be and with faults
    Zabbix(zabbix::Options),
}

fn main() -> ExitCode {
    match run(Task::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = root.parent().context("finding the workspace")?;
    match task {
        Task::Ci => ci::run(root),
        Task::Aws => aws::run(root, ci::runner(root)).map(|skipped| skipped.iter().for_each(|text| println!("{text}"))),
        Task::Agent(options) => agent::run(root, &options),
        Task::Tidy => tidy::run(root),
        Task::Templates => templates::run(root).map(|skipped| skipped.iter().for_each(|text| println!("{text}"))),
        Task::Bench(options) => bench::run(root, &options),
        Task::Chaos(options) => chaos::run(root, &options),
        Task::Scalers(options) => scalers::run(root, &options),
        Task::Zabbix(options) => zabbix::run(root, &options).map(|_| ()),
    }
}
