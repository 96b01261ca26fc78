//! What can be typed, as typed. What it means is decided where it is used.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use rehearsal_api::ReportFormat;
use rehearsal_demo::Behaviour;
use rehearsal_plan::{DemoInstances, Launch, duration};
use serde::{Deserialize, Serialize};

use crate::calibrate::Calibrate;
use crate::fleet::Advertised;
use crate::fleet::options::{Coordinator, Fleet, Fleets, Instances as Ec2Instances, fleet_name};

/// The most agents: beyond it a number is a slip of the finger.
pub const MOST_AGENTS: u32 = 1_000;

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
    /// Say what a scenario will do, without doing it
    Forecast(Forecast),
    /// Serve the dashboard and the HTTP API: runs are started and steered from there
    Serve(Serve),
    /// End the load of a run: users leave (--now: they are cut off)
    Stop(Stop),
    /// Hold arrivals; users that are there go on
    Pause(Run),
    /// Let arrivals go on where they stopped
    Resume(Run),
    /// Fire a cue of a run now
    Cue(Cue),
    /// Change how many users a run has
    #[command(after_help = rehearsal_plan::SCALE_HELP)]
    Scale(Scale),
    /// Print the report of a run
    Report(Report),
    /// Tell whether a run differs from another, beyond chance
    Compare(Compare),
    /// Measure how much load one instance of the system under test carries
    #[command(after_help = rehearsal_plan::TRIAL_HELP)]
    Calibrate(Calibrate),
    /// Launch, list and end fleets of EC2 instances
    #[command(subcommand)]
    Fleet(Fleet),
    /// Run the demo system under test by itself
    Demo(Demo),
    /// Run a load agent (the same as the binary `agent`)
    Agent(rehearsal_agent::Args),
}

/// A scenario in its environment.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub struct Place {
    /// The scenario file
    #[arg(value_name = "SCENARIO")]
    pub scenario: PathBuf,
    #[command(flatten)]
    #[serde(flatten)]
    pub surroundings: Surroundings,
}

/// An environment and what is set otherwise.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub struct Surroundings {
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
    /// The scenario file; with --resume that of the run
    #[arg(value_name = "SCENARIO", required_unless_present = "resume")]
    pub scenario: Option<PathBuf>,
    #[command(flatten)]
    pub surroundings: Surroundings,
    #[command(flatten)]
    pub crew: Crew,
    /// Go on with a run whose coordinator died: RUN is its id, or `last`
    #[arg(long, value_name = "RUN", conflicts_with_all = ["agents", "advertise", "seed", "env", "set"])]
    pub resume: Option<String>,
    /// What is to go wrong, for tests: slow-disk=DURATION delays each write
    #[arg(long = "fault", value_name = "FAULT", value_parser = fault, hide = true)]
    pub slow_disk: Option<Duration>,
    #[command(flatten)]
    pub runs: Runs,
    /// Seed of all random numbers, to repeat a run
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
}

/// Who plays, and who may watch.
#[derive(Debug, Args)]
pub struct Crew {
    /// Where the load comes from: local:N starts N agents here, ec2:N launches N instances (without N as many as the
    /// environment says), join:N waits for N that come by themselves, join takes those of a fleet that is up
    #[arg(long, value_name = "local:N|ec2[:N]|join[:N]", value_parser = agents)]
    pub agents: Option<(Launch, Option<u32>)>,
    /// The host by which agents elsewhere reach this coordinator, and the first of three ports; without, only agents of
    /// this machine do
    #[arg(long, value_name = "HOST[:PORT]")]
    pub advertise: Option<Advertised>,
    /// Where agents reach this coordinator if nobody can dial it: `ec2` launches a small instance that relays
    #[arg(long, value_name = "ec2", conflicts_with = "advertise")]
    pub coordinator: Option<Coordinator>,
    /// The fleet that plays with --agents join, if more than one is up
    #[arg(long, value_name = "NAME", value_parser = fleet_name)]
    pub fleet: Option<String>,
    #[command(flatten)]
    pub fleets: Fleets,
    #[command(flatten)]
    pub instances: Ec2Instances,
    /// Where the dashboard listens; `off` for none. Without, 127.0.0.1:7700, or a free port if that is taken
    #[arg(long, value_name = "ADDR|off", value_parser = dashboard)]
    pub dashboard: Option<Dashboard>,
    /// Do not ask, neither about a fleet's cost nor about an environment named production
    #[arg(long)]
    pub yes: bool,
}

