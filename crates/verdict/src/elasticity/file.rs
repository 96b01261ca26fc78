//! The form that an assessment has in `summary.json`: every figure has its key, `null` without evidence.

use std::collections::BTreeMap;

use rehearsal_plan::Capacity;
use serde::{Deserialize, Serialize};

use super::{Assessment, Figures, KeptBand, Sample, Step, accuracy};

/// The figures that every assessment names beside those that compare supply with demand.
const OTHERS: [&str; 6] =
    ["tick_s", "observed_share", "readiness_s", "overshoot", "reversals", "errors_while_draining"];

/// An assessment as it is written and read.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Row {
    /// An assessment is of what was observed.
    observed: bool,
    capacity: Option<Capacity>,
    steps: Vec<Step>,
    bands: Vec<KeptBand>,
    series: BTreeMap<String, Vec<Sample>>,
    #[serde(flatten)]
    figures: BTreeMap<String, Option<f64>>,
}

impl From<Assessment> for Row {
    fn from(assessment: Assessment) -> Row {
        let Assessment { capacity, figures, steps, bands, series, findings: _ } = assessment;
        let all = accuracy::NAMES.into_iter().chain(OTHERS).map(|name| (name.to_owned(), None));
        let known = figures.into_iter().map(|(name, value)| (name, Some(value)));
        Row { observed: true, capacity, steps, bands, series, figures: all.chain(known).collect() }
    }
}

impl From<Row> for Assessment {
    fn from(row: Row) -> Assessment {
        let Row { observed: _, capacity, steps, bands, series, figures } = row;
        let known = figures.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Assessment { capacity, figures: known.collect::<Figures>(), steps, bands, series, findings: Vec::new() }
    }
}
