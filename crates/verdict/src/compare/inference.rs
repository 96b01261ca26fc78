//! From resamples of two runs to a change, how sure it is, and what remains of that when many
//! figures are looked at.
//!
//! Durations and rates change by factors, so their change is judged as the difference of logarithms;
//! shares as the difference itself. With `s` the standard deviation of that difference over the
//! resamples, widened by √(k/(k−1)) for k independent pieces, as spread around one's own mean is too
//! small, in each run:
//!
//! ```text
//! p         two-sided, of change / s in Student's t, ν degrees of freedom
//! interval  the resamples' quantiles at Φ(∓ t(97.5 %, ν) · s / s before widening)
//! ν         by Welch and Satterthwaite, from k−1 for each run
//! ```
//!
//! The interval is the *expanded percentile interval* of Hesterberg 2015, "What Teachers Should Know
//! About the Bootstrap": plain percentiles of a resampled distribution are too narrow for few
//! pieces, and a run of two minutes has eight, a cue as many as it had firings. The p value does not count resamples beyond zero,
//! because so counted it could not fall below 2/resamples, and corrected for a hundred figures
//! nothing would ever be found.
//!
//! Of a hundred figures five differ by chance. [`holm`] bounds the chance that a comparison of equal
//! runs calls *any* figure worse, which is what an exit code needs, and unlike the procedure of
//! Benjamini and Hochberg it asks nothing of how the figures hang together, and they do: p95, p99 and
//! mean of the same calls.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// How sure an interval is.
const CONFIDENCE: f64 = 0.95;

/// The largest part of resamples that may be without a value.
const MOST_EMPTY: f64 = 0.02;

/// How a change is expressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// (B − A) / A.
    Relative,
    /// B − A.
    Difference,
}

/// One figure of one run.
#[derive(Clone, Debug)]
pub(super) struct Estimates {
    /// As measured.
    pub value: f64,
    /// Of each resample; `None` where a resample has no samples.
    pub resampled: Vec<Option<f64>>,
    /// How many independent pieces the run consists of, more than one: blocks, firings, users.
    pub pieces: f64,
}

/// How a figure differs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Change {
    /// From A to B, as its scale expresses it.
    pub change: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
    /// How likely a change of that size is between equal runs.
    pub p: f64,
}

impl Scale {
    /// The change between two values; `None` where a factor has no meaning.
    pub(super) fn change(self, a: f64, b: f64) -> Option<f64> {
        match self {
            Scale::Difference => Some(b - a),
            Scale::Relative => (a > 0.0).then(|| b / a - 1.0),
        }
    }

    /// Maps a value so that changes become differences.
    fn map(self, value: f64) -> Option<f64> {
        match self {
            Scale::Difference => Some(value),
            Scale::Relative => (value > 0.0).then(|| value.ln()),
        }
    }

    fn unmap(self, difference: f64) -> f64 {
        match self {
            Scale::Difference => difference,
            Scale::Relative => difference.exp_m1(),
        }
    }
}

/// Compares a figure of two runs. `None` when too many resamples are without a value: the samples lie
/// in too few pieces.
pub(super) fn infer(scale: Scale, a: &Estimates, b: &Estimates) -> Option<Change> {
    let difference = scale.map(b.value)? - scale.map(a.value)?;
    let mapped = |side: &Estimates| side.resampled.iter().map(|value| scale.map((*value)?)).collect::<Vec<_>>();
    let (of_a, of_b) = (mapped(a), mapped(b));
    let pairs = of_a.iter().zip(&of_b).filter_map(|(a, b)| Some(((*b)? - (*a)?, *a, *b)));
    let mut differences: Vec<f64> = pairs.map(|(difference, ..)| difference).collect();
    if (differences.len() as f64) < of_a.len() as f64 * (1.0 - MOST_EMPTY) || differences.is_empty() {
        return None;
    }
    let (narrow_a, narrow_b) = (variance(&of_a), variance(&of_b));
    let (free_a, free_b) = (a.pieces - 1.0, b.pieces - 1.0);
    let (spread_a, spread_b) = (narrow_a * a.pieces / free_a, narrow_b * b.pieces / free_b);
    let spread = spread_a + spread_b;
    if spread <= 0.0 {
        let change = scale.unmap(difference);
        return Some(Change { change, low: change, high: change, p: if difference == 0.0 { 1.0 } else { 0.0 } });
    }
    let freedom = spread * spread / (spread_a * spread_a / free_a + spread_b * spread_b / free_b);
    let student = StudentsT::new(0.0, 1.0, freedom).expect("there are at least two pieces, so freedom is positive");
    let reach = student.inverse_cdf(0.5 + CONFIDENCE / 2.0) * (spread / (narrow_a + narrow_b)).sqrt();
    let tail = Normal::standard().cdf(-reach);
    differences.sort_by(f64::total_cmp);
    Some(Change {
        change: scale.unmap(difference),
        low: scale.unmap(quantile(&differences, tail).min(difference)),
        high: scale.unmap(quantile(&differences, 1.0 - tail).max(difference)),
        p: 2.0 * student.cdf(-difference.abs() / spread.sqrt()),
    })
}

