//! Distributions as short lists of numbers, for the wire, and as bytes, for files.
//!
//! In a quiet second most bins hold one sample, in a busy one most bins have a neighbour; both kinds are one small
//! number each. In bytes, each number is a variable-length integer, behind minimum, maximum and sum.
//!
//! ```text
//! (gap 40, 1 sample) (gap 1, 7 samples) (gap 3, 7 samples)
//!  40 << 2            7 << 2 | 1         3 << 2 | 2, 7      ->   160 29 14 7
//! ```

use crate::bins::{Bins, Extent};
use crate::gaps::GapError;

/// The low bits of a number tell how to read it.
const FORM_BITS: u32 = 2;
const ONE_SAMPLE: u64 = 0;
const NEIGHBOUR: u64 = 1;
const COUNTED: u64 = 2;

/// Bits of a number in each byte; the eighth tells that more follow.
const BYTE_BITS: u32 = 7;

/// Bytes were not those of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BytesError {
    /// They end inside a number, or a number does not fit into 64 bits.
    #[error("reading a distribution: its bytes are cut or overwritten")]
    Number,
    /// The numbers make no distribution.
    #[error("reading a distribution")]
    Bins(#[source] GapError),
}

impl Bins {
    /// Lists bins and counts as short numbers.
    pub fn packed(&self) -> Vec<u64> {
        let mut packed = Vec::with_capacity(self.gaps().size_hint().0);
        for (gap, count) in self.gaps() {
            match (u64::from(gap), count) {
                (gap, 1) => packed.push(gap << FORM_BITS | ONE_SAMPLE),
                (1, count) if count <= u64::MAX >> FORM_BITS => packed.push(count << FORM_BITS | NEIGHBOUR),
                (gap, count) => packed.extend([gap << FORM_BITS | COUNTED, count]),
            }
        }
        packed
    }

    /// Reads what [`Bins::packed`] and [`Bins::extent`] made.
    ///
    /// # Errors
    /// Refuses whatever they could not have made; see [`GapError`].
    pub fn from_packed(packed: &[u64], extent: Extent) -> Result<Bins, GapError> {
        Bins::from_gaps(Unpacked(packed.iter()), extent)
    }

    /// Adds what [`Bins::packed`] and [`Bins::extent`] made elsewhere, without building it first.
    ///
    /// # Errors
    /// As [`Bins::from_packed`]; then nothing has been added.
    pub fn merge_packed(&mut self, packed: &[u64], extent: Extent) -> Result<(), GapError> {
        self.merge_gaps(Unpacked(packed.iter()), extent)
    }

    /// Writes everything as bytes; without samples there are none.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if !self.is_empty() {
            let Extent { min, max, sum } = self.extent();
            [min, max, sum].into_iter().chain(self.packed()).for_each(|number| put(&mut bytes, number));
        }
        bytes
    }

    /// Reads what [`Bins::to_bytes`] wrote.
    ///
    /// # Errors
    /// When it cannot have written them.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Bins, BytesError> {
        if bytes.is_empty() {
            return Ok(Bins::default());
        }
        let extent = Extent { min: take(&mut bytes)?, max: take(&mut bytes)?, sum: take(&mut bytes)? };
        let mut packed = Vec::with_capacity(bytes.len());
        while !bytes.is_empty() {
            packed.push(take(&mut bytes)?);
        }
        Bins::from_packed(&packed, extent).map_err(BytesError::Bins)
    }
}

/// Reads gaps and counts. What cannot be one becomes one that is refused: a gap that is too large leads past the top bin;
/// a count that was cut off, or a form that nobody writes, is an empty bin.
#[derive(Clone)]
struct Unpacked<'a>(std::slice::Iter<'a, u64>);

