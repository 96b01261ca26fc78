//! The form that an assessment has in `summary.json`: every figure has its key, `null` without evidence.

use std::collections::BTreeMap;

use rehearsal_plan::Capacity;
use rehearsal_plan::catalogue::AUTOSCALER_FIGURES;
use serde::{Deserialize, Serialize};

use super::{Activity, Assessment, Bounds, Figures, KeptBand, Sample, ScalerFinding, Step};

/// The tick of `instability`, in seconds: a figure that no rule is about.
const TICK: &str = "tick_s";

/// An assessment as it is written and read. What has a default was not in files from the first.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Row {
    /// An assessment is of what was observed.
    observed: bool,
    #[serde(default)]
    from_s: f64,
    #[serde(default)]
    to_s: f64,
    capacity: Option<Capacity>,
    #[serde(default)]
    bounds: Bounds,
    steps: Vec<Step>,
    bands: Vec<KeptBand>,
    #[serde(default)]
    findings: Vec<ScalerFinding>,
    #[serde(default)]
    activities: Vec<Activity>,
    #[serde(default)]
    load: Vec<Sample>,
    series: BTreeMap<String, Vec<Sample>>,
    #[serde(flatten)]
    figures: BTreeMap<String, Option<f64>>,
}

impl From<Assessment> for Row {
    fn from(assessment: Assessment) -> Row {
        let all =
            AUTOSCALER_FIGURES.into_iter().map(|(name, _)| name).chain([TICK]).map(|name| (name.to_owned(), None));
        let known = assessment.figures.into_iter().map(|(name, value)| (name, Some(value)));
        Row {
            observed: true,
            from_s: assessment.from_s,
            to_s: assessment.to_s,
            capacity: assessment.capacity,
            bounds: assessment.bounds,
            steps: assessment.steps,
            bands: assessment.bands,
            findings: assessment.findings,
            activities: assessment.activities,
            load: assessment.load,
            series: assessment.series,
            figures: all.chain(known).collect(),
        }
    }
}

impl From<Row> for Assessment {
    fn from(row: Row) -> Assessment {
        let known = row.figures.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Assessment {
            from_s: row.from_s,
            to_s: row.to_s,
            capacity: row.capacity,
            bounds: row.bounds,
            figures: known.collect::<Figures>(),
            steps: row.steps,
            bands: row.bands,
            series: row.series,
            load: row.load,
            activities: row.activities,
            findings: row.findings,
        }
    }
}

impl From<Activity> for (f64, i64) {
    fn from(activity: Activity) -> (f64, i64) {
        (activity.at_s, activity.change)
    }
}

impl From<(f64, i64)> for Activity {
    fn from((at_s, change): (f64, i64)) -> Activity {
        Activity { at_s, change }
    }
}
