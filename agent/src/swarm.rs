//! Very many agents in one process, to see what a coordinator bears: the link is real, with an identity, connections, leases
//! and probes for each agent; the users are simulated.

mod simulated;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use rehearsal_proto::join::JoinBlob;
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::identity::Identity;
use crate::join::Papers;
use crate::runs;
use simulated::{Pattern, Simulated};

/// Agents that join at a time: a listener's queue of connections is not endless.
const JOINING: usize = 64;

/// How `agent swarm` is started.
#[derive(Clone, Debug, clap::Args)]
pub struct SwarmArgs {
    /// How to find and trust the coordinator; taken from REHEARSAL_JOIN if not given
    #[arg(long, value_name = "BLOB")]
    pub join: Option<String>,
    /// How many agents join
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub agents: u32,
    /// Series of each agent
    #[arg(long, value_name = "N", default_value_t = SwarmOptions::default().series)]
    pub series: u32,
    /// Samples of each agent in a second, over all its series
    #[arg(long, value_name = "N", default_value_t = SwarmOptions::default().samples_per_second)]
    pub samples_per_second: u64,
}

/// What each agent of a swarm tells every second.
#[derive(Clone, Copy, Debug)]
pub struct SwarmOptions {
    /// Series, each fourth a count, the others durations.
    pub series: u32,
    /// Samples over all series.
    pub samples_per_second: u64,
}

impl Default for SwarmOptions {
    /// 20 series with 200 samples each.
    fn default() -> Self {
        SwarmOptions { series: 20, samples_per_second: 4_000 }
    }
}

/// What the agents of a swarm have made themselves, to be compared with what the coordinator has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SwarmReport {
    /// Agents that ended in order.
    pub done: u32,
    /// How the others ended.
    pub failed: Vec<String>,
    /// Users that became live.
    pub starts: u64,
    /// Those of them that came once more.
    pub restored: u64,
    /// Users that left, however they did.
    pub leaves: u64,
    /// Intervals of a second each.
    pub intervals: u64,
    /// Samples of all durations.
    pub samples: u64,
    /// Sum of all counts.
    pub counted: u64,
}

/// The same while it grows.
#[derive(Debug, Default)]
pub(crate) struct Made {
    starts: AtomicU64,
    restored: AtomicU64,
    leaves: AtomicU64,
    intervals: AtomicU64,
    samples: AtomicU64,
    counted: AtomicU64,
}

impl Made {
    fn report(&self) -> SwarmReport {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        SwarmReport {
            starts: read(&self.starts),
            restored: read(&self.restored),
            leaves: read(&self.leaves),
            intervals: read(&self.intervals),
            samples: read(&self.samples),
            counted: read(&self.counted),
            ..SwarmReport::default()
        }
    }
}

/// Runs a swarm to its end and prints what it made, as a line of JSON.
#[must_use]
pub fn main(args: &SwarmArgs) -> ExitCode {
    let options = SwarmOptions { series: args.series, samples_per_second: args.samples_per_second };
    crate::exit_code(async {
        let report = run(&crate::blob(args.join.as_ref())?, args.agents, options).await?;
        writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?).context("printing the report")?;
        anyhow::ensure!(report.failed.is_empty(), "{} agents did not end in order", report.failed.len());
        Ok(())
    })
}

/// Runs agents until the last of them has ended.
///
/// # Errors
/// When the blob is not one. How single agents fail is in the report.
pub async fn run(blob: &str, agents: u32, options: SwarmOptions) -> anyhow::Result<SwarmReport> {
    let blob: JoinBlob = blob.parse()?;
    let pattern = Arc::new(Pattern::new(options));
    let made = Arc::new(Made::default());
    let joining = Arc::new(Semaphore::new(JOINING));
    let mut running = JoinSet::new();
    for number in 0..agents {
        let (blob, joining) = (blob.clone(), Arc::clone(&joining));
        let options = (Arc::clone(&pattern), Arc::clone(&made));
        running.spawn(async move {
            let turn = joining.acquire().await?;
            let instance = format!("swarm:{}:{number}", std::process::id());
            let identity = Identity::join(Papers::new(blob, instance, String::new())?).await?;
            drop(turn);
            let (_nobody, mut orders) = mpsc::channel(1);
            runs::play::<Simulated>(&identity, &options, &mut orders).await
        });
    }
    let (mut done, mut failed) = (0, Vec::new());
    while let Some(ended) = running.join_next().await {
        match ended.map_err(anyhow::Error::from).flatten() {
            Ok(()) => done += 1,
            Err(error) => failed.push(format!("{error:#}")),
        }
    }
    Ok(SwarmReport { done, failed, ..made.report() })
}
