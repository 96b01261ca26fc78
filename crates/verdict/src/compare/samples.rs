//! The samples of one run second by second, and what is computed of them over any choice of seconds.

use rehearsal_metrics::{Bins, Points, SeriesKey, Span, Timeline};

use super::percentiles::Distribution;
use super::resample::{Resamples, total};
use super::subjects::{Measure, Subject};
use crate::amounts::count;

/// Seconds with samples below which nothing is claimed: shorter runs have fewer than four blocks.
pub(super) const FEWEST_SECONDS: usize = 30;

/// Samples beyond a percentile below which nothing is claimed of it: what a handful of answers
/// decide, a resample only repeats (Davison and Hinkley 1997, "Bootstrap Methods and their
/// Application", 2.6.1).
const FEWEST_BEYOND: f64 = 10.0;

/// Whatever counts as a call: each has one sample here, failed or not.
const CALLS: [&str; 2] = ["http.failed", "socket.failed"];

/// The samples of a subject.
pub(super) struct Samples {
    points: Vec<Option<Points>>,
    /// For shares: the whole of each second, of which the samples may be a part.
    wholes: Vec<f64>,
    /// For durations.
    distribution: Option<Distribution>,
}

/// What a measure is computed from.
pub(super) enum Basis<'a> {
    /// A percentile of a distribution.
    Percentile(&'a Distribution, f64),
    /// Sums of two columns, of which one is divided by the other.
    Quotient {
        /// By second.
        numerators: Vec<f64>,
        /// By second.
        denominators: Vec<f64>,
    },
}

impl Samples {
    /// Takes the samples of a subject in some seconds.
    pub(super) fn of(timeline: &Timeline, subject: &Subject, seconds: &[i64]) -> Samples {
        let points = by_second(timeline, &subject.key, seconds);
        let wholes = match subject.measures {
            [Measure::PerCall] => {
                let calls = CALLS.map(|metric| counts(&by_second(timeline, &SeriesKey::new(metric), seconds)));
                let [http, sockets] = calls;
                http.iter().zip(sockets).map(|(http, sockets)| http + sockets).collect()
            }
            // The rate of one kind of failures is over all calls, and those that did not fail have none.
            _ if subject.key.tags.get("kind").is_some() => {
                let tags = subject.key.tags.retaining(|tag| tag != "kind");
                counts(&by_second(timeline, &SeriesKey { tags, ..subject.key.clone() }, seconds))
            }
            _ => counts(&points),
        };
        let is_duration = points.iter().flatten().any(|points| matches!(points, Points::Duration(_)));
        let distribution = is_duration.then(|| {
            let bins = points.iter().map(|points| match points {
                Some(Points::Duration(bins)) => bins.clone(),
                _ => Bins::default(),
            });
            Distribution::new(&bins.collect::<Vec<_>>())
        });
        Samples { points, wholes, distribution }
    }

    /// What a measure of these samples is computed from; `None` without samples.
    pub(super) fn basis(&self, measure: Measure) -> Option<Basis<'_>> {
        let column = |read: fn(&Points) -> f64| -> Vec<f64> {
            self.points.iter().map(|points| points.as_ref().map_or(0.0, read)).collect()
        };
        let over = |numerators: Vec<f64>, denominators: Vec<f64>| Basis::Quotient { numerators, denominators };
        let is_empty = self.wholes.iter().all(|whole| *whole == 0.0);
        if is_empty {
            return None;
        }
        Some(match measure {
            Measure::Percentile(percent) => Basis::Percentile(self.distribution.as_ref()?, percent),
            Measure::Mean => over(column(sum_s), column(|points| points.count() as f64)),
            Measure::PerSecond => over(column(|points| points.count() as f64), vec![1.0; self.points.len()]),
            Measure::Share => over(column(yes), self.wholes.clone()),
            Measure::NoShare => over(column(|points| points.count() as f64 - yes(points)), self.wholes.clone()),
            Measure::PerCall => over(column(|points| points.count() as f64), self.wholes.clone()),
        })
    }

    /// Says why these samples are too few for a measure.
    pub(super) fn shortage(&self, measure: Measure) -> Option<String> {
        let seconds = self.wholes.iter().filter(|whole| **whole > 0.0).count();
        if seconds < FEWEST_SECONDS {
            return Some(format!("samples in only {seconds} of the seconds, and {FEWEST_SECONDS} are needed"));
        }
        let Measure::Percentile(percent) = measure else { return None };
        let samples: f64 = self.wholes.iter().sum();
        let needed = (FEWEST_BEYOND / (1.0 - percent / 100.0)).round();
        (samples < needed)
            .then(|| format!("only {} samples, and {} are needed", count(samples as u64), count(needed as u64)))
    }
}

impl Basis<'_> {
    /// The value over all seconds: durations in seconds of time, shares as fractions of 1.
    pub(super) fn value(&self) -> Option<f64> {
        match self {
            Basis::Percentile(distribution, percent) => distribution.percentile(*percent),
            Basis::Quotient { numerators, denominators } => divide(numerators.iter().sum(), denominators.iter().sum()),
        }
    }

    /// The value of each resample.
    pub(super) fn resampled(&self, resamples: &Resamples) -> Vec<Option<f64>> {
        match self {
            Basis::Percentile(distribution, percent) => distribution.resampled(*percent, resamples),
            Basis::Quotient { numerators, denominators } => {
                let sums = |column: &[f64]| resamples.blocks.sums(column.iter().copied());
                let (above, below) = (sums(numerators), sums(denominators));
                resamples.iter().map(|starts| divide(total(&above, starts), total(&below, starts))).collect()
            }
        }
    }
}

fn by_second(timeline: &Timeline, key: &SeriesKey, seconds: &[i64]) -> Vec<Option<Points>> {
    let of = |second: &i64| timeline.window(key, Span { from_s: *second, to_s: second + 1 });
    seconds.iter().map(of).collect()
}

fn counts(points: &[Option<Points>]) -> Vec<f64> {
    points.iter().map(|points| points.as_ref().map_or(0.0, |points| points.count() as f64)).collect()
}

fn divide(numerator: f64, denominator: f64) -> Option<f64> {
    (denominator > 0.0).then(|| numerator / denominator)
}

fn sum_s(points: &Points) -> f64 {
    match points {
        Points::Duration(bins) => bins.extent().sum as f64 / 1e6,
        Points::Count(_) | Points::Ratio { .. } => 0.0,
    }
}

fn yes(points: &Points) -> f64 {
    match points {
        Points::Ratio { yes, .. } => *yes as f64,
        Points::Duration(_) | Points::Count(_) => 0.0,
    }
}
