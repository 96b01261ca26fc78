//! What is asked of runs as a whole, and how they are listed.

use std::collections::BTreeMap;

use rehearsal_report::view::RunState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A scenario that can be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScenarioEntry {
    /// Its name, by which it is started.
    pub name: String,
    /// Where it is.
    pub path: String,
    /// The environments that it can be started in.
    pub environments: Vec<String>,
    /// How many mistakes it has in its default environment; null when nobody has looked.
    pub problems: Option<u64>,
}

/// A run that is asked for, or only its forecast.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// The scenario's name, as `GET /api/scenarios` lists it.
    #[schema(example = "broadcast_vote")]
    pub scenario: String,
    /// The environment; null means `dev`.
    pub environment: Option<String>,
    /// Keys of the environment to be replaced: each value is TOML, else a text, as with `--set`.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// How many agents; null means as many as the environment says.
    #[schema(minimum = 1)]
    pub agents: Option<u32>,
    /// The seed of all chance in the run; null means a new one.
    pub seed: Option<u64>,
    /// Consent to load a production environment.
    #[serde(default)]
    pub yes: bool,
}

/// Where a started run is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Started {
    /// The run's id.
    pub id: String,
}

/// A run in the list of runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunEntry {
    pub id: String,
    pub scenario: String,
    pub environment: String,
    pub state: RunState,
    /// Whether this coordinator is performing it, so that it can be steered.
    pub live: bool,
    /// RFC 3339, UTC; null before the start.
    pub started_at: Option<String>,
    /// Seconds from the start to the end, or to now; null before the start.
    pub duration_s: Option<f64>,
    /// Users that it plans, or planned; null when that is not known.
    pub users: Option<u64>,
    /// `pass`, `fail`, `inconclusive`; null until it is judged.
    pub verdict: Option<String>,
}

/// The forms in which a run is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReportFormat {
    /// The self-contained page.
    Html,
    /// summary.json.
    Json,
    /// JUnit XML for CI servers.
    Junit,
    /// The summary's metrics as a table.
    Csv,
    /// A table with one row for each second.
    Seconds,
    /// The HdrHistogram log.
    Hlog,
    /// A curve that replays the load as it was steered.
    Curve,
}

impl ReportFormat {
    /// Returns what follows the run's id in the name of a downloaded file.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Html => ".html",
            Self::Json => ".json",
            Self::Junit => ".junit.xml",
            Self::Csv => ".csv",
            Self::Seconds => ".seconds.csv",
            Self::Hlog => ".hlog",
            Self::Curve => ".curve.csv",
        }
    }
}

/// A report as it is handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFile {
    /// The media type, such as `text/csv; charset=utf-8`.
    pub content_type: &'static str,
    /// The file.
    pub body: Vec<u8>,
}
