//! What a run would do, told before it is started.

use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::Problem;
use crate::routes::row;

/// What a run would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Forecast {
    /// Users that it plans in all.
    pub users: u64,
    /// Most users live at one instant; null where their own flow decides when they leave.
    pub peak_live: Option<u64>,
    /// Most users that arrive in one second.
    pub peak_arrivals_per_s: f64,
    /// Seconds from the start to the planned end; null where users decide that themselves.
    pub duration_s: Option<f64>,
    pub agents: AgentsForecast,
    /// The URL under load.
    pub target: String,
    /// The hosts that may be loaded.
    pub allow: Vec<String>,
    pub cues: Vec<CueForecast>,
    /// The rules by which it will be judged.
    pub thresholds: Vec<String>,
    /// The load over time, at most 300 points.
    #[schema(max_items = 300)]
    pub curve: Vec<CurvePoint>,
    /// What may not be as meant, and does not keep the run from starting.
    pub warnings: Vec<Problem>,
    /// What the fleet would cost in US dollars an hour; null when it costs nothing or nobody knows.
    pub price_usd_per_h: Option<f64>,
}

/// Who would make the load.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentsForecast {
    /// `local`, `ec2` or `join`.
    pub launch: String,
    /// How many agents.
    pub count: u32,
}

/// A cue of the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CueForecast {
    pub name: String,
    /// When it fires, in words: `12 s after the last arrival`, `at 30 s`, `by hand`.
    pub when: String,
}

/// An instant of the planned load: `[seconds since the start, users arrived by then, users live then or null]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint(pub f64, pub u64, pub Option<u64>);

impl PartialSchema for CurvePoint {
    fn schema() -> RefOr<Schema> {
        row(
            "`[seconds since the start, users arrived by then, users live then or null]`",
            [f64::schema(), u64::schema(), Option::<u64>::schema()],
        )
    }
}

impl ToSchema for CurvePoint {}
