//! What is known of two runs besides the figures: whether they are like for like, and their rules.

use rehearsal_metrics::UserState;

use super::Side;
use super::comparison::{Mismatch, RunFacts, ThresholdPair};
use crate::amounts::count;
use crate::thresholds::ThresholdOutcome;

/// The part by which loads may differ and still be like for like: arrivals drawn at random differ by
/// some per cent, and no one would plan a difference as small.
const LIKE: f64 = 0.03;

/// Lists the facts of one run.
pub(super) fn of(side: &Side<'_>) -> RunFacts {
    let agents = side.timeline.agents().values();
    RunFacts {
        name: side.name.clone(),
        scenario: side.scenario.clone(),
        environment: side.environment.clone(),
        verdict: side.verdict,
        duration_s: side.duration.as_secs_f64(),
        planned: side.timeline.ledger_now().ok().map(|ledger| ledger.planned()),
        arrived: agents.map(|agent| agent.users.get(UserState::Waiting, UserState::Live)).sum(),
    }
}

/// Lists what else differs than the system under test.
pub(super) fn mismatches([a, b]: &[RunFacts; 2]) -> Vec<Mismatch> {
    let text = |what: &str, a: &str, b: &str| {
        (a != b).then(|| Mismatch { what: what.to_owned(), a: a.to_owned(), b: b.to_owned() })
    };
    let is_like = |a: f64, b: f64| (a - b).abs() <= LIKE * a.max(b);
    let users = |what: &str, a: Option<u64>, b: Option<u64>| {
        let (a, b) = a.zip(b)?;
        if is_like(a as f64, b as f64) { None } else { text(what, &count(a), &count(b)) }
    };
    let lasted = [a, b].map(|run| format!("{} s", count(run.duration_s.round() as u64)));
    let duration = if is_like(a.duration_s, b.duration_s) { None } else { text("duration", &lasted[0], &lasted[1]) };
    let all = [
        text("scenario", &a.scenario, &b.scenario),
        text("environment", &a.environment, &b.environment),
        users("planned users", a.planned, b.planned),
        users("arrivals", Some(a.arrived), Some(b.arrived)),
        duration,
    ];
    all.into_iter().flatten().collect()
}

impl Mismatch {
    /// Whether rates differ with it.
    pub(super) fn is_of_load(&self) -> bool {
        self.what != "environment"
    }
}

/// Puts the rules of both runs side by side, those of A first.
pub(super) fn threshold_pairs(a: &[ThresholdOutcome], b: &[ThresholdOutcome]) -> Vec<ThresholdPair> {
    let find = |among: &[ThresholdOutcome], text: &str| among.iter().find(|outcome| outcome.text == text).cloned();
    let only_in_b = b.iter().filter(|outcome| find(a, &outcome.text).is_none());
    let pair = |outcome: &ThresholdOutcome| ThresholdPair {
        text: outcome.text.clone(),
        a: find(a, &outcome.text),
        b: find(b, &outcome.text),
    };
    a.iter().chain(only_in_b).map(pair).collect()
}
