//! How much of its users an instance carries.

/// Connections of one user that are told apart; with more, each weighs as if there were so many.
const MOST_PARTS: usize = 8;

/// The connections of an instance, each a part of its user: a user with three connections weighs a
/// third of a user in each. They are counted by that, so that nothing is rounded over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::scaling) struct Load {
    /// Connections whose user has this many, less one.
    by_parts: [u32; MOST_PARTS],
}

impl Load {
    pub(in crate::scaling) fn connections(&self) -> u32 {
        self.by_parts.iter().sum()
    }

    /// Returns its users, as the sum of their parts.
    pub(super) fn users(&self) -> f64 {
        (1u32..).zip(self.by_parts).map(|(parts, count)| f64::from(count) / f64::from(parts)).sum()
    }

    /// Adds a connection whose user has so many.
    pub(super) fn add(&mut self, parts: usize) {
        self.by_parts[parts.min(MOST_PARTS) - 1] += 1;
    }

    /// Takes away a connection whose user had so many.
    pub(super) fn remove(&mut self, parts: usize) {
        self.by_parts[parts.min(MOST_PARTS) - 1] -= 1;
    }
}
