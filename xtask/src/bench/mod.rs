//! `cargo xtask bench`: measures what the project promises about itself, each time beside something known.
//!
//! Server and client each get a core of their own; figures mean something on a machine that does nothing else.

mod client;
mod memory;
mod nginx;
mod process;
mod swarm;
mod throughput;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::Value;

use crate::command::{cargo, succeed, target};

/// The core of the system under test.
const SERVER_CPU: u32 = 0;
/// The core of the load generator.
const CLIENT_CPU: u32 = 1;

#[derive(clap::Args)]
pub struct Options {
    /// What to measure
    #[arg(value_enum, default_value = "all")]
    case: Case,
    /// Shows only that the bench works: small, once, unoptimised; the figures mean nothing
    #[arg(long)]
    quick: bool,
    /// How many agents the swarm has
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    agents: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Case {
    /// Scripted GETs per CPU-second of the client, beside wrk
    Throughput,
    /// Resident memory for each connected user that waits
    Memory,
    /// An hour of 1,000 agents with 20 series: the database's size and commits, and what screens cost
    Hour,
    /// A thousand agents on one coordinator that is killed once: joining, CPU and memory, every count, coming back
    Swarm,
    /// Bytes and microseconds of an interval on the wire, beside standard encodings
    Wire,
    All,
}

/// How much is measured, and where things are.
struct Bench {
    root: PathBuf,
    /// What cargo calls the profile, and the folder of what it builds.
    profile: (&'static str, &'static str),
    /// Rounds of each client, taking turns.
    rounds: u32,
    /// Length of each round.
    duration: Duration,
    /// The two sizes between which memory is compared.
    users: [u64; 2],
}

impl Bench {
    fn new(root: &Path, quick: bool) -> Self {
        let root = root.to_owned();
        if quick {
            let (duration, users) = (Duration::from_secs(1), [50, 250]);
            return Self { root, profile: ("dev", "debug"), rounds: 1, duration, users };
        }
        let (duration, users) = (Duration::from_secs(5), [1000, 8000]);
        Self { root, profile: ("release", "release"), rounds: 3, duration, users }
    }

    /// Whether the figures mean nothing.
    fn is_quick(&self) -> bool {
        self.profile.0 == "dev"
    }

    /// A cargo command that builds or runs as measured.
    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = cargo(&self.root, arguments);
        command.args(["--profile", self.profile.0]);
        command
    }

    /// A program that was built.
    fn built(&self, name: &str) -> PathBuf {
        target(&self.root).join(self.profile.1).join(name)
    }

    /// A scenario of the bench.
    fn scenario(&self, name: &str) -> PathBuf {
        self.root.join("xtask/bench").join(name)
    }

    /// Where results and everything temporary go.
    fn folder(&self) -> Result<PathBuf> {
        let folder = target(&self.root).join("bench");
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(folder)
    }

    /// Writes a case's figures where tools find them.
    fn save(&self, case: &str, figures: &Value) -> Result<()> {
        let path = self.folder()?.join(format!("{case}.json"));
        std::fs::write(&path, format!("{figures:#}\n")).with_context(|| format!("writing {}", path.display()))?;
        println!("written: {}", path.display());
        Ok(())
    }
}

/// Measures one case or all of them.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let bench = Bench::new(root, options.quick);
    let wanted = |case| options.case == case || options.case == Case::All;
    if wanted(Case::Throughput) {
        throughput::run(&bench).context("measuring throughput")?;
    }
    if wanted(Case::Memory) {
        memory::run(&bench).context("measuring memory")?;
    }
    if wanted(Case::Swarm) {
        swarm::run(&bench, options.agents).context("measuring a swarm")?;
    }
    if wanted(Case::Wire) {
        println!("── wire: one series of one second");
        succeed(bench.cargo(&["run", "-q", "-p", "rehearsal-proto", "--example", "wire"]))?;
    }
    if wanted(Case::Hour) && !options.quick {
        for (package, example) in [("rehearsal-store", "hour"), ("rehearsal-report", "hour_page")] {
            println!("── an hour: {package}");
            succeed(bench.cargo(&["run", "-q", "-p", package, "--example", example]))?;
        }
    }
    Ok(())
}
