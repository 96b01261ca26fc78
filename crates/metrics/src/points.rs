//! The samples of one series over some stretch of time, in the form that merges.

use crate::bins::Bins;
use crate::series::Kind;

/// What a series holds; which of the three follows from its [`Kind`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Points {
    /// A distribution of durations.
    Duration(Bins),
    /// A sum.
    Count(u64),
    /// How many of how many.
    Ratio {
        /// Samples that said yes.
        yes: u64,
        /// All samples.
        total: u64,
    },
}

/// Two things of different kinds cannot be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("merging a {found} into a {expected}")]
pub struct KindMismatch {
    /// The kind that was there.
    pub expected: Kind,
    /// The kind that was to be added.
    pub found: Kind,
}

impl Points {
    /// The kind of the series that these belong to.
    pub fn kind(&self) -> Kind {
        match self {
            Points::Duration(_) => Kind::Duration,
            Points::Count(_) => Kind::Count,
            Points::Ratio { .. } => Kind::Ratio,
        }
    }

    /// Number of samples; for a count its sum.
    pub fn count(&self) -> u64 {
        match self {
            Points::Duration(bins) => bins.count(),
            Points::Count(count) => *count,
            Points::Ratio { total, .. } => *total,
        }
    }

    /// Adds the samples of another stretch or source. Associative and commutative.
    ///
    /// # Errors
    /// When the kinds differ; then nothing has changed.
    pub fn merge(&mut self, other: &Points) -> Result<(), KindMismatch> {
        let expected = self.kind();
        match (self, other) {
            (Points::Duration(bins), Points::Duration(more)) => bins.merge(more),
            (Points::Count(count), Points::Count(more)) => *count = count.saturating_add(*more),
            (Points::Ratio { yes, total }, Points::Ratio { yes: more_yes, total: more_total }) => {
                *yes = yes.saturating_add(*more_yes);
                *total = total.saturating_add(*more_total);
            }
            (_, other) => {
                return Err(KindMismatch { expected, found: other.kind() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_do_not_mix() {
        let mut points = Points::Count(3);
        let error = points.merge(&Points::Ratio { yes: 1, total: 1 });
        assert_eq!(error, Err(KindMismatch { expected: Kind::Count, found: Kind::Ratio }));
        assert_eq!(points, Points::Count(3));
    }
}