/// Where the dashboard is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dashboard {
    /// Nowhere; commands still reach the run.
    Off,
    /// At this address.
    At(SocketAddr),
}

/// Where runs are kept.
#[derive(Debug, Args)]
pub struct Runs {
    /// Where runs are kept
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
}

/// Which run is meant.
#[derive(Debug, Args)]
pub struct Run {
    /// The run's id, or `last`
    #[arg(value_name = "RUN")]
    pub run: String,
    #[command(flatten)]
    pub runs: Runs,
}

/// Options of `forecast`.
#[derive(Debug, Args)]
pub struct Forecast {
    #[command(flatten)]
    pub place: Place,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// The folder of scenarios
    #[arg(long, value_name = "DIR", default_value = "scenarios")]
    pub scenarios: PathBuf,
    /// The address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7700")]
    pub listen: SocketAddr,
    #[command(flatten)]
    pub runs: Runs,
}

/// Options of `stop`.
#[derive(Debug, Args)]
pub struct Stop {
    #[command(flatten)]
    pub run: Run,
    /// Cut users off instead of letting them leave
    #[arg(long)]
    pub now: bool,
}

/// Options of `cue`.
#[derive(Debug, Args)]
pub struct Cue {
    #[command(flatten)]
    pub run: Run,
    /// The cue's name in the plan
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Options of `scale`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("amount").required(true).args(["users", "rate", "factor"])))]
pub struct Scale {
    #[command(flatten)]
    pub run: Run,
    /// So many users in all
    #[arg(long, value_name = "N")]
    pub users: Option<u64>,
    /// So many starts a second
    #[arg(long, value_name = "R")]
    pub rate: Option<f64>,
    /// So many times what is left of the plan
    #[arg(long, value_name = "F")]
    pub factor: Option<f64>,
    /// The scenario function meant, where a plan has several
    #[arg(long, value_name = "NAME")]
    pub scenario: Option<String>,
    /// How long the change takes, such as 10s; at once without
    #[arg(long, value_name = "DURATION", value_parser = rehearsal_plan::duration::parse)]
    pub over: Option<Duration>,
}

/// Options of `report`.
#[derive(Debug, Args)]
pub struct Report {
    #[command(flatten)]
    pub run: Run,
    /// The form: html, json, junit (for build servers), csv (metrics), seconds (one row a second, CSV), hlog
    /// (HdrHistogram), curve (the arrivals as played, for `curve("file.csv")`)
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub format: ReportFormat,
    /// The scenario function whose curve is meant, where a plan has several
    #[arg(long, value_name = "NAME")]
    pub scenario: Option<String>,
}

/// Options of `compare`.
#[derive(Debug, Args)]
pub struct Compare {
    /// The run to compare with: its id, or `last`
    #[arg(value_name = "RUN")]
    pub a: String,
    /// The run that may be better or worse
    #[arg(value_name = "RUN")]
    pub b: String,
    /// Print figures of which nothing can be said, too
    #[arg(long)]
    pub all: bool,
    /// Print the comparison as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub runs: Runs,
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
    /// Serve from instances of limited capacity that an autoscaler adds and takes away, in this manner
    #[arg(long, value_name = "healthy|slow|frozen|flapping|greedy|harsh|blind")]
    pub autoscaler: Option<Behaviour>,
    #[command(flatten)]
    pub instances: Instances,
}

