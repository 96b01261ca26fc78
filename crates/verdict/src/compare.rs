//! Two runs side by side: which figures differ more than the runs fluctuate by themselves.
//!
//! ```text
//! seconds ──► both had load, generator fit, nothing missing     (seconds)
//! subjects ─► samples of each second, for each run              (subjects, samples)
//! resample ─► each run drawn again in blocks of seconds         (resample, percentiles)
//! inference ► change, interval, p, corrected for their number   (inference)
//! cues ─────► firings instead of seconds                        (audience)
//! decision ─► worse, better, same, unclear                      (decision)
//! words ────► a sentence, a table                               (words, text)
//! ```
//!
//! A figure is **worse** or **better** when its change is significant after correction, lies beyond
//! the tolerance, and its interval leaves out zero; **same** when the whole interval lies within the
//! tolerance; **unclear** otherwise. Histograms are merged for every resample and percentiles
//! computed from that; percentiles are never resampled.
//!
//! What this cannot see: how much two runs of the *same* system differ because they were made on
//! different days or machines. One run each holds nothing about it; the tolerance stands for it.
//!
//! Everything is computed from the two timelines with fixed seeds: the same runs give the same
//! comparison.

use std::time::Duration;

use rehearsal_metrics::{CueFiring, SeriesKey, Timeline};
use serde::Serialize;

use crate::generator::Generator;
use crate::judge::Verdict;
use crate::thresholds::ThresholdOutcome;

mod comparison;
mod words;
mod text;

mod seconds;
mod subjects;
mod samples;
mod resample;
mod percentiles;
mod inference;
mod audience;
mod decision;
mod facts;

pub use comparison::{Compared, Comparison, Figure, FigureOutcome, Mismatch, Overall, RunFacts, ThresholdPair, Unit};
pub use seconds::Excluded;
pub use subjects::{Better, Scope};
pub use text::{Rows, render};

use audience::Audience;
use inference::{Change, Estimates, Scale, infer};
use resample::{Blocks, Resamples};
use samples::{FEWEST_SECONDS, Samples};
use seconds::Window;
use subjects::{Measure, Subject, subjects};

/// How often each run is drawn again. The ends of an interval of few blocks are the 1,000th part of
/// the resamples; of 2,000, two lie beyond.
const RESAMPLES: usize = 2_000;

/// Where the random numbers of A and B begin; any two different ones would do.
const SEEDS: [u64; 2] = [0xA, 0xB];

/// One of the two runs.
#[derive(Clone, Debug)]
pub struct Side<'a> {
    /// The run's id.
    pub name: String,
    /// The scenario's name.
    pub scenario: String,
    /// The environment's name.
    pub environment: String,
    /// All that its agents reported.
    pub timeline: &'a Timeline,
    /// The cues that were fired.
    pub firings: &'a [CueFiring],
    /// How long it lasted.
    pub duration: Duration,
    /// What it came to.
    pub verdict: Verdict,
    /// What became of its rules.
    pub thresholds: &'a [ThresholdOutcome],
    /// How well its load generator was.
    pub generator: &'a Generator,
}

/// How much a figure may change without being called worse or better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tolerances {
    /// Of durations and rates, as a part of their value.
    pub relative: f64,
    /// Of shares, as a difference; for errors, in errors per call.
    pub share: f64,
}

impl Default for Tolerances {
    /// 5 %, and 0.1 percentage points.
    fn default() -> Tolerances {
        Tolerances { relative: 0.05, share: 0.001 }
    }
}

/// Compares run B with run A.
pub fn compare(a: &Side<'_>, b: &Side<'_>, tolerances: &Tolerances) -> Comparison {
    compare_with(a, b, tolerances, RESAMPLES)
}

