//! What a scenario expects of the autoscaler under test, and what it protects from the load.
//!
//! Everything here is optional. An expectation that the author *stated* and that the run gave no evidence
//! for leaves the verdict open; a default one is then only told. The defaults are ours, not the literature's:
//! they are wide enough that a sound scaler with usual delays meets them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration;
use crate::problem::Problem;

/// What a run expects of the autoscaler under test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutoscalerPlan {
    /// What one instance carries. Without it nobody knows how many instances a load needs, and whatever
    /// compares supply with demand is not judged.
    pub capacity: Option<Capacity>,
    /// The longest time from a step of the load to as many ready instances as it needs; without it,
    /// [`AutoscalerPlan::REACTION`].
    #[serde(with = "duration::optional")]
    pub react_within: Option<Duration>,
    /// The longest time from a step of the load until supply covers demand and stays there for
    /// `settled_for`, after a step down without more than the allowed overshoot; without it, settling is
    /// measured and not judged.
    #[serde(with = "duration::optional")]
    pub settle_within: Option<Duration>,
    /// How long supply has to cover demand to be settled. By default 30 s.
    #[serde(with = "duration::text")]
    pub settled_for: Duration,
    /// The bands that metrics of the scaler are to stay in.
    pub keep: Vec<Keep>,
    /// The fewest instances that it may ever want.
    pub at_least: Option<u32>,
    /// The most instances that it may ever want. Load beyond them is a ceiling and not the scaler's fault.
    pub at_most: Option<u32>,
    /// How far it may raise the number of instances above what the load needs.
    pub overshoot: Overshoot,
    /// How often it may change its mind while the load is flat.
    pub flapping: Flapping,
    /// What leaving instances may cost users.
    pub draining: Draining,
    /// What it may do while a metric that it looks at is missing.
    pub outage: Outage,
    /// The queues that its workers have to keep short.
    pub backlogs: Vec<Backlog>,
}

/// What one instance carries.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "of", content = "per_instance", rename_all = "snake_case")]
pub enum Capacity {
    /// This many live users.
    Users(f64),
    /// This many requests per second.
    Requests(f64),
}

/// A band with the share of time that a metric is to be in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Keep {
    /// The metric and its edges.
    #[serde(flatten)]
    pub band: Band,
    /// The share of the judged time, as a fraction of 1. What counts is the time in which the scaler has
    /// had its chance to react, and in which it is not held by its own bounds.
    #[serde(default = "Keep::default_share")]
    pub share: f64,
}

/// The band that a metric of the scaler is to stay in, in the metric's own unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// The metric's name in the environment's `autoscaler.metrics`.
    pub metric: String,
    /// The lower edge.
    pub lo: f64,
    /// The upper edge.
    pub hi: f64,
}

/// How far supply may be raised above demand: by the larger of both.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Overshoot {
    /// Instances. By default 2.
    pub instances: u32,
    /// A share of demand, as a fraction of 1. By default 0.5, the headroom of a scaler that aims at two
    /// thirds of its capacity.
    pub share: f64,
}

/// How often the scaler may turn round while the load is flat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Flapping {
    /// The window in which turns are counted. By default 5 min, the usual stabilisation time.
    #[serde(with = "duration::text")]
    pub within: Duration,
    /// How many turns are allowed in it. By default 2: an overshoot, corrected too far and
    /// corrected again.
    pub reversals: u32,
}

/// What it may cost users that instances leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Draining {
    /// Errors beyond those that occur anyway, in the whole run. By default none.
    pub errors: u64,
    /// For how long after an instance is gone errors are still its doing. By default 10 s.
    #[serde(with = "duration::text")]
    pub grace: Duration,
    /// Whether instances may leave with something in flight.
    pub in_flight: InFlight,
}

/// Whether instances may leave with something in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InFlight {
    /// They may not, as far as it can be seen.
    #[default]
    NoneSeen,
    /// They may not, and that has to be seen.
    None,
    /// They may.
    Any,
}