/// The instances of a demo with an autoscaler; what is not said is as usual.
#[derive(Clone, Debug, Args)]
pub struct Instances {
    /// Users that an instance serves at full speed [default: 500]
    #[arg(long, value_name = "USERS", requires = "autoscaler")]
    pub capacity: Option<u32>,
    /// Users that what all instances share serves at full speed, however many instances there are [default: all]
    #[arg(long, value_name = "USERS", requires = "autoscaler")]
    pub shared_capacity: Option<u32>,
    /// Fewest instances, ready at the start [default: 2]
    #[arg(long, value_name = "N", requires = "autoscaler")]
    pub min: Option<u32>,
    /// Most instances [default: 40]
    #[arg(long, value_name = "N", requires = "autoscaler")]
    pub max: Option<u32>,
    /// How long an instance takes to become ready [default: 3s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, requires = "autoscaler")]
    pub boot: Option<Duration>,
    /// How long an instance takes to go [default: 3s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, requires = "autoscaler")]
    pub drain: Option<Duration>,
    /// How often the autoscaler looks at the CPU [default: 1s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, requires = "autoscaler")]
    pub every: Option<Duration>,
    /// The edges between which the autoscaler keeps the average CPU, in percent [default: 40,70]
    #[arg(long, value_name = "LOW,HIGH", value_parser = band, requires = "autoscaler")]
    pub band: Option<[f64; 2]>,
}

impl Demo {
    /// The instances as an environment would describe them.
    pub fn instances(&self) -> DemoInstances {
        let Instances { capacity, min, max, boot, drain, every, band, shared_capacity } = self.instances.clone();
        let autoscaler = self.autoscaler.map(|behaviour| behaviour.name().to_owned());
        DemoInstances { autoscaler, capacity, min, max, boot, drain, every, band, shared_capacity }
    }
}

fn band(text: &str) -> Result<[f64; 2], String> {
    let edges: Vec<f64> = text.split(',').filter_map(|edge| edge.trim().parse().ok()).collect();
    <[f64; 2]>::try_from(edges).map_err(|_| "expected two numbers, as in 40,70".to_owned())
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

fn format(text: &str) -> Result<ReportFormat, String> {
    let known = serde_json::from_value(serde_json::Value::String(text.to_owned()));
    known.map_err(|_| "expected html, json, junit, csv, seconds, hlog or curve".to_owned())
}

fn dashboard(text: &str) -> Result<Dashboard, String> {
    match text {
        "off" => Ok(Dashboard::Off),
        _ => text
            .parse()
            .map(Dashboard::At)
            .map_err(|_| "expected ADDRESS:PORT, such as 127.0.0.1:7700, or off".to_owned()),
    }
}

fn agents(text: &str) -> Result<(Launch, Option<u32>), String> {
    let (word, count) = text.split_once(':').map_or((text, None), |(word, count)| (word, Some(count)));
    let launches = [("local", Launch::Local), ("ec2", Launch::Ec2), ("join", Launch::Join)];
    let wrong = || format!("expected local:N, ec2, ec2:N, join or join:N with N from 1 to {MOST_AGENTS}");
    let launch = launches.iter().find(|(name, _)| *name == word).map(|(_, launch)| *launch).ok_or_else(wrong)?;
    let count = count.map(str::parse::<u32>).transpose().map_err(|_| wrong())?;
    let is_told = launch != Launch::Local || count.is_some();
    let is_possible = count.is_none_or(|count| (1..=MOST_AGENTS).contains(&count));
    if is_told && is_possible { Ok((launch, count)) } else { Err(wrong()) }
}

fn fault(text: &str) -> Result<Duration, String> {
    let slow = text.strip_prefix("slow-disk=").ok_or("the only fault is slow-disk=DURATION")?;
    duration::parse(slow).map_err(|error| error.to_string())
}