fn compare_with(a: &Side<'_>, b: &Side<'_>, tolerances: &Tolerances, resamples: usize) -> Comparison {
    let window = Window::of(a, b);
    let blocks = Blocks::of(window.seconds.len());
    let facts = [facts::of(a), facts::of(b)];
    let mismatches = facts::mismatches(&facts);
    let pair = Pair {
        sides: [a, b],
        tolerances,
        resamples,
        draws: SEEDS.map(|seed| Resamples::draw(blocks, resamples, seed)),
        has_like_load: !mismatches.iter().any(|mismatch| mismatch.is_of_load()),
        seconds: &window.seconds,
    };
    let mut figures: Vec<Figure> = subjects(a, b).iter().flat_map(|subject| pair.figures_of(subject)).collect();
    figures.extend(audience::by_cue(a, b).iter().flat_map(|(cue, audiences)| pair.figures_of_cue(cue, audiences)));
    decision::decide(&mut figures);
    figures.sort_by(|one, other| {
        one.outcome.cmp(&other.outcome).then(one.scope.cmp(&other.scope)).then(match one.outcome {
            FigureOutcome::Worse | FigureOutcome::Better => other.weight().total_cmp(&one.weight()),
            FigureOutcome::Same | FigureOutcome::Unclear => std::cmp::Ordering::Equal,
        })
    });
    let fit_firings = [a, b].map(|side| audience::fit_firings(side).len());
    let compared = Compared {
        from_s: window.extent.map(|extent| extent.from_s),
        to_s: window.extent.map(|extent| extent.to_s),
        seconds: window.seconds.len(),
        block_s: blocks.length,
        resamples,
        excluded: window.excluded,
        excluded_firings: a.firings.len() + b.firings.len() - fit_firings.iter().sum::<usize>(),
    };
    let overall = decision::overall(&figures);
    let sentence = words::sentence(overall, &figures, &compared, tolerances);
    let [facts_a, facts_b] = facts;
    Comparison {
        schema: comparison::SCHEMA,
        overall,
        sentence,
        a: facts_a,
        b: facts_b,
        mismatches,
        compared,
        tolerances: *tolerances,
        figures,
        thresholds: facts::threshold_pairs(a.thresholds, b.thresholds),
    }
}

/// Both runs, prepared to be compared figure by figure.
struct Pair<'a> {
    sides: [&'a Side<'a>; 2],
    tolerances: &'a Tolerances,
    resamples: usize,
    draws: [Resamples; 2],
    has_like_load: bool,
    seconds: &'a [i64],
}

