//! The smallest interval and the emptiest assignment there are, for the tests of both ends.

use std::sync::Arc;

use crate::message::Assignment;
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

/// An assignment with nothing to do.
pub(crate) fn assignment() -> Assignment {
    Assignment {
        run: String::new(),
        agent_id: String::new(),
        region: String::new(),
        seed: 0,
        threads: 1,
        scenario: "".into(),
        environment: "".into(),
        plan: "".into(),
        common: "".into(),
        data: Arc::default(),
    }
}
