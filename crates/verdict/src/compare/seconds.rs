//! Which seconds of two runs are compared.
//!
//! ```text
//! A   ..████████████████████....     █ load
//! B   ....████████████████████████
//!         ├──────────────────┤       from the later begin of load to the earlier end,
//!         ├───┤     ├────────┤       without what speaks of the generator or is incomplete
//! ```
//!
//! Both runs are looked at over the same seconds of their plan: what is left out of one is left out
//! of the other, because a ramp without its top is not comparable with a whole one.

use rehearsal_metrics::{AgentRecord, Span, Spans, Timeline};
use serde::Serialize;

use super::Side;

/// A stretch that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Excluded {
    /// First second.
    pub from_s: i64,
    /// The second after the last.
    pub to_s: i64,
    /// The reason, as a sentence without a full stop.
    pub why: String,
}

/// The seconds that are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    /// From where on both runs had load, and until when; empty when they never had at once.
    pub extent: Option<Span>,
    /// The seconds of it that are compared, ascending.
    pub seconds: Vec<i64>,
    /// What was left out of it.
    pub excluded: Vec<Excluded>,
}

impl Window {
    /// Finds the seconds in which both runs had load and neither is in doubt.
    pub(super) fn of(a: &Side<'_>, b: &Side<'_>) -> Window {
        let (Some(of_a), Some(of_b)) = (loaded(a), loaded(b)) else {
            return Window::default();
        };
        let extent = Span { from_s: of_a.from_s.max(of_b.from_s), to_s: of_a.to_s.min(of_b.to_s) };
        if extent.from_s >= extent.to_s {
            return Window::default();
        }
        let mut excluded: Vec<Excluded> = [a, b].into_iter().flat_map(|side| doubtful(side, extent)).collect();
        excluded.sort_by_key(|stretch| (stretch.from_s, stretch.to_s));
        let mut out = Spans::default();
        excluded.iter().for_each(|stretch| out.insert(Span { from_s: stretch.from_s, to_s: stretch.to_s }));
        let kept = out.missing(extent);
        Window {
            extent: Some(extent),
            seconds: kept.into_iter().flat_map(|span| span.from_s..span.to_s).collect(),
            excluded,
        }
    }
}

/// The stretch from the first to the last second of a run in which anything was measured of the
/// system.
fn loaded(side: &Side<'_>) -> Option<Span> {
    let known = side.timeline.span()?;
    let end = (side.duration.as_secs_f64().ceil() as i64).min(known.to_s);
    let first = (known.from_s.max(0)..end).find(|second| has_load(side.timeline, *second))?;
    let last = (first..end).rev().find(|second| has_load(side.timeline, *second))?;
    Some(Span { from_s: first, to_s: last + 1 })
}

fn has_load(timeline: &Timeline, second: i64) -> bool {
    let of_system = timeline.series().iter().filter(|series| !series.key.metric.starts_with("generator."));
    let span = Span { from_s: second, to_s: second + 1 };
    let mut samples = of_system.filter_map(|series| timeline.window(&series.key, span));
    samples.any(|points| points.count() > 0)
}

/// The stretches in which a run's numbers speak of its generator, or are incomplete.
fn doubtful(side: &Side<'_>, extent: Span) -> Vec<Excluded> {
    let because = |why: String| move |Span { from_s, to_s }| Excluded { from_s, to_s, why: why.clone() };
    let poor =
        poor_parts(side, extent).into_iter().map(because(format!("the generator was the limit of {}", side.name)));
    let mut untold = Spans::default();
    side.timeline.agents().values().flat_map(|agent| untold_by(agent, extent)).for_each(|span| untold.insert(span));
    let untold = parts_of(&untold, extent).into_iter().map(because(format!("numbers of {} never arrived", side.name)));
    poor.chain(untold).collect()
}

/// The parts of a stretch in which the generator of a run was the limit.
pub(super) fn poor_parts(side: &Side<'_>, extent: Span) -> Vec<Span> {
    let mut fit = Spans::default();
    side.generator.fit_parts(extent).into_iter().for_each(|span| fit.insert(span));
    fit.missing(extent)
}

/// The seconds that an agent never told of. Once it was given up, others made its load.
fn untold_by(agent: &AgentRecord, extent: Span) -> Vec<Span> {
    agent.unobserved(agent.lost_at.unwrap_or(extent.to_s).min(extent.to_s))
}

fn parts_of(spans: &Spans, extent: Span) -> Vec<Span> {
    let mut others = Spans::default();
    spans.missing(extent).into_iter().for_each(|span| others.insert(span));
    others.missing(extent)
}
