//! What the author of a scenario expects of the autoscaler under test.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration;
use crate::problem::Problem;

/// Expectations that a run is judged by; each one that is missing is not judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Expectations {
    /// How many users one instance carries: with it, load becomes demand for instances.
    pub capacity: Option<f64>,
    /// The longest time from a step of the load to as many ready instances as it needs.
    #[serde(with = "duration::optional")]
    pub react_within: Option<Duration>,
    /// The bands that metrics of the scaler are to stay in.
    pub keep: Vec<Band>,
    /// The fewest instances that may ever be in service.
    pub at_least: Option<u32>,
    /// The most instances that may ever be in service.
    pub at_most: Option<u32>,
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

impl Expectations {
    /// Finds expectations that nothing could meet.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(capacity) = self.capacity.filter(|capacity| !(capacity.is_finite() && *capacity > 0.0)) {
            problems.push(Problem::new(format!("a capacity of {capacity} users per instance is not above 0")));
        }
        for Band { metric, lo, hi } in &self.keep {
            let is_band = lo < hi; // false for what is not a number
            if !is_band {
                problems.push(Problem::new(format!("`{metric}` cannot stay between {lo} and {hi}")));
            }
        }
        if let (Some(at_least), Some(at_most)) = (self.at_least, self.at_most)
            && at_least > at_most
        {
            problems
                .push(Problem::new(format!("at least {at_least} and at most {at_most} instances exclude each other")));
        }
        problems.into_iter().map(|problem| problem.within("autoscaler")).collect()
    }
}