impl Iterator for Unpacked<'_> {
    type Item = (u32, u64);

    fn next(&mut self) -> Option<(u32, u64)> {
        let head = self.0.next()?;
        let (form, number) = (head & ((1 << FORM_BITS) - 1), head >> FORM_BITS);
        let gap = u32::try_from(number).unwrap_or(u32::MAX);
        Some(match form {
            ONE_SAMPLE => (gap, 1),
            NEIGHBOUR => (1, number),
            COUNTED => (gap, self.0.next().copied().unwrap_or(0)),
            _ => (gap, 0),
        })
    }
}

/// Appends a number, seven bits a byte, the lowest first.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    let more = 1 << BYTE_BITS;
    while number >= more {
        bytes.push((number % more + more) as u8);
        number >>= BYTE_BITS;
    }
    bytes.push(number as u8);
}

/// Takes the number off the front.
fn take(bytes: &mut &[u8]) -> Result<u64, BytesError> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(BYTE_BITS as usize) {
        let (byte, rest) = bytes.split_first().ok_or(BytesError::Number)?;
        *bytes = rest;
        let low = u64::from(*byte) & ((1 << BYTE_BITS) - 1);
        if low << shift >> shift != low {
            return Err(BytesError::Number);
        }
        number |= low << shift;
        if u64::from(*byte) == low {
            return Ok(number);
        }
    }
    Err(BytesError::Number)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn bins(samples: &[u64]) -> Bins {
        let mut bins = Bins::default();
        samples.iter().for_each(|micros| bins.record(Duration::from_micros(*micros)));
        bins
    }

    #[test]
    fn each_form_is_used() {
        let check = |samples: &[u64], expected: &[u64]| assert_eq!(bins(samples).packed(), expected, "{samples:?}");
        check(&[], &[]);
        check(&[40], &[160]);
        check(&[40, 41, 41], &[160, 9]);
        check(&[40, 43, 43], &[160, 14, 2]);
        assert_eq!(bins(&[40]).to_bytes(), [40, 40, 40, 160, 1]);
    }

    #[test]
    fn a_count_of_any_size_survives() {
        let mut many = bins(&[0]);
        many.record_n(Duration::from_micros(1), u64::MAX - 1);
        assert_eq!(many.packed(), [0, 6, u64::MAX - 1]);
        assert_eq!(Bins::from_bytes(&many.to_bytes()), Ok(many));
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        let check = |bytes: &[u8], expected: BytesError| assert_eq!(Bins::from_bytes(bytes), Err(expected));
        check(&[40, 40], BytesError::Number);
        check(&[40, 40, 40, 160], BytesError::Number);
        check(&[255; 12], BytesError::Number);
        check(&[255, 255, 255, 255, 255, 255, 255, 255, 255, 2], BytesError::Number);
        check(&[40, 40, 40, 163, 1], BytesError::Bins(GapError::EmptyBin));
        check(&[41, 41, 41, 160, 1], BytesError::Bins(GapError::Extent));
        check(&[40, 40, 40, 160, 1, 0], BytesError::Bins(GapError::Repeated));
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(samples in prop::collection::vec(0..200_000_000_u64, 0..200)) {
            let bins = bins(&samples);
            prop_assert_eq!(&Bins::from_packed(&bins.packed(), bins.extent()), &Ok(bins.clone()));
            prop_assert_eq!(Bins::from_bytes(&bins.to_bytes()), Ok(bins));
        }

        #[test]
        fn adding_in_place_is_merging(
            here in prop::collection::vec(0..200_000_000_u64, 0..50),
            there in prop::collection::vec(0..200_000_000_u64, 0..50),
        ) {
            let (mut added, there) = (bins(&here), bins(&there));
            let mut merged = added.clone();
            merged.merge(&there);
            added.merge_packed(&there.packed(), there.extent()).unwrap();
            prop_assert_eq!(added, merged);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            if let Ok(bins) = Bins::from_bytes(&bytes) {
                prop_assert_eq!(Bins::from_bytes(&bins.to_bytes()), Ok(bins));
            }
        }
    }
}
