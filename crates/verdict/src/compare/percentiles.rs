//! Percentiles of thousands of resamples of one distribution, without merging it thousands of times.
//!
//! A percentile is the first bin up to which enough samples lie. How many lie up to one bin is asked
//! block by block, so it costs a few additions; which bin to ask for next is found by bisection,
//! beginning where the resample before ended. Only bins that are asked for are ever added up over
//! time, and resamples resemble each other, so those are few. The result is the same, to the bin, as
//! merging the histograms of the resample's seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use rehearsal_metrics::Bins;

use super::resample::{Blocks, Resamples, total};

/// One second: how many samples lie up to each of its bins.
#[derive(Debug, Default)]
struct SecondBins {
    /// Positions among the used bins, ascending.
    positions: Vec<u32>,
    /// Samples up to and with each.
    upto: Vec<u64>,
}

/// A distribution over time.
#[derive(Debug)]
pub(super) struct Distribution {
    seconds: Vec<SecondBins>,
    /// All seconds merged.
    whole: Bins,
    /// The value of each used bin in seconds of time, ascending.
    values: Vec<f64>,
}

impl Distribution {
    /// Takes the samples of each second, empty where there are none.
    pub(super) fn new(seconds: &[Bins]) -> Distribution {
        let mut whole = Bins::default();
        seconds.iter().for_each(|bins| whole.merge(bins));
        let positions: BTreeMap<u32, u32> = (0..).zip(bins_of(&whole)).map(|(at, (bin, _))| (bin, at)).collect();
        let second = |bins: &Bins| {
            let mut seen = 0;
            let upto = bins_of(bins).map(|(bin, count)| {
                seen += count;
                (positions[&bin], seen)
            });
            let (positions, upto) = upto.unzip();
            SecondBins { positions, upto }
        };
        let values = whole
            .to_histogram()
            .iter_recorded()
            .map(|bin| Duration::from_micros(bin.value_iterated_to()).as_secs_f64())
            .collect();
        Distribution { seconds: seconds.iter().map(second).collect(), whole, values }
    }

    /// The percentile of all seconds together, in seconds of time.
    pub(super) fn percentile(&self, percent: f64) -> Option<f64> {
        self.whole.percentile(percent).map(|value| value.as_secs_f64())
    }

    /// The percentile of each resample; `None` for one without samples.
    pub(super) fn resampled(&self, percent: f64, resamples: &Resamples) -> Vec<Option<f64>> {
        let mut rows = Rows::new(self, resamples.blocks);
        let mut near = 0;
        let mut percentile = |starts: &[u32]| {
            let count = rows.total(self.values.len().checked_sub(1)?, starts);
            let wanted = (percent / 100.0 * count).ceil().max(1.0);
            if count == 0.0 {
                return None;
            }
            near = first_that(self.values.len(), near, |position| rows.total(position, starts) >= wanted);
            self.values.get(near).copied()
        };
        resamples.iter().map(&mut percentile).collect()
    }
}

/// Lists the bins of a distribution with their samples.
fn bins_of(bins: &Bins) -> impl Iterator<Item = (u32, u64)> {
    bins.gaps().scan(0, |bin, (gap, count)| {
        *bin += gap;
        Some((*bin, count))
    })
}

/// For each bin that was asked for: the samples up to it, in the block that begins with each second.
struct Rows<'a> {
    distribution: &'a Distribution,
    blocks: Blocks,
    rows: Vec<Option<Vec<f64>>>,
}

impl<'a> Rows<'a> {
    fn new(distribution: &'a Distribution, blocks: Blocks) -> Rows<'a> {
        Rows { distribution, blocks, rows: vec![None; distribution.values.len()] }
    }

    /// Counts the samples of a resample up to a bin.
    fn total(&mut self, position: usize, starts: &[u32]) -> f64 {
        let row = self.rows[position].get_or_insert_with(|| {
            let upto = |second: &SecondBins| {
                let bins = second.positions.partition_point(|known| *known as usize <= position);
                bins.checked_sub(1).map_or(0.0, |last| second.upto[last] as f64)
            };
            self.blocks.sums(self.distribution.seconds.iter().map(upto))
        });
        total(row, starts)
    }
}

/// Finds the first position below `length` for which `is_enough` holds. It must hold for the last
/// one, and for all after the first. Positions `near` the result are cheapest to start from.
fn first_that(length: usize, near: usize, mut is_enough: impl FnMut(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, length - 1);
    let mut step = 1;
    // Widens from `near` until the result is enclosed in `low ..= high`.
    if is_enough(near) {
        high = near;
        while low < high {
            let probe = high.saturating_sub(step);
            if !is_enough(probe) {
                low = probe + 1;
                break;
            }
            (high, step) = (probe, step * 2);
        }
    } else {
        low = near + 1;
        while low < high {
            let probe = (low + step).min(high);
            if is_enough(probe) {
                high = probe;
                break;
            }
            (low, step) = (probe + 1, step * 2);
        }
    }
    while low < high {
        let middle = low + (high - low) / 2;
        (low, high) = if is_enough(middle) { (low, middle) } else { (middle + 1, high) };
    }
    low
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

    proptest! {
        #[test]
        fn a_resample_has_the_percentile_of_its_merged_seconds(
            seconds in vec(vec(0..200_000_000_u64, 0..12), 1..40),
            percent in 1.0..100.0_f64,
        ) {
            let seconds: Vec<Bins> = seconds.iter().map(|micros| bins(micros)).collect();
            let resamples = Resamples::draw(Blocks::of(seconds.len()), 5, 3);
            let distribution = Distribution::new(&seconds);
            let found = distribution.resampled(percent, &resamples);
            for (found, starts) in found.into_iter().zip(resamples.iter()) {
                let mut merged = Bins::default();
                for first in starts {
                    let block = *first as usize..*first as usize + resamples.blocks.length;
                    block.for_each(|second| merged.merge(&seconds[second % seconds.len()]));
                }
                prop_assert_eq!(found, merged.percentile(percent).map(|value| value.as_secs_f64()));
            }
        }

        #[test]
        fn the_search_ends_at_the_first_from_anywhere(length in 1..200_usize, first: usize, near: usize) {
            let (first, near) = (first % length, near % length);
            prop_assert_eq!(first_that(length, near, |position| position >= first), first);
        }
    }
}