impl Estimates {
    /// How far the resamples spread.
    pub(super) fn variance(&self) -> f64 {
        variance(&self.resampled)
    }
}

fn variance(values: &[Option<f64>]) -> f64 {
    let known = || values.iter().copied().flatten();
    let count = known().count() as f64;
    let mean = known().sum::<f64>() / count;
    known().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0)
}

/// The quantile of ascending values, between neighbours by proportion.
fn quantile(ascending: &[f64], share: f64) -> f64 {
    let at = share * (ascending.len() - 1) as f64;
    let (below, above) = (ascending[at.floor() as usize], ascending[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

/// Corrects p values for their number, after Holm 1979: the smallest of m counts m times, the next
/// m − 1 times …, and none less than the one before it.
pub(super) fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|one, other| p_values[*one].total_cmp(&p_values[*other]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut before: f64 = 0.0;
    for (rank, position) in order.into_iter().enumerate() {
        before = before.max(p_values[position] * (p_values.len() - rank) as f64).min(1.0);
        adjusted[position] = before;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_are_corrected_for_their_number() {
        let rows: [(&[f64], &[f64]); 4] = [
            (&[], &[]),
            (&[0.03], &[0.03]),
            (&[0.5, 0.25, 0.0625, 0.125], &[0.5, 0.5, 0.25, 0.375]),
            (&[0.9, 0.9], &[1.0, 1.0]),
        ];
        for (p_values, expected) in rows {
            assert_eq!(holm(p_values), expected, "{p_values:?}");
        }
    }

    fn spread_around(value: f64, pieces: f64) -> Estimates {
        let resampled = (0..1_001).map(|step| Some(value * (0.95 + 0.000_1 * f64::from(step))));
        Estimates { value, resampled: resampled.collect(), pieces }
    }

    #[test]
    fn a_change_has_its_interval_around_it() {
        let of = |pieces_a, pieces_b| {
            let mut shuffled = spread_around(2.0, pieces_b);
            shuffled.resampled.rotate_left(400);
            infer(Scale::Relative, &spread_around(1.0, pieces_a), &shuffled).unwrap()
        };
        let change = of(40.0, 40.0);
        assert!((change.change - 1.0).abs() < 1e-9, "{change:?}");
        assert!(0.85 < change.low && change.low < 0.99 && 1.01 < change.high && change.high < 1.15, "{change:?}");
        assert!(change.p < 1e-12, "{change:?}");
        let less_sure = [change, of(40.0, 4.0), of(4.0, 4.0)];
        for pair in less_sure.windows(2) {
            assert!(pair[1].low < pair[0].low && pair[1].high > pair[0].high && pair[1].p > pair[0].p, "{less_sure:?}");
        }
    }

    #[test]
    fn what_never_varies_is_certain_and_what_is_missing_is_not() {
        let fixed = |value: f64| Estimates { value, resampled: vec![Some(value); 100], pieces: 9.0 };
        let change = infer(Scale::Difference, &fixed(0.0), &fixed(0.0)).unwrap();
        assert_eq!((change.change, change.low, change.high, change.p), (0.0, 0.0, 0.0, 1.0));
        assert_eq!(infer(Scale::Difference, &fixed(0.0), &fixed(0.5)).unwrap().p, 0.0);
        assert_eq!(infer(Scale::Relative, &fixed(0.0), &fixed(0.5)), None, "no factor leads from zero");
        let mut gaps = fixed(0.5);
        gaps.resampled[..5].fill(None);
        assert_eq!(infer(Scale::Difference, &fixed(0.0), &gaps), None);
    }
}
