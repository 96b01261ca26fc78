//! What a comparison comes to, in the shape that `compare --json` prints.

use rehearsal_metrics::Tags;
use serde::Serialize;

use super::Tolerances;
use super::seconds::Excluded;
use super::subjects::{Better, Scope};
use crate::judge::Verdict;
use crate::thresholds::ThresholdOutcome;

/// The version of the shape of [`Comparison`].
pub(super) const SCHEMA: u32 = 1;

/// Two runs side by side. Serialized, it is what `compare --json` prints, field by field in this
/// order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The version of this shape, 1.
    pub schema: u32,
    /// What it comes to.
    pub overall: Overall,
    /// The same in a sentence that needs no table.
    pub sentence: String,
    /// The run that is held up as the measure.
    pub a: RunFacts,
    /// The run that is judged.
    pub b: RunFacts,
    /// Why the runs are not like for like; empty when they are.
    pub mismatches: Vec<Mismatch>,
    /// What the figures were measured over.
    pub compared: Compared,
    /// How much a figure may change without being called worse.
    pub tolerances: Tolerances,
    /// Every figure, those that matter most first.
    pub figures: Vec<Figure>,
    /// The rules that either run had.
    pub thresholds: Vec<ThresholdPair>,
}

/// What a comparison comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Overall {
    /// Some figure is worse.
    Regression,
    /// Some figure is better and none is worse.
    Improved,
    /// Every figure of the whole run is the same, within the tolerances.
    NoDifference,
    /// Nobody can tell.
    Unclear,
}

/// Facts of one run. They are shown beside the figures and not tested.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunFacts {
    /// The run's id.
    pub name: String,
    /// The scenario's name.
    pub scenario: String,
    /// The environment's name.
    pub environment: String,
    /// What the run came to.
    pub verdict: Verdict,
    /// How long it lasted.
    pub duration_s: f64,
    /// Users that the plan had; null when the agents' reports contradict each other.
    pub planned: Option<u64>,
    /// Users that arrived.
    pub arrived: u64,
}

/// Something in which the runs differ besides the system under test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// What differs: `scenario`, `environment`, `planned users`, `arrivals`, `duration`.
    pub what: String,
    /// As it is in A.
    pub a: String,
    /// As it is in B.
    pub b: String,
}

/// The seconds that figures were measured over; cues are taken from the whole run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// From where on both runs had load; null when they never had at once.
    pub from_s: Option<i64>,
    /// Until when both had.
    pub to_s: Option<i64>,
    /// How many of these seconds were compared.
    pub seconds: usize,
    /// The length of the blocks in which seconds were drawn again.
    pub block_s: usize,
    /// How often that was done.
    pub resamples: usize,
    /// What was left out of both runs, and why.
    pub excluded: Vec<Excluded>,
    /// Firings of cues that were left out because the generator was the limit.
    pub excluded_firings: usize,
}

/// One figure of both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The metric.
    pub metric: String,
    /// The tags that select its samples.
    pub tags: Tags,
    /// `p(50)`, `p(95)`, `p(99)`, `mean`, `rate` (per second, or a share), `failed` (of checks),
    /// `per call` (of errors).
    pub statistic: String,
    /// The figure as thresholds write it.
    pub label: String,
    /// How much of the run it is about.
    pub scope: Scope,
    /// What `a` and `b` are measured in.
    pub unit: Unit,
    /// Which way it should go.
    pub better: Better,
    /// In run A; null when it has no samples there.
    pub a: Option<f64>,
    /// In run B; null when it has no samples there.
    pub b: Option<f64>,
    /// From A to B: (b − a) / a for durations and rates, b − a for shares.
    pub change: Option<f64>,
    /// Lower end of the 95 % interval of the change; null where nothing is claimed.
    pub low: Option<f64>,
    /// Upper end of the 95 % interval of the change.
    pub high: Option<f64>,
    /// How likely a change of that size is between equal runs.
    pub p: Option<f64>,
    /// The same, corrected for the number of figures.
    pub p_adjusted: Option<f64>,
    /// How much it may change without being called worse or better.
    pub tolerance: f64,
    /// What it comes to.
    pub outcome: FigureOutcome,
    /// Why nothing is claimed, where that does not follow from the interval.
    pub reason: Option<String>,
}

/// What the numbers of a figure mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Seconds of time.
    Seconds,
    /// Events in a second.
    PerSecond,
    /// A fraction of 1.
    Share,
    /// Errors for each call.
    PerCall,
}

/// What a figure comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FigureOutcome {
    /// It changed for the worse, surely and by more than the tolerance.
    Worse,
    /// It changed for the better, surely and by more than the tolerance.
    Better,
    /// Whatever its change is, it surely is within the tolerance.
    Same,
    /// Anything else.
    Unclear,
}

/// One rule in both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ThresholdPair {
    /// The rule.
    pub text: String,
    /// What became of it in A; null when A had no such rule.
    pub a: Option<ThresholdOutcome>,
    /// What became of it in B; null when B had no such rule.
    pub b: Option<ThresholdOutcome>,
}

impl Figure {
    /// How many times the tolerance it changed, up or down.
    pub(super) fn weight(&self) -> f64 {
        self.change.map_or(0.0, |change| change.abs() / self.tolerance.max(f64::MIN_POSITIVE))
    }
}