/// What the scaler may do while one of its metrics is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outage {
    /// A metric that is missing for longer than this is an outage. By default 30 s.
    #[serde(with = "duration::text")]
    pub longer_than: Duration,
    /// What is allowed from then on until the metric is back.
    pub then: DuringOutage,
}

/// What the scaler may do in an outage of its metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DuringOutage {
    /// Neither scale out nor in.
    Hold,
    /// Hold or scale out, but never in: what nobody measures may be the peak.
    #[default]
    HoldOrScaleOut,
    /// Scale out: missing data counts as a breach of the upper threshold.
    ScaleOut,
    /// Anything.
    Anything,
}

/// A queue that has to be short again in time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backlog {
    /// The metric that is its length or age.
    pub metric: String,
    /// Short is below this, in the metric's unit.
    pub below: f64,
    /// How long it may be longer.
    #[serde(with = "duration::text")]
    pub within: Duration,
}

/// A figure that the run must not drive over its limit: it stops at once when that happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    /// The metric's name in the environment's `autoscaler.metrics`.
    pub metric: String,
    /// Where it has to stay.
    pub stays: Limit,
}

/// Where a guarded figure has to stay, the limit itself excluded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Below this.
    Below(f64),
    /// Above this.
    Above(f64),
}

impl AutoscalerPlan {
    /// How long the scaler has when the plan does not say: two minutes, as the load tests that we know of
    /// ask for enough healthy capacity after a step.
    pub const REACTION: Duration = Duration::from_secs(120);

    /// Returns the longest time from a step of the load to as many ready instances as it needs.
    #[must_use]
    pub fn reaction(&self) -> Duration {
        self.react_within.unwrap_or(Self::REACTION)
    }

    /// Finds everything that is wrong with the expectations by themselves.
    #[must_use]
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(Capacity::Users(amount) | Capacity::Requests(amount)) = self.capacity
            && !is_above_zero(amount)
        {
            problems.push(Problem::new(format!("a capacity of {amount} per instance is not above 0")));
        }
        self.validate_times(&mut problems);
        self.validate_instances(&mut problems);
        self.validate_metrics(&mut problems);
        problems.into_iter().map(|problem| problem.within("autoscaler")).collect()
    }

    fn validate_times(&self, problems: &mut Vec<Problem>) {
        let times = [
            ("react_within", self.react_within),
            ("settle_within", self.settle_within),
            ("the window of flapping", Some(self.flapping.within)),
            ("the length of an outage", Some(self.outage.longer_than)),
        ];
        for (name, _) in times.iter().filter(|(_, time)| *time == Some(Duration::ZERO)) {
            problems.push(Problem::new(format!("{name} is 0")).hint("give it a duration above 0"));
        }
        if let (Some(react), Some(settle)) = (self.react_within, self.settle_within)
            && settle < react
        {
            let (react, settle) = (duration::print(react), duration::print(settle));
            problems.push(Problem::new(format!("it cannot settle within {settle} if it may react within {react}")));
        }
    }

    fn validate_instances(&self, problems: &mut Vec<Problem>) {
        if self.at_most == Some(0) {
            problems.push(Problem::new("at most 0 instances serve nobody"));
        }
        if let (Some(at_least), Some(at_most)) = (self.at_least, self.at_most)
            && at_least > at_most
        {
            problems
                .push(Problem::new(format!("at least {at_least} and at most {at_most} instances exclude each other")));
        }
        let share = self.overshoot.share;
        if !(share.is_finite() && share >= 0.0) {
            problems.push(Problem::new(format!("an overshoot of {share} of demand is not a share")));
        }
    }

    fn validate_metrics(&self, problems: &mut Vec<Problem>) {
        for (place, Keep { band: Band { metric, lo, hi }, share }) in self.keep.iter().enumerate() {
            check_metric(metric, "a band", problems);
            let is_band = lo < hi; // false for what is not a number
            if !is_band {
                problems.push(Problem::new(format!("`{metric}` cannot stay between {lo} and {hi}")));
            }
            let is_share = *share > 0.0 && *share <= 1.0;
            if !is_share {
                let problem = Problem::new(format!("`{metric}` cannot stay in its band for {share} of the time"));
                problems.push(problem.hint("give a share above 0 and up to 1"));
            }
            if self.keep[..place].iter().any(|other| other.band.metric == *metric) {
                problems.push(Problem::new(format!("`{metric}` has two bands")));
            }
        }
        for Backlog { metric, below, .. } in &self.backlogs {
            check_metric(metric, "a backlog", problems);
            if !is_above_zero(*below) {
                problems.push(Problem::new(format!("`{metric}` cannot be below {below}")));
            }
        }
    }
}

