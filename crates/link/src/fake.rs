//! The smallest interval there is, for the tests of both ends.

use crate::outbox::Coarsen;

/// An interval that says nothing but which second it covers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Second(pub i64);

impl Coarsen for Second {
    fn absorb(&mut self, next: Self) {
        self.0 = next.0;
    }
    fn weight(&self) -> usize {
        1
    }
    fn seconds(&self) -> std::ops::Range<i64> {
        self.0..self.0 + 1
    }
}
