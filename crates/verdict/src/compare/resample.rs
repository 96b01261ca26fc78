//! Draws what a run might have been as well: its seconds again, in blocks, some twice and some not
//! at all.
//!
//! Neighbouring seconds resemble each other, so drawing single seconds would make a run look much
//! surer than it is. A **circular block bootstrap** (Politis and Romano 1992, "A circular
//! block-resampling procedure for stationary data") draws stretches of seconds instead and joins the
//! last second to the first, so that the seconds of begin and end are drawn as often as all others.
//!
//! The length of a block is 1.3 √n seconds of n, at least 5. Blocks of n^(1/3), which is where the
//! squared error of the variance is least, make tests that find differences where there are none;
//! 1.3 √n is the rule of Lazarus, Lewis, Stock and Watson 2018, "HAR Inference: Recommendations for
//! Practice", for the window to which such blocks amount, found by weighing false alarms against
//! missed ones. What few blocks cost is paid in [inference](super::inference), by as few degrees of
//! freedom.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// The shortest block in seconds: garbage collection, scrapes and health checks come every few.
const SHORTEST: f64 = 5.0;
/// See the head of this file.
const PER_ROOT: f64 = 1.3;

/// How seconds are cut into blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    /// How many seconds there are.
    pub seconds: usize,
    /// Seconds in a block.
    pub length: usize,
    /// Blocks in a resample, which together are as long as the run, but for a second each at most.
    pub number: usize,
}

impl Blocks {
    /// Cuts so many seconds.
    pub(super) fn of(seconds: usize) -> Blocks {
        let wanted = (PER_ROOT * (seconds as f64).sqrt()).max(SHORTEST);
        let number = (seconds as f64 / wanted).round().max(2.0) as usize;
        Blocks { seconds, length: (seconds / number).max(1), number }
    }

    /// Draws each by itself what is no neighbour of the others: of so many firings of a cue, which
    /// take the place of seconds, `number` for each resample.
    pub(super) fn singly(firings: usize, number: usize) -> Blocks {
        Blocks { seconds: firings, length: 1, number }
    }

    /// Adds up what happened in the block that begins with each second. Block by block is how
    /// resamples are added up, which makes them cheap.
    pub(super) fn sums(&self, by_second: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let by_second: Vec<f64> = by_second.into_iter().collect();
        let mut upto = vec![0.0];
        let mut total = 0.0;
        for value in by_second.iter().chain(by_second.iter().take(self.length)) {
            total += value;
            upto.push(total);
        }
        (0..by_second.len()).map(|first| upto[first + self.length] - upto[first]).collect()
    }
}

/// Which blocks each resample of one run consists of.
#[derive(Debug)]
pub(super) struct Resamples {
    /// How the run was cut.
    pub blocks: Blocks,
    /// The first seconds of the blocks, [`Blocks::number`] for each resample.
    starts: Vec<u32>,
}

impl Resamples {
    /// Draws resamples. The same seed gives the same ones.
    pub(super) fn draw(blocks: Blocks, resamples: usize, seed: u64) -> Resamples {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let last = u32::try_from(blocks.seconds).expect("a run has far less than 2^32 seconds");
        let draws = if last == 0 { 0 } else { resamples * blocks.number };
        Resamples { blocks, starts: (0..draws).map(|_| random.random_range(0..last)).collect() }
    }

    /// Goes through the resamples, each as the first seconds of its blocks.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.starts.chunks_exact(self.blocks.number)
    }
}

/// Adds up a resample from the sums of its blocks.
pub(super) fn total(sums: &[f64], starts: &[u32]) -> f64 {
    starts.iter().map(|first| sums[*first as usize]).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blocks_grow_with_the_root_of_the_length() {
        let cut = |seconds| (Blocks::of(seconds).length, Blocks::of(seconds).number);
        assert_eq!(cut(30), (7, 4));
        assert_eq!(cut(60), (10, 6));
        assert_eq!(cut(600), (31, 19));
        assert_eq!(cut(3_600), (78, 46));
        assert_eq!(cut(1), (1, 2), "nonsense does not panic");
    }

    proptest! {
        #[test]
        fn a_block_is_the_sum_of_its_seconds(by_second in prop::collection::vec(0..1_000_u32, 1..60)) {
            let blocks = Blocks::of(by_second.len());
            let sums = blocks.sums(by_second.iter().map(|value| f64::from(*value)));
            for (first, sum) in sums.iter().enumerate() {
                let seconds = (first..first + blocks.length).map(|second| by_second[second % by_second.len()]);
                prop_assert_eq!(*sum, seconds.map(f64::from).sum::<f64>());
            }
        }
    }

    #[test]
    fn every_second_is_drawn_about_as_often() {
        let resamples = Resamples::draw(Blocks::of(60), 2_000, 7);
        let ones = |wanted: usize| resamples.blocks.sums((0..60).map(|second| f64::from(second == wanted)));
        for second in [0, 30, 59] {
            let sums = ones(second);
            let drawn: f64 = resamples.iter().map(|starts| total(&sums, starts)).sum();
            assert!((1_850.0..2_150.0).contains(&drawn), "second {second}: {drawn} times in 2,000");
        }
        let again = Resamples::draw(Blocks::of(60), 2_000, 7);
        assert_eq!(resamples.starts, again.starts);
    }
}
