//! A distribution of durations, kept as the few histogram bins that hold something.
//!
//! The layout is that of `hdrhistogram` with bounds 1 µs and 120 s and three significant digits, so
//! bins add up with any histogram of that shape and percentiles come out the same to the
//! microsecond. A dense histogram takes 147 KB however few samples it holds; a second of one series
//! rarely fills a hundred bins.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::gaps::{GapError, ascending, check_gaps};
use crate::layout::{HIGHEST_MICROS, SIGNIFICANT_DIGITS, bin_of, micros, range_of};

/// What bins alone would round: exact extremes and sum, all in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The shortest sample; `u64::MAX` while there is none.
    pub min: u64,
    /// The longest sample, also beyond [`HIGHEST`](crate::HIGHEST); 0 while there is none.
    pub max: u64,
    /// The sum of all samples; stays at `u64::MAX` if it would pass it.
    pub sum: u64,
}

impl Default for Extent {
    fn default() -> Extent {
        Extent { min: u64::MAX, max: 0, sum: 0 }
    }
}

impl Extent {
    /// Adds `count` samples of one value.
    pub(crate) fn record(&mut self, micros: u64, count: u64) {
        self.merge(Extent { min: micros, max: micros, sum: micros.saturating_mul(count) });
    }

    fn merge(&mut self, other: Extent) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum = self.sum.saturating_add(other.sum);
    }
}

/// A sparse distribution of durations. Merging is associative and commutative.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bins {
    /// Bins that hold something, ascending.
    bins: Vec<u16>,
    /// Samples in each; apart from `bins` because a pair would pad two bytes to eight.
    counts: Vec<u64>,
    count: u64,
    extent: Extent,
}

impl Bins {
    /// Takes ascending bins with their counts as they are.
    pub(crate) fn from_sorted(bins: Vec<u16>, counts: Vec<u64>, extent: Extent) -> Bins {
        let count = counts.iter().fold(0, |sum: u64, count| sum.saturating_add(*count));
        Bins { bins, counts, count, extent }
    }

    /// Adds one sample. The hot path uses the recorder's open form instead.
    pub fn record(&mut self, sample: Duration) {
        self.record_n(sample, 1);
    }

    /// Adds `count` samples of one value.
    pub fn record_n(&mut self, sample: Duration, count: u64) {
        if count == 0 {
            return;
        }
        let micros = micros(sample);
        self.add_ascending(std::iter::once((bin_of(micros), count)));
        self.count = self.count.saturating_add(count);
        self.extent.record(micros, count);
    }

    /// Adds all samples of another distribution.
    pub fn merge(&mut self, other: &Bins) {
        self.add_ascending(other.iter());
        self.count = self.count.saturating_add(other.count);
        self.extent.merge(other.extent);
    }

    /// Number of samples.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Tells whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The exact extremes and sum, as they go over the wire beside the gaps.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// The shortest sample, exactly.
    pub fn min(&self) -> Option<Duration> {
        (!self.is_empty()).then(|| Duration::from_micros(self.extent.min))
    }

    /// The longest sample, exactly, also beyond [`HIGHEST`](crate::HIGHEST).
    pub fn max(&self) -> Option<Duration> {
        (!self.is_empty()).then(|| Duration::from_micros(self.extent.max))
    }

    /// The mean of all samples.
    pub fn mean(&self) -> Option<Duration> {
        let mean_micros = self.extent.sum as f64 / self.count as f64;
        (!self.is_empty()).then(|| Duration::from_secs_f64(mean_micros / 1e6))
    }