impl Default for AutoscalerPlan {
    fn default() -> AutoscalerPlan {
        AutoscalerPlan {
            capacity: None,
            react_within: None,
            settle_within: None,
            settled_for: Duration::from_secs(30),
            keep: Vec::new(),
            at_least: None,
            at_most: None,
            overshoot: Overshoot::default(),
            flapping: Flapping::default(),
            draining: Draining::default(),
            outage: Outage::default(),
            backlogs: Vec::new(),
        }
    }
}

impl Capacity {
    /// Computes how many instances carry a load, in users or requests per second: the smallest whole number
    /// n with load ≤ n · capacity.
    #[must_use]
    pub fn instances_for(self, load: f64) -> f64 {
        let (Capacity::Users(amount) | Capacity::Requests(amount)) = self;
        // A load that fills its instances exactly must not need one more by rounding of the division.
        (load / amount - 1e-9).ceil().max(0.0) + 0.0 // and never the zero below zero
    }
}

impl Keep {
    /// Keeps a metric between two edges for 90 % of the judged time.
    pub fn new(metric: impl Into<String>, lo: f64, hi: f64) -> Keep {
        Keep { band: Band { metric: metric.into(), lo, hi }, share: Keep::default_share() }
    }

    fn default_share() -> f64 {
        0.9
    }
}

impl Overshoot {
    /// Computes how many instances above `demand` are allowed.
    #[must_use]
    pub fn allowed(self, demand: f64) -> f64 {
        f64::from(self.instances).max(self.share * demand)
    }
}

impl Default for Overshoot {
    fn default() -> Overshoot {
        Overshoot { instances: 2, share: 0.5 }
    }
}

impl Default for Flapping {
    fn default() -> Flapping {
        Flapping { within: Duration::from_secs(300), reversals: 2 }
    }
}

impl Default for Draining {
    fn default() -> Draining {
        Draining { errors: 0, grace: Duration::from_secs(10), in_flight: InFlight::default() }
    }
}

impl Default for Outage {
    fn default() -> Outage {
        Outage { longer_than: Duration::from_secs(30), then: DuringOutage::default() }
    }
}

impl Guard {
    /// Tells whether an observed value is where it must not be. What is no number is no observation, and
    /// crosses nothing.
    #[must_use]
    pub fn is_crossed(&self, value: f64) -> bool {
        match self.stays {
            Limit::Below(limit) => value >= limit,
            Limit::Above(limit) => value <= limit,
        }
    }

    /// Finds everything that is wrong with the guard by itself.
    #[must_use]
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        check_metric(&self.metric, "a guard", &mut problems);
        let (Limit::Below(limit) | Limit::Above(limit)) = self.stays;
        if !limit.is_finite() {
            let problem = Problem::new(format!("the guard of `{}` has no limit", self.metric));
            problems.push(problem.hint("say where it stays: guard(…).below(900) or .above(2)"));
        }
        problems
    }
}

fn is_above_zero(amount: f64) -> bool {
    amount.is_finite() && amount > 0.0
}

fn check_metric(metric: &str, what: &str, problems: &mut Vec<Problem>) {
    if metric.is_empty() {
        problems.push(Problem::new(format!("{what} names no metric")));
    }
}

#[cfg(test)]
mod tests;
