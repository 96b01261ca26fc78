//! The picture of the autoscaler under test: what a screen draws of it while a run goes on, and afterwards.

use std::collections::BTreeMap;

use rehearsal_verdict::elasticity::Assessment;
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::snapshot::ScalerNow;

/// What was seen of the autoscaler and is to be said of it so far: `autoscaler` of `summary.json`, of which a screen
/// may be given the newest samples only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScalerPicture(Assessment);

impl ScalerPicture {
    /// Makes the picture with the samples from `from_s` on, in seconds of run time; what holds at that instant is
    /// its first sample. Everything else is always whole.
    #[must_use]
    pub fn new(assessment: &Assessment, from_s: f64) -> ScalerPicture {
        ScalerPicture(assessment.since(from_s))
    }
}

impl ScalerNow {
    /// What a frame says of an assessment, the `revision`th that was made.
    #[must_use]
    pub fn of(assessment: &Assessment, revision: u64) -> ScalerNow {
        ScalerNow { revision, last_s: assessment.to_s }
    }
}

/// An assessment is written by hand, and so is what documents it.
impl PartialSchema for ScalerPicture {
    fn schema() -> RefOr<Schema> {
        Form::schema()
    }
}

impl ToSchema for ScalerPicture {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Form::schemas(schemas);
    }
}

/// `[when, what]`: when something was seen, in seconds of run time, never null, and what; null from when on nothing was.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is the documentation of `Sample`")]
struct Sampled(Option<f64>, Option<f64>);

/// `[when, change]`: when the scaler decided, in seconds of run time, and by how many instances, a whole number.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is the documentation of `Activity`")]
struct Decided(f64, f64);

/// What one instance carries.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is the documentation of `Capacity`")]
struct Carried {
    /// `users` that are live, or `requests` per second.
    of: String,
    per_instance: f64,
}

/// The bounds that the plan states; null where it does not.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is the documentation of `Bounds`")]
struct Bounded {
    at_least: Option<u32>,
    at_most: Option<u32>,
}

/// A step of the load, and the scaler's answer in seconds since its slowest rise; null without evidence.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is the documentation of `Step`")]
struct Stepped {
    at_s: f64,
    /// `up` or `down`.
    direction: String,
    /// How many instances the load needed before.
    from: f64,
    /// How many it needed after.
    to: f64,
    /// When that rise came.
    rise_at_s: f64,
    detection_s: Option<f64>,
    decision_s: Option<f64>,
    actuation_s: Option<f64>,
    readiness_s: Option<f64>,
    settling_s: Option<f64>,
    /// Instances past demand.
    overshoot: Option<f64>,
}

/// A band that a metric was to be kept in.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is the documentation of `KeptBand`")]
struct Kept {
    metric: String,
    lo: f64,
    hi: f64,
    /// Of the time that counts, as a fraction of 1; null without evidence.
    share: Option<f64>,
}

/// One statement about the scaler.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is the documentation of `ScalerFinding`")]
struct Said {
    /// `fail`, `doubt` or `tell`.
    weight: String,
    /// `slow`, `frozen`, `short`, `unsettled`, `greedy`, `flapping`, `harsh`, `ungraceful`, `blind`, `out_of_bounds`,
    /// `ceiling`, `out_of_band`, `backlog`, `unseen`.
    kind: String,
    text: String,
    from_s: f64,
    to_s: f64,
}

/// What was seen of the autoscaler and is to be said of it so far. A figure without evidence is null.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is the documentation of `Assessment`")]
struct Form {
    /// Always true; of a run whose autoscaler was not observed there is no picture.
    observed: bool,
    /// From when on it was judged, in seconds of run time.
    from_s: f64,
    /// Until when; the last sample of each series holds until then.
    to_s: f64,
    capacity: Option<Carried>,
    bounds: Bounded,
    steps: Vec<Stepped>,
    bands: Vec<Kept>,
    findings: Vec<Said>,
    /// The scaler's own log.
    activities: Vec<Decided>,
    /// In the unit of the capacity.
    load: Vec<Sampled>,
    /// `demand`, `desired`, `running`, `ready`, `draining` in instances, and the scaler's metrics by their names; a
    /// sample for every change.
    series: BTreeMap<String, Vec<Sampled>>,
    /// Instances.
    under_accuracy: Option<f64>,
    /// Instances.
    over_accuracy: Option<f64>,
    /// Percent of demand.
    under_accuracy_relative: Option<f64>,
    /// Percent of demand.
    over_accuracy_relative: Option<f64>,
    /// Percent of the time.
    under_share: Option<f64>,
    /// Percent of the time.
    over_share: Option<f64>,
    /// Changes of supply beyond those of demand, per minute.
    jitter: Option<f64>,
    /// Percent of the ticks at which supply did not move as demand did.
    instability: Option<f64>,
    /// The tick of `instability`, in seconds.
    tick_s: Option<f64>,
    /// Percent of the run in which supply was seen.
    observed_share: Option<f64>,
    /// The longest of all steps.
    readiness_s: Option<f64>,
    /// The most of all steps, in instances.
    overshoot: Option<f64>,
    /// Changes of mind while the load was flat.
    reversals: Option<f64>,
    errors_while_draining: Option<f64>,
}
