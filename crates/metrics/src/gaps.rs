//! Reads bins from the wire, where each is written as its distance from the one before.
//!
//! Neighbouring bins are close, so most gaps fit into one byte. Whoever sends them may be broken or
//! hostile: everything is checked before anything is added.

use crate::bins::Extent;
use crate::layout::{TOP_BIN, bin_of};

/// A list of gaps and counts was not one that [`Bins::gaps`](crate::Bins::gaps) could have made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GapError {
    /// A gap leads past [`TOP_BIN`].
    #[error("reading histogram bins: bin past the top bin {TOP_BIN}")]
    PastTop,
    /// A gap of zero after the first would name the same bin twice.
    #[error("reading histogram bins: the same bin twice")]
    Repeated,
    /// A bin without samples must be left out.
    #[error("reading histogram bins: bin with no samples")]
    EmptyBin,
    /// All counts together pass `u64::MAX`.
    #[error("reading histogram bins: more samples than can be counted")]
    TooMany,
    /// Minimum, maximum or sum contradicts the bins.
    #[error("reading histogram bins: minimum, maximum or sum contradicts the bins")]
    Extent,
}

/// Turns gaps into bins, checking each.
pub(crate) fn ascending(gaps: impl Iterator<Item = (u32, u64)>) -> impl Iterator<Item = Result<(u16, u64), GapError>> {
    let mut before: Option<u16> = None;
    gaps.map(move |(gap, count)| {
        if count == 0 {
            return Err(GapError::EmptyBin);
        }
        if gap == 0 && before.is_some() {
            return Err(GapError::Repeated);
        }
        let bin = u32::from(before.unwrap_or(0)).checked_add(gap).and_then(|bin| u16::try_from(bin).ok());
        let bin = bin.filter(|bin| *bin <= TOP_BIN).ok_or(GapError::PastTop)?;
        before = Some(bin);
        Ok((bin, count))
    })
}

/// Checks a whole list against its extent and returns the number of samples.
pub(crate) fn check_gaps(gaps: impl Iterator<Item = (u32, u64)>, extent: Extent) -> Result<u64, GapError> {
    let mut total: u64 = 0;
    let mut ends: Option<(u16, u16)> = None;
    for bin in ascending(gaps) {
        let (bin, count) = bin?;
        total = total.checked_add(count).ok_or(GapError::TooMany)?;
        ends = Some((ends.map_or(bin, |(first, _)| first), bin));
    }
    let Some(ends) = ends else { return Ok(0) };
    let sums = total.saturating_mul(extent.min)..=total.saturating_mul(extent.max);
    let agrees = ends == (bin_of(extent.min), bin_of(extent.max)) && sums.contains(&extent.sum);
    if agrees { Ok(total) } else { Err(GapError::Extent) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bins::Bins;

    #[test]
    fn each_kind_of_bad_gap_is_named() {
        let check = |gaps: &[(u32, u64)], sum: u64, expected: GapError| {
            let extent = Extent { min: 5, max: 6, sum };
            assert_eq!(Bins::from_gaps(gaps.iter().copied(), extent), Err(expected), "{gaps:?}");
        };
        check(&[(5, 1), (0, 1)], 11, GapError::Repeated);
        check(&[(5, 0)], 11, GapError::EmptyBin);
        check(&[(5, 1), (u32::from(TOP_BIN), 1)], 11, GapError::PastTop);
        check(&[(5, 1), (u32::MAX, 1)], 11, GapError::PastTop);
        check(&[(5, u64::MAX), (1, 1)], 11, GapError::TooMany);
        check(&[(5, 1)], 5, GapError::Extent);
        check(&[(5, 1), (1, 1)], 13, GapError::Extent);
    }
}
