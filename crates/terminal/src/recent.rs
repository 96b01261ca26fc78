//! What the last few seconds were like.
//!
//! Percentiles of single seconds cannot be merged. The counts by band of the heat map can, and say in which band the
//! percentile of all the answers lies; it also lies between the smallest and the largest percentile of the single
//! seconds. So what is known of it is a range, and its upper end is what is shown.

use rehearsal_report::view::{Latency, Second, bands};
use rehearsal_verdict::amounts;

/// Seconds that rates and percentiles look back over.
pub(crate) const LOOK_BACK_S: i64 = 5;

/// The last settled seconds, at most [`LOOK_BACK_S`] of them.
#[derive(Debug, PartialEq)]
pub(crate) struct Recent {
    /// Of how many seconds it tells.
    pub seconds: usize,
    /// Answers in them.
    pub answers: u64,
    /// Errors in them, of all kinds.
    pub errors: u64,
    pub times: Option<Times>,
}

/// Response times, in seconds of time.
#[derive(Debug, PartialEq)]
pub(crate) struct Times {
    pub p50: Range,
    pub p99: Range,
    pub max: f64,
}

/// Where a percentile lies, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub from: f64,
    pub to: f64,
}

impl Range {
    /// `≤ 126 ms`, or `120 ms` when it is known to all the digits that are written.
    pub(crate) fn text(self) -> String {
        let (from, to) = (amounts::seconds(self.from), amounts::seconds(self.to));
        if from == to { to } else { format!("≤ {to}") }
    }
}

impl Recent {
    /// `None` before the first settled second.
    pub(crate) fn of(seconds: &[Second]) -> Option<Recent> {
        let last = seconds.iter().rfind(|second| second.settled)?.s;
        let looked_at = |second: &&Second| second.settled && second.s > last - LOOK_BACK_S;
        let seconds: Vec<&Second> = seconds.iter().filter(looked_at).collect();
        let responses: Vec<Latency> = seconds.iter().filter_map(|second| second.response).filter(|r| r.n > 0).collect();
        Some(Recent {
            seconds: seconds.len(),
            answers: responses.iter().map(|response| response.n).sum(),
            errors: seconds.iter().flat_map(|second| second.errors.values()).sum(),
            times: times(&seconds, &responses),
        })
    }

    /// Answers in one second, on average.
    pub(crate) fn rate(&self) -> f64 {
        self.answers as f64 / self.seconds as f64
    }
}

fn times(seconds: &[&Second], responses: &[Latency]) -> Option<Times> {
    let max = responses.iter().map(|response| response.max).reduce(f64::max)?;
    let percentile = |quantile, of_one: fn(&Latency) -> f64| {
        let ones = || responses.iter().map(of_one);
        let (least, most) = (ones().fold(f64::INFINITY, f64::min), ones().fold(0.0, f64::max));
        let Range { from, to } = band_of(seconds, quantile);
        // Rounding at the edge of a band must not turn the range around.
        let to = most.min(to).max(least);
        Range { from: least.max(from).min(to), to }
    };
    Some(Times { p50: percentile(0.50, |second| second.p50), p99: percentile(0.99, |second| second.p99), max })
}

/// The band in which the quantile of all answers lies; everything when the seconds hold no bands.
fn band_of(seconds: &[&Second], quantile: f64) -> Range {
    let upper = bands();
    let mut counts = vec![0_u64; upper.len() + 1];
    for band in seconds.iter().flat_map(|second| &second.heat) {
        if let Some(count) = counts.get_mut(usize::from(band.0)) {
            *count += band.1;
        }
    }
    let all: u64 = counts.iter().sum();
    let rank = ((all as f64 * quantile).ceil() as u64).max(1);
    let mut seen = 0;
    let reached = |count: &u64| {
        seen += count;
        seen >= rank
    };
    match counts.iter().position(reached) {
        Some(band) => Range {
            from: band.checked_sub(1).map_or(0.0, |below| upper[below]),
            to: upper.get(band).copied().unwrap_or(f64::INFINITY),
        },
        None => Range { from: 0.0, to: f64::INFINITY },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rehearsal_report::view::Band;

    use super::*;

    /// The nearest-rank quantile of samples in ascending order.
    fn quantile(sorted: &[f64], quantile: f64) -> f64 {
        sorted[((sorted.len() as f64 * quantile).ceil() as usize).max(1) - 1]
    }

    fn second(s: i64, mut samples: Vec<f64>) -> Second {
        samples.sort_by(f64::total_cmp);
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|q| quantile(&samples, q));
        let n = samples.len() as u64;
        let response = Some(Latency { n, p50, p90, p99, max: samples[samples.len() - 1] });
        let band_of = |sample: &f64| bands().iter().position(|upper| sample < upper).unwrap_or(bands().len());
        let heat = samples.iter().map(|sample| Band(band_of(sample) as u16, 1)).collect();
        Second { s, settled: true, response, heat, ..Second::default() }
    }

    proptest! {
        /// The percentile of all samples of the window lies in the range that is told.
        #[test]
        fn the_range_holds_the_percentile(
            windows in prop::collection::vec(prop::collection::vec(0.000_05_f64..200.0, 1..40), 1..5),
        ) {
            let seconds: Vec<Second> =
                windows.iter().enumerate().map(|(s, samples)| second(s as i64, samples.clone())).collect();
            let mut all: Vec<f64> = windows.concat();
            all.sort_by(f64::total_cmp);
            let times = Recent::of(&seconds).unwrap().times.unwrap();
            for (range, q) in [(times.p50, 0.5), (times.p99, 0.99)] {
                let exact = quantile(&all, q);
                prop_assert!(range.from <= exact && exact <= range.to, "{exact} is not in {range:?}");
            }
            prop_assert_eq!(times.max, all[all.len() - 1]);
        }
    }

    #[test]
    fn only_the_last_settled_seconds_count() {
        let mut seconds: Vec<Second> = (0..10).map(|s| second(s, vec![0.1; 7])).collect();
        seconds[9].settled = false;
        let recent = Recent::of(&seconds).unwrap();
        assert_eq!((recent.seconds, recent.answers, recent.rate()), (5, 35, 7.0));
        let p99 = recent.times.unwrap().p99;
        assert_eq!(p99.text(), "100 ms", "one value in all seconds is known exactly");
    }

    #[test]
    fn what_is_missing_is_not_zero() {
        assert_eq!(Recent::of(&[]), None);
        assert_eq!(Recent::of(&[Second::default()]), None, "not settled");
        let silent = Second { settled: true, ..Second::default() };
        assert_eq!(Recent::of(&[silent]).unwrap().times, None);
    }
}
