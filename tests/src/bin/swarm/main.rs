//! Very many agents on one coordinator: how fast they join, what they cost it, whether every count is right, and how long
//! all of them need to come back to one that was killed: `cargo xtask bench swarm`.
//!
//! The link is real; the users are simulated by `rehearsal_agent::swarm`, in one process beside the coordinator's.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // a program for terminals

mod kernel;
mod measure;
mod screen;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use rehearsal_agent::swarm::SwarmArgs;

use measure::{Figures, measure};

/// Bounds of an optimised coordinator with a thousand agents, 20 series each.
const JOINING_S: f64 = 15.0;
const CPU_SHARE: f64 = 0.25;
const OLDEST_S: f64 = 2.0;

#[derive(Parser)]
enum Task {
    /// Measures a coordinator
    Measure(Measure),
    /// The swarm itself
    Agents(SwarmArgs),
}

/// What is to be measured.
#[derive(clap::Args)]
struct Measure {
    /// The coordinator's program
    #[arg(long)]
    coordinator: PathBuf,
    #[arg(long, default_value_t = 1_000)]
    agents: u32,
    /// Series of each agent
    #[arg(long, default_value_t = 20)]
    series: u32,
    /// How long they stream before the coordinator is killed
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Where the figures go as JSON
    #[arg(long)]
    figures: Option<PathBuf>,
}

fn main() -> ExitCode {
    match Task::parse() {
        Task::Agents(args) => rehearsal_agent::swarm::main(&args),
        Task::Measure(options) => run(&options),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(options: &Measure) -> ExitCode {
    match measure(options).await {
        Ok(figures) => {
            print(options, &figures);
            if let Some(path) = &options.figures {
                std::fs::write(path, format!("{:#}\n", figures.to_json())).expect("writing the figures");
            }
            if is_exact(options, &figures) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            println!("WRONG: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing was lost and nothing was counted twice. How fast it went is for people to judge: machines differ.
fn is_exact(options: &Measure, figures: &Figures) -> bool {
    let agents = u64::from(options.agents);
    let equal = figures.counts.iter().all(|(_, made, reported)| made == reported && *made > 0);
    equal && figures.done == agents && figures.started == agents && figures.unobserved == 0
}

fn print(options: &Measure, figures: &Figures) {
    println!("{} agents with {} series each, for {} s", options.agents, options.series, options.seconds);
    let bounded = |what: &str, value: f64, unit: &str, bound: f64| {
        let missed = if value > bound { "  MISSED" } else { "" };
        println!("  {what:<46} {value:>10.2} {unit:<9}  must ≤ {bound}{missed}");
    };
    let told = |what: &str, value: f64, unit: &str| println!("  {what:<46} {value:>10.2} {unit}");
    bounded("from the first join to the last", figures.joining_s, "s", JOINING_S);
    told("from the last join to the common start", figures.arming_s, "s");
    bounded("coordinator while they stream", figures.cpu_share, "of a core", CPU_SHARE);
    told("its peak of resident memory", figures.peak_bytes as f64 / f64::from(1 << 20), "MiB");
    bounded("the oldest that the screen was", figures.oldest_s, "s", OLDEST_S);
    told("killed and taken up: all are back after", figures.back_s, "s");
    told("which cost it", figures.back_cpu_s, "CPU-s");
    for (name, made, reported) in &figures.counts {
        println!(
            "  {name:<18} made {made:>12}, reported {reported:>12}{}",
            if made == reported { "" } else { "  WRONG" }
        );
    }
    let Figures { done, started, unobserved, .. } = figures;
    println!("  {started} began at the common start, {done} ended in order, {unobserved} with something missing");
}