impl Pair<'_> {
    /// Compares all that is computed of some samples.
    fn figures_of(&self, subject: &Subject) -> Vec<Figure> {
        let samples = self.sides.map(|side| Samples::of(side.timeline, subject, self.seconds));
        subject.measures.iter().filter_map(|measure| self.figure(subject, *measure, &samples)).collect()
    }

    /// Compares one figure; `None` when neither run has it.
    fn figure(&self, subject: &Subject, measure: Measure, samples: &[Samples; 2]) -> Option<Figure> {
        let bases = samples.each_ref().map(|samples| samples.basis(measure));
        let values = bases.each_ref().map(|basis| basis.as_ref()?.value());
        let mut figure = self.draft(&subject.key, measure, values)?;
        figure.scope = subject.scope;
        figure.reason = figure.reason.or_else(|| self.doubt(measure, samples));
        if figure.reason.is_none() {
            let estimate = |basis: &Option<samples::Basis<'_>>, draws: &Resamples| {
                let basis = basis.as_ref()?;
                // Rounded blocks may leave out some seconds, so pieces are counted in run time.
                let pieces = draws.blocks.seconds as f64 / draws.blocks.length as f64;
                Some(Estimates { value: basis.value()?, resampled: basis.resampled(draws), pieces })
            };
            let [a, b] = [0, 1].map(|side| estimate(&bases[side], &self.draws[side]));
            figure.infer(a, b);
        }
        Some(figure)
    }

    /// Says why nothing can be claimed of a measure, before anything is computed.
    fn doubt(&self, measure: Measure, samples: &[Samples; 2]) -> Option<String> {
        if self.seconds.len() < FEWEST_SECONDS {
            return Some(format!("only {} seconds to compare, and {FEWEST_SECONDS} are needed", self.seconds.len()));
        }
        if measure == Measure::PerSecond && !self.has_like_load {
            return Some("the loads differ, and rates with them".to_owned());
        }
        let [a, b] = samples.each_ref().map(|samples| samples.shortage(measure));
        a.map(|shortage| format!("in A {shortage}")).or_else(|| b.map(|shortage| format!("in B {shortage}")))
    }

    /// Compares who heard a cue, and how late.
    fn figures_of_cue(&self, cue: &str, audiences: &[Audience; 2]) -> Vec<Figure> {
        let reach = [0, 1].map(|side| audiences[side].reach(self.resamples, SEEDS[side]));
        let reach = self.figure_of_cue("cue.reach", cue, Measure::Share, reach, |figure| {
            audience::doubt_of_reach(audiences, figure.change, figure.tolerance)
        });
        let delay = |percent| {
            let delay = [0, 1].map(|side| audiences[side].delay(percent, self.resamples, SEEDS[side]));
            self.figure_of_cue("cue.delay", cue, Measure::Percentile(percent), delay, |figure| {
                audience::doubt_of_delay(audiences, figure.a, figure.b)
            })
        };
        [reach, delay(50.0), delay(99.0)].into_iter().flatten().collect()
    }

    /// Compares one figure of a cue; `None` when neither run has it.
    fn figure_of_cue(
        &self,
        metric: &str,
        cue: &str,
        measure: Measure,
        [a, b]: [Option<Estimates>; 2],
        doubt: impl FnOnce(&Figure) -> Option<String>,
    ) -> Option<Figure> {
        let values = [&a, &b].map(|estimates| estimates.as_ref().map(|estimates| estimates.value));
        let mut figure = self.draft(&SeriesKey::new(metric).with("cue", cue), measure, values)?;
        figure.reason = figure.reason.take().or_else(|| doubt(&figure));
        figure.infer(a, b);
        Some(figure)
    }

    /// Fills in what a figure is and what was measured; `None` when neither run has it.
    fn draft(&self, key: &SeriesKey, measure: Measure, [a, b]: [Option<f64>; 2]) -> Option<Figure> {
        a.or(b)?;
        let (statistic, unit) = (measure.name(), measure.unit());
        let only = |name| Some(format!("only {name} has samples"));
        Some(Figure {
            metric: key.metric.clone(),
            tags: key.tags.clone(),
            label: format!("{key} {statistic}"),
            statistic,
            scope: Scope::Part,
            unit,
            better: measure.better(key),
            a,
            b,
            change: a.zip(b).and_then(|(a, b)| unit.scale().change(a, b)),
            low: None,
            high: None,
            p: None,
            p_adjusted: None,
            tolerance: match unit {
                Unit::Seconds | Unit::PerSecond => self.tolerances.relative,
                Unit::Share | Unit::PerCall => self.tolerances.share,
            },
            outcome: FigureOutcome::Unclear,
            reason: match (a, b) {
                (Some(_), None) => only("A"),
                (None, Some(_)) => only("B"),
                _ => None,
            },
        })
    }
}

impl Unit {
    fn scale(self) -> Scale {
        match self {
            Unit::Seconds | Unit::PerSecond => Scale::Relative,
            Unit::Share | Unit::PerCall => Scale::Difference,
        }
    }
}

impl Figure {
    /// Adds interval and p, unless there is a reason to claim nothing.
    fn infer(&mut self, a: Option<Estimates>, b: Option<Estimates>) {
        let (None, Some((a, b))) = (&self.reason, a.zip(b)) else { return };
        match infer(self.unit.scale(), &a, &b) {
            Some(Change { change, low, high, p }) => {
                (self.change, self.low, self.high, self.p) = (Some(change), Some(low), Some(high), Some(p));
            }
            None => self.reason = Some("its samples lie in too few stretches of time".to_owned()),
        }
    }
}

#[cfg(test)]
mod synthetic;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod validity;
