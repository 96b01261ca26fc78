//! What follows from the levels: the load per instance, and where more instances are of no use.
//!
//! With held(n) the highest load that n instances held and failed(n) the lowest that they failed, in the search's
//! unit. Numbers of instances count of which it is known that they themselves were the limit, which failed below
//! any ceiling; the first counts in any case:
//!
//! ```text
//!   at_least  = min held(n) / n          no number of instances is asked for more than it held
//!   at_most   = min failed(n) / n        with more, some number of instances would be asked for what it failed
//!   slope     = Σ n·held(n) / Σ n²       least squares through the origin, for comparison
//!   linearity = (held(N) / N) / held(1)  with N the largest number: 1 if each instance carries as much as the first
//! ```

use serde::{Deserialize, Serialize};

/// What is known of a number of instances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// How many instances there were.
    pub instances: u32,
    /// The highest load that held; none if none did.
    pub held: Option<f64>,
    /// The lowest load that failed; none if none did.
    pub failed: Option<f64>,
    /// Why that failed.
    pub why: Option<String>,
    /// How many trials were made.
    pub trials: u32,
    /// Whether the interval is as narrow as it was asked to be, as far as loads can be told apart.
    pub is_done: bool,
}

/// What one instance carries.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PerInstance {
    /// The conservative figure, which belongs into the plan.
    pub at_least: f64,
    /// What it is surely not more than; none if nothing ever failed.
    pub at_most: Option<f64>,
    /// By least squares.
    pub slope: f64,
    /// How much of the first instance's load the largest number carries each; none with one number only.
    pub linearity: Option<f64>,
}

/// Where more instances are of no use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    /// The most instances that were of use.
    pub instances: u32,
    /// The highest load that held, with them or with one more.
    pub held: f64,
    /// The lowest load that one more failed.
    pub failed: f64,
}

impl PerInstance {
    /// Works it out; none without anything that held.
    pub(super) fn of(levels: &[Level], ceiling: Option<Ceiling>) -> Option<PerInstance> {
        let limit = ceiling.map_or(f64::INFINITY, |ceiling| ceiling.held);
        let counts = |level: &&Level| level.instances == 1 || level.failed.is_some_and(|failed| failed <= limit);
        let counting = || levels.iter().filter(counts);
        let held = || counting().filter_map(|level| Some((f64::from(level.instances), level.held?)));
        let failed = counting().filter_map(|level| Some(level.failed? / f64::from(level.instances)));
        let at_least = held().map(|(instances, load)| load / instances).reduce(f64::min)?;
        let (products, squares) = held().fold((0.0, 0.0), |(products, squares), (instances, load)| {
            (products + instances * load, squares + instances * instances)
        });
        let each = |(instances, load): (f64, f64)| load / instances;
        let first = held().next().map(each);
        let last = held().next_back().filter(|(instances, _)| *instances > 1.0).map(each);
        Some(PerInstance {
            at_least,
            at_most: failed.reduce(f64::min),
            slope: products / squares,
            linearity: first.zip(last).map(|(first, last)| last / first),
        })
    }
}

impl Ceiling {
    /// The ceiling that the last level has shown.
    pub(super) fn of(levels: &[Level]) -> Option<Ceiling> {
        let (last, useful) = levels.split_last()?;
        let before = useful.last()?;
        let held = last.held.into_iter().chain(before.held).reduce(f64::max)?;
        Some(Ceiling { instances: before.instances, held, failed: last.failed? })
    }
}
