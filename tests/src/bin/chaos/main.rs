//! Kills agents, the coordinator and the links between them at random while a run goes on, and compares every count with
//! the demo's at the end: `cargo xtask chaos`.
//!
//! The demo sits in this process, so it survives everything. The same seed gives the same faults at the same times;
//! what they meet is up to the machine.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // a program for terminals

mod agents;
mod drive;
mod judge;
mod lines;
mod schedule;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rehearsal_demo::{Demo, Options};
use rehearsal_tests::{Outcome, Revivable};

use drive::{Done, Drive};
use judge::{Finding, Truth, judge};
use schedule::{DRAIN, LEASE, kinds, schedule};

const SHOW: &str = include_str!("show.rhai");
/// Lines of the coordinator's that are shown of a run that failed.
const SAID_LAST: usize = 20;

/// What is to be done.
#[derive(Parser)]
struct Arguments {
    /// The coordinator's program
    #[arg(long)]
    coordinator: PathBuf,
    /// How long the run takes
    #[arg(long)]
    seconds: u64,
    /// Chooses what goes wrong
    #[arg(long)]
    seed: u64,
    /// How many agents the run has
    #[arg(long, default_value_t = 5)]
    agents: u32,
    /// Leaves the run's folder, also when all is well
    #[arg(long)]
    keep: bool,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let length = Duration::from_secs(arguments.seconds);
    let faults = schedule(arguments.seed, length);
    println!("seed {}: {} faults of {} kinds in {length:?}", arguments.seed, faults.len(), kinds(&faults).len());
    let demo = Demo::start(Options::default()).expect("starting the demo");
    let program = arguments.coordinator.canonicalize().expect("finding the coordinator's program");
    let environment = environment(&demo, length);
    let coordinator = Revivable::start(&program, SHOW, &environment, arguments.agents);
    let mut drive = Drive::new(coordinator, program, &demo, arguments.agents as usize);
    let performed = drive.perform(&faults, length).await;
    print_faults(&drive.done);
    if let Err(error) = performed {
        drive.coordinator.kill();
        return failed(&error, drive.coordinator.into_outcome());
    }
    let Drive { coordinator, mut agents, .. } = drive;
    let report = coordinator.about_it(&["report", "--format", "seconds"]).output().expect("asking for the report");
    let outcome = coordinator.into_outcome();
    let truth = Truth { counters: demo.counters(), users: demo.users() };
    let findings = judge(&outcome, &mut agents, &truth, &String::from_utf8_lossy(&report.stdout));
    print_findings(&findings);
    match findings.iter().filter(|finding| !finding.holds).count() {
        0 => {
            let (count, seed, took) = (findings.len(), arguments.seed, outcome.took.as_secs_f64());
            println!("all {count} comparisons hold (seed {seed}, {took:.0} s)");
            if arguments.keep {
                println!("all is in {}", outcome.keep().display());
            }
            ExitCode::SUCCESS
        }
        wrong => failed(&format!("{wrong} comparisons do not hold (seed {})", arguments.seed), outcome),
    }
}

/// Times follow the length of the run; the end of it is calm.
fn environment(demo: &Demo, length: Duration) -> String {
    let seconds = length.as_secs();
    let (arrive_over, hold) = (seconds / 2, seconds.saturating_sub(6).max(1));
    let stay = seconds - arrive_over;
    let (early, late) = (seconds / 3, seconds * 2 / 3);
    format!(
        "target = \"http://{}\"\nviewers = 300\nreaders = 60\ncallers = 15\n\
         arrive_over = \"{arrive_over}s\"\nstay = \"{stay}s\"\nhold = \"{hold}s\"\nearly = \"{early}s\"\nlate = \"{late}s\"\n\
         [agents]\nlease = \"{}s\"\ndrain = \"{}s\"\n\
         [http]\nagent_header = \"x-rehearsal-agent\"\nuser_header = \"x-rehearsal-user\"\n",
        demo.address(),
        LEASE.as_secs(),
        DRAIN.as_secs()
    )
}

fn print_faults(done: &[Done]) {
    println!("{:>8}  {:<16}  {:>7}  what came of it", "at", "fault", "lasts");
    for Done { fault, at, what } in done {
        let kind = format!("{:?}", fault.kind);
        println!("{:>6.1} s  {kind:<16}  {:>5.1} s  {what}", at.as_secs_f64(), fault.lasts.as_secs_f64());
    }
}

fn print_findings(findings: &[Finding]) {
    for Finding { what, found, holds } in findings {
        println!("{}  {what:<45}  {found}", if *holds { "holds" } else { "WRONG" });
    }
}

/// Says why, and keeps what could explain it.
fn failed(why: &str, outcome: Outcome) -> ExitCode {
    let said: Vec<&str> = outcome.stderr.lines().rev().take(SAID_LAST).collect();
    println!("--- what the coordinator said last");
    said.iter().rev().for_each(|line| println!("{line}"));
    println!("WRONG: {why}; all is in {}", outcome.keep().display());
    ExitCode::FAILURE
}
