//! The options of `coordinator calibrate`, as typed.

use std::time::Duration;

use clap::Args;
use rehearsal_plan::duration;

use crate::cli::{Crew, Place, Runs};

/// What stands in a command for the number of instances.
pub(super) const PLACEHOLDER: &str = "{instances}";

/// Options of `calibrate`.
#[derive(Debug, Args)]
pub struct Calibrate {
    #[command(flatten)]
    pub place: Place,
    /// A line for the shell that brings the system to {instances} instances, and ends when they are ready
    #[arg(long, value_name = "COMMAND", value_parser = pinning)]
    pub pin: String,
    /// A line for the shell that lets the system scale by itself again; it is run at the end, whatever happened
    #[arg(long, value_name = "COMMAND")]
    pub unpin: Option<String>,
    /// How long each of the two may take
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "10m")]
    pub patience: Duration,
    /// The most instances to try
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub up_to: u32,
    /// How near the load that held and the one that failed are to be
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "5%")]
    pub precision: f64,
    /// What one more instance must add, as a share of what the first carries, or it is of no use
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "10%")]
    pub gain: f64,
    /// The first load, in users or, where the plan has a rate, in starts a second [default: an eighth of the plan's peak]
    #[arg(long, value_name = "LOAD")]
    pub from: Option<f64>,
    /// The highest load that may be tried [default: ten times the plan's peak]
    #[arg(long, value_name = "LOAD")]
    pub most: Option<f64>,
    /// How long a trial takes to bring the load up [default: a third of --hold]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub ramp: Option<Duration>,
    /// How long a trial then holds the load
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "30s")]
    pub hold: Duration,
    /// How long the system gets to recover after a trial
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "0s")]
    pub rest: Duration,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub crew: Crew,
    #[command(flatten)]
    pub runs: Runs,
}

fn pinning(text: &str) -> Result<String, String> {
    let says = text.contains(PLACEHOLDER);
    says.then(|| text.to_owned()).ok_or_else(|| format!("it does not say {PLACEHOLDER}, where their number goes"))
}

fn share(text: &str) -> Result<f64, String> {
    let percent = text.strip_suffix('%').map(|number| number.parse().map(|number: f64| number / 100.0));
    let share = percent.unwrap_or_else(|| text.parse()).ok().filter(|share| *share > 0.0 && *share < 1.0);
    share.ok_or_else(|| "expected a share above 0% and below 100%, such as 5%".to_owned())
}
