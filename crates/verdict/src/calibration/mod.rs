//! How much load one instance carries: which trials to make, and what follows from how they ended.
//!
//! The way is that of the elasticity benchmark BUNGEE. With 1, 2, … instances pinned, the highest constant load is
//! searched that meets the plan's thresholds: up in growing steps until a trial fails, or down until one holds, then
//! by halves. A failure is believed only when it has happened twice, because a system that stumbles once would
//! otherwise look small for ever. The search ends when one more instance adds next to nothing: then something else
//! is the limit, a **ceiling**.
//!
//! [`Search`] is a state machine: it says which [`Trial`] is next, is told its [`TrialOutcome`], and gives a
//! [`Calibration`] at any time. What is known of a number of instances is always an interval: the highest load that
//! held, and the lowest that failed.

mod bracket;
mod capacity;
mod search;

use rehearsal_plan::{LoadUnit, Problem};
use serde::{Deserialize, Serialize};

pub use capacity::{Ceiling, Level, PerInstance};
pub use search::Search;

/// What is searched, and how precisely.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchTerms {
    /// What loads count.
    pub unit: LoadUnit,
    /// The first load with one instance.
    pub from: f64,
    /// The smallest load that can be tried.
    pub least: f64,
    /// The highest load that may be tried.
    pub most: f64,
    /// The most instances that are tried.
    pub up_to: u32,
    /// The width of an interval at which the search is content, as a fraction of its upper end.
    pub precision: f64,
    /// What one more instance must add at least, as a fraction of what the first carries.
    pub least_gain: f64,
    /// How often a load is tried of which nobody can tell whether it held.
    pub tries: u32,
}

/// One trial.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// How many instances are pinned.
    pub instances: u32,
    /// The load, in the search's unit.
    pub load: f64,
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "why", rename_all = "snake_case")]
pub enum TrialOutcome {
    /// All thresholds held.
    Held,
    /// Some did not.
    Failed(String),
    /// Nobody can tell.
    Inconclusive(String),
}

/// Why a search ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum SearchEnd {
    /// As many instances were tried as were asked for.
    UpTo,
    /// One more instance added next to nothing.
    Ceiling,
    /// The highest load held that may be tried.
    MostLoad,
    /// One instance does not carry even the smallest load.
    NothingHeld {
        /// Why that failed.
        why: String,
    },
    /// Of one trial nobody could tell how it ended, however often it was made.
    Inconclusive {
        /// Which trial that was.
        trial: Trial,
        /// What stood in the way.
        why: String,
    },
}

/// What a search has found so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// What loads count.
    pub unit: LoadUnit,
    /// What is known of each number of instances.
    pub levels: Vec<Level>,
    /// What one instance carries; nothing before the first number of instances is done.
    pub per_instance: Option<PerInstance>,
    /// Where more instances are of no use.
    pub ceiling: Option<Ceiling>,
    /// What contradicts the picture.
    pub contradictions: Vec<String>,
    /// How many trials were made.
    pub trials: u32,
    /// Why it ended; nothing if it was broken off.
    pub end: Option<SearchEnd>,
}

impl SearchTerms {
    /// Finds everything that is wrong with the terms.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut claim = |holds: bool, text: String| {
            if !holds {
                problems.push(Problem::new(text))
            }
        };
        let number = crate::amounts::number;
        let (from, least, most) = (number(self.from), number(self.least), number(self.most));
        claim(self.least.is_finite() && self.least > 0.0, format!("the smallest load of {least} is not above 0"));
        claim(
            self.most.is_finite() && self.most >= self.least,
            format!("the highest load of {most} is below the smallest, {least}"),
        );
        let is_between = (self.least..=self.most).contains(&self.from);
        claim(
            is_between,
            format!("the first load of {from} is not between the smallest, {least}, and the highest, {most}"),
        );
        claim(self.up_to > 0, "up to 0 instances carry nothing".to_owned());
        let is_share = |share: f64| share > 0.0 && share < 1.0;
        claim(is_share(self.precision), format!("a precision of {} is not between 0 and 1", self.precision));
        claim(is_share(self.least_gain), format!("a least gain of {} is not between 0 and 1", self.least_gain));
        claim(self.tries > 0, "a trial must be made at least once".to_owned());
        problems
    }

    /// The distance between a load and the next that is told apart from it.
    fn grain(&self, load: f64) -> f64 {
        match self.unit {
            LoadUnit::Users => 1.0,
            // Four digits: more precise than any trial.
            LoadUnit::StartsPerSecond => 10f64.powf(load.log10().floor() - 3.0),
        }
    }

    /// The load nearest to a wanted one that can be tried.
    fn rounded(&self, load: f64) -> f64 {
        let grain = self.grain(load);
        ((load / grain).round() * grain).clamp(self.least, self.most)
    }
}

#[cfg(test)]
mod tests;
