//! Histograms on the wire: packed as [`Bins::packed`] has it, beside the exact extent of the samples.

use rehearsal_metrics::{Bins, Extent, GapError};

use crate::v1;

impl From<&Bins> for v1::Distribution {
    fn from(bins: &Bins) -> v1::Distribution {
        let extent = if bins.is_empty() { Extent { min: 0, max: 0, sum: 0 } } else { bins.extent() };
        v1::Distribution { bins: bins.packed(), min_us: extent.min, max_us: extent.max, sum_us: extent.sum }
    }
}

impl TryFrom<&v1::Distribution> for Bins {
    type Error = GapError;

    fn try_from(wire: &v1::Distribution) -> Result<Bins, GapError> {
        Bins::from_packed(&wire.bins, wire.extent())
    }
}

impl v1::Distribution {
    /// Adds these samples to `bins` without making a histogram of them first.
    ///
    /// # Errors
    /// [`GapError`] if this is no histogram; `bins` is unchanged then.
    pub fn merge_into(&self, bins: &mut Bins) -> Result<(), GapError> {
        bins.merge_packed(&self.bins, self.extent())
    }

    fn extent(&self) -> Extent {
        Extent { min: self.min_us, max: self.max_us, sum: self.sum_us }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn bins(samples: &[u64]) -> Bins {
        let mut bins = Bins::default();
        for micros in samples {
            bins.record(Duration::from_micros(*micros));
        }
        bins
    }

    #[test]
    fn each_form_is_used() {
        let packed = |samples: &[u64]| v1::Distribution::from(&bins(samples)).bins;
        assert_eq!(packed(&[40]), [160]);
        assert_eq!(packed(&[40, 41, 41]), [160, 9]);
        assert_eq!(packed(&[40, 43, 43]), [160, 14, 2]);
    }

    #[test]
    fn a_count_of_any_size_survives() {
        let mut many = bins(&[0]);
        many.record_n(Duration::from_micros(1), u64::MAX - 1);
        let wire = v1::Distribution::from(&many);
        assert_eq!(wire.bins, [0, 6, u64::MAX - 1]);
        assert_eq!(Bins::try_from(&wire), Ok(many));
    }

    #[test]
    fn what_is_no_histogram_is_refused() {
        let check = |bins: Vec<u64>, expected: GapError| {
            let wire = v1::Distribution { bins, ..v1::Distribution::default() };
            assert_eq!(Bins::try_from(&wire), Err(expected));
        };
        check(vec![u64::MAX - 3], GapError::PastTop);
        check(vec![162], GapError::EmptyBin);
        check(vec![163], GapError::EmptyBin);
        check(vec![160, 0], GapError::Repeated);
        check(vec![162, u64::MAX, 9], GapError::TooMany);
        check(vec![160], GapError::Extent);
    }

    proptest! {
        #[test]
        fn round_trips(samples in prop::collection::vec(0..200_000_000_u64, 0..200)) {
            let bins = bins(&samples);
            let wire = v1::Distribution::from(&bins);
            prop_assert_eq!(Bins::try_from(&wire), Ok(bins));
        }

        #[test]
        fn adding_in_place_is_merging(
            here in prop::collection::vec(0..200_000_000_u64, 0..50),
            there in prop::collection::vec(0..200_000_000_u64, 0..50),
        ) {
            let (mut added, there) = (bins(&here), bins(&there));
            let mut merged = added.clone();
            merged.merge(&there);
            v1::Distribution::from(&there).merge_into(&mut added).unwrap();
            prop_assert_eq!(added, merged);
        }

        #[test]
        fn no_list_makes_it_panic(bins: Vec<u64>, min_us: u64, max_us: u64, sum_us: u64) {
            let _ = Bins::try_from(&v1::Distribution { bins, min_us, max_us, sum_us });
        }
    }
}