    /// Returns the value that `percent` (0 … 100) of all samples do not exceed, as `hdrhistogram`
    /// defines it: the top of the bin in which that sample lies (the bottom for 0). So it may lie a thousandth above
    /// the longest sample, which is known exactly; a tool that reads the interval log says the same.
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let quantile = (percent / 100.0).min(1.0);
        let wanted = ((quantile * self.count as f64).ceil() as u64).max(1);
        let mut seen: u64 = 0;
        let (bin, _) = self.iter().find(|(_, count)| {
            seen = seen.saturating_add(*count);
            seen >= wanted
        })?;
        let (lowest, highest) = range_of(bin);
        Some(Duration::from_micros(if quantile == 0.0 { lowest } else { highest }))
    }

    /// Makes the dense histogram of the same layout, for files.
    pub fn to_histogram(&self) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, HIGHEST_MICROS, SIGNIFICANT_DIGITS)
            .expect("bounds and digits are constants that the layout accepts");
        for (bin, count) in self.iter() {
            histogram.saturating_record_n(range_of(bin).0, count);
        }
        histogram
    }

    /// Lists the bins as (gap to the bin before, samples); the first gap is the first bin itself.
    pub fn gaps(&self) -> impl Iterator<Item = (u32, u64)> + Clone {
        let before = std::iter::once(0).chain(self.bins.iter().copied());
        self.iter().zip(before).map(|((bin, count), before)| (u32::from(bin - before), count))
    }

    /// Reads what [`Bins::gaps`] and [`Bins::extent`] made.
    ///
    /// # Errors
    /// Refuses whatever they could not have made; see [`GapError`].
    pub fn from_gaps(gaps: impl Iterator<Item = (u32, u64)> + Clone, extent: Extent) -> Result<Bins, GapError> {
        let mut bins = Bins::default();
        bins.merge_gaps(gaps, extent)?;
        Ok(bins)
    }

    /// Adds what [`Bins::gaps`] and [`Bins::extent`] made elsewhere, without building it first.
    ///
    /// # Errors
    /// As [`Bins::from_gaps`]; then nothing has been added.
    pub fn merge_gaps(
        &mut self,
        gaps: impl Iterator<Item = (u32, u64)> + Clone,
        extent: Extent,
    ) -> Result<(), GapError> {
        let count = check_gaps(gaps.clone(), extent)?;
        if count > 0 {
            self.add_ascending(ascending(gaps).map_while(Result::ok));
            self.count = self.count.saturating_add(count);
            self.extent.merge(extent);
        }
        Ok(())
    }

    fn iter(&self) -> impl Iterator<Item = (u16, u64)> + Clone {
        self.bins.iter().copied().zip(self.counts.iter().copied())
    }

    /// Adds to bins that are there, and inserts the others in one go: after a few agents there are
    /// no others.
    fn add_ascending(&mut self, incoming: impl Iterator<Item = (u16, u64)>) {
        let mut at = 0;
        let mut fresh = Vec::new();
        for (bin, count) in incoming {
            while self.bins.get(at).is_some_and(|here| *here < bin) {
                at += 1;
            }
            if self.bins.get(at) == Some(&bin) {
                self.counts[at] = self.counts[at].saturating_add(count);
            } else {
                fresh.push((bin, count));
            }
        }
        self.insert_ascending(&fresh);
    }

    /// Inserts bins that are not there yet, from the back, so that each entry moves at most once.
    fn insert_ascending(&mut self, fresh: &[(u16, u64)]) {
        let mut old = self.bins.len();
        let mut write = old + fresh.len();
        self.bins.resize(write, 0);
        self.counts.resize(write, 0);
        for &(bin, count) in fresh.iter().rev() {
            while old > 0 && self.bins[old - 1] > bin {
                old -= 1;
                write -= 1;
                self.bins[write] = self.bins[old];
                self.counts[write] = self.counts[old];
            }
            write -= 1;
            self.bins[write] = bin;
            self.counts[write] = count;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn bins(micros: &[u64]) -> Bins {
        let mut bins = Bins::default();
        micros.iter().for_each(|micros| bins.record(Duration::from_micros(*micros)));
        bins
    }

    /// Mostly ordinary durations, with some far past the top.
    fn samples() -> impl Strategy<Value = Vec<u64>> {
        vec(prop_oneof![0..5_000_u64, 0..130_000_000_u64, 0..u64::MAX], 0..200)
    }

    proptest! {
        #[test]
        fn counts_and_percentiles_equal_those_of_hdrhistogram(samples in samples(), percent in 0.0..=100.0_f64) {
            let mut histogram = Bins::default().to_histogram();
            samples.iter().for_each(|micros| histogram.saturating_record((*micros).min(HIGHEST_MICROS)));
            let bins = bins(&samples);
            prop_assert_eq!(bins.count(), histogram.len());
            prop_assert_eq!(&bins.to_histogram(), &histogram);
            for percent in [0.0, 50.0, 99.9, 100.0, percent] {
                let expected = histogram.value_at_percentile(percent);
                prop_assert_eq!(bins.percentile(percent).map_or(0, micros), expected);
            }
            prop_assert_eq!(bins.max().map(micros), samples.iter().copied().max());
            prop_assert_eq!(bins.min().map(micros), samples.iter().copied().min());
        }

        #[test]
        fn merging_equals_recording_everything_in_one(a in samples(), b in samples(), c in samples()) {
            let whole = bins(&[a.clone(), b.clone(), c.clone()].concat());
            let mut left = bins(&a);
            left.merge(&bins(&b));
            left.merge(&bins(&c));
            let mut right = bins(&c);
            right.merge_gaps(bins(&b).gaps(), bins(&b).extent()).unwrap();
            right.merge(&bins(&a));
            prop_assert_eq!(&left, &whole);
            prop_assert_eq!(&right, &whole);
        }

        #[test]
        fn gaps_round_trip(samples in samples()) {
            let bins = bins(&samples);
            prop_assert_eq!(Bins::from_gaps(bins.gaps(), bins.extent()), Ok(bins.clone()));
        }

        #[test]
        fn hostile_gaps_never_panic(
            gaps in vec((0..40_000_u32, any::<u64>()), 0..20),
            min: u64,
            max: u64,
            sum: u64,
        ) {
            let mut into = bins(&[1, 2, 3]);
            let before = into.clone();
            if into.merge_gaps(gaps.into_iter(), Extent { min, max, sum }).is_err() {
                prop_assert_eq!(into, before);
            }
        }
    }

    #[test]
    fn beyond_the_top_is_counted_and_its_maximum_stays_exact() {
        let bins = bins(&[300_000_000]);
        assert_eq!(bins.max(), Some(Duration::from_secs(300)));
        assert_eq!(bins.percentile(50.0).map(|top| top.as_secs()), Some(120));
    }
}
