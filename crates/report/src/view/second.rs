//! One second of a run, as charts draw it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One second of run time. Levels are as they stood at its end, everything else happened in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Second {
    /// The second of run time, from 0.
    pub s: i64,
    /// Whether every agent that is not lost has told of it; until then its numbers still rise.
    pub settled: bool,
    /// Users by state: `waiting`, `live`, `finished`, `failed`, `dropped`, `cancelled`, `lost`.
    pub users: BTreeMap<String, u64>,
    /// Users that the plan has live at that instant; null where their own flow decides when they leave.
    pub target: Option<u64>,
    /// Users that arrived.
    pub arrivals: u64,
    /// Users that should have arrived by the plan.
    pub arrivals_planned: u64,
    /// `http.response` over all names; null without an answer in this second.
    pub response: Option<Latency>,
    /// `http.response` by the name of the call.
    pub calls: BTreeMap<String, Latency>,
    /// The distribution of `http.response`: answers by band (see [`bands`]), only bands that have any.
    pub heat: Vec<Band>,
    /// Errors by kind.
    pub errors: BTreeMap<String, u64>,
    /// Open sockets by transport.
    pub sockets: BTreeMap<String, u64>,
    /// The generator's grade: `good`, `fair`, `poor`; null when no agent said anything of itself.
    pub generator: Option<String>,
}

/// Durations of one second, in seconds of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Latency {
    /// How many there were.
    pub n: u64,
    /// The median.
    pub p50: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// Samples in one band of the heat map: `[band, count]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Band(pub u16, pub u64);

/// Bands in each tenfold of duration.
const PER_DECADE: u32 = 10;
/// Bands from 0.1 ms to 100 s, and one below and one above.
const BANDS: u32 = 6 * PER_DECADE + 2;

/// The upper bound of every band in seconds of time, ascending, a tenth of a decade apart; the last is infinite and not
/// listed. Band 0 holds what is shorter than 0.1 ms.
pub fn bands() -> Vec<f64> {
    (0..BANDS - 1).map(|band| 1e-4 * 10_f64.powf(f64::from(band) / f64::from(PER_DECADE))).collect()
}
