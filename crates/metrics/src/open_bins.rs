//! The form of a distribution while its second is still open: built for recording, not for keeping.
//!
//! A sample costs one array access. Blocks of counters exist only where samples fell, and closing
//! walks the list of touched bins instead of all 18,000.

use crate::bins::{Bins, Extent};
use crate::layout::{TOP_BIN, bin_of};

const BLOCK_BITS: u32 = 10;
const BLOCK: usize = 1 << BLOCK_BITS;
const BLOCKS: usize = (TOP_BIN as usize >> BLOCK_BITS) + 1;

/// Counters of one series in one second.
#[derive(Debug, Default)]
pub(crate) struct OpenBins {
    blocks: [Option<Box<[u64; BLOCK]>>; BLOCKS],
    /// Bins whose counter is not zero, in order of their first sample.
    touched: Vec<u16>,
    extent: Extent,
}

impl OpenBins {
    /// Adds one sample, in microseconds.
    pub(crate) fn record(&mut self, micros: u64) {
        let bin = bin_of(micros);
        let block = self.blocks[usize::from(bin >> BLOCK_BITS)].get_or_insert_with(|| Box::new([0; BLOCK]));
        let counter = &mut block[usize::from(bin) % BLOCK];
        if *counter == 0 {
            self.touched.push(bin);
        }
        *counter += 1;
        self.extent.record(micros, 1);
    }

    /// Ends the second: returns its samples and starts from nothing, keeping the memory.
    pub(crate) fn close(&mut self) -> Bins {
        self.touched.sort_unstable();
        let counts = self.touched.iter().map(|bin| {
            let block = self.blocks[usize::from(bin >> BLOCK_BITS)].as_mut();
            block.map_or(0, |block| std::mem::take(&mut block[usize::from(*bin) % BLOCK]))
        });
        let counts = counts.collect();
        let bins = self.touched.clone();
        self.touched.clear();
        Bins::from_sorted(bins, counts, std::mem::take(&mut self.extent))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn closing_gives_what_was_recorded_and_forgets_it(
            seconds in vec(vec(0..200_000_000_u64, 0..100), 1..4),
        ) {
            let mut open = OpenBins::default();
            for samples in seconds {
                let mut expected = Bins::default();
                for micros in samples {
                    open.record(micros);
                    expected.record(Duration::from_micros(micros));
                }
                prop_assert_eq!(open.close(), expected);
            }
        }
    }
}
