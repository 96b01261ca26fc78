//! Which durations share a bin: the layout of `hdrhistogram` with bounds 1 µs and 120 s and three
//! significant digits.
//!
//! It is computed here as well because the crate's own mapping is private, and samples of a second
//! live outside of its dense histograms.
//!
//! ```text
//! bin 0 … 2047      one microsecond each
//! bin 2048 … 3071   two microseconds each      (2048 µs … 4095 µs)
//! bin 3072 … 4095   four microseconds each     (4096 µs … 8191 µs), and so on up to 120 s
//! ```

use std::time::Duration;

/// The longest duration that has a bin of its own; anything longer is counted in the top bin.
pub const HIGHEST: Duration = Duration::from_secs(120);

pub(crate) const HIGHEST_MICROS: u64 = 120_000_000;
pub(crate) const SIGNIFICANT_DIGITS: u8 = 3;
/// Bits of a value that decide its bin: 2^11 is the first power of two above 2 × 10^3.
const VALUE_BITS: u32 = 11;
/// Bins in each doubling of the value range.
const HALF_BITS: u32 = VALUE_BITS - 1;

/// The last bin, that of [`HIGHEST`].
pub const TOP_BIN: u16 = bin_of(HIGHEST_MICROS);

/// Returns the bin of a duration in microseconds.
pub(crate) const fn bin_of(micros: u64) -> u16 {
    let micros = if micros > HIGHEST_MICROS { HIGHEST_MICROS } else { micros };
    let doublings = u64::BITS - VALUE_BITS - (micros | ((1 << VALUE_BITS) - 1)).leading_zeros();
    ((doublings as u64) << HALF_BITS) as u16 + (micros >> doublings) as u16
}

/// Returns the first and last microsecond that fall into a bin.
pub(crate) const fn range_of(bin: u16) -> (u64, u64) {
    let doublings = ((bin >> HALF_BITS) as u32).saturating_sub(1);
    let lowest = (bin as u64 - ((doublings as u64) << HALF_BITS)) << doublings;
    (lowest, lowest + (1 << doublings) - 1)
}

/// Converts to whole microseconds without the 128-bit division of [`Duration::as_micros`].
pub(crate) fn micros(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000).saturating_add(u64::from(duration.subsec_micros()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bins::Bins;

    proptest! {
        #[test]
        fn the_layout_is_that_of_hdrhistogram(a in 0..=HIGHEST_MICROS, step in 0..200_000_u64) {
            let histogram = Bins::default().to_histogram();
            let b = (a + step).min(HIGHEST_MICROS);
            prop_assert_eq!(histogram.equivalent(a, b), bin_of(a) == bin_of(b));
            prop_assert_eq!(range_of(bin_of(a)), (histogram.lowest_equivalent(a), histogram.highest_equivalent(a)));
        }
    }
}
