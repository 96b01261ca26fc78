//! Sets of whole seconds, as few half-open stretches: which seconds an agent has reported.

use serde::{Deserialize, Serialize};

/// The seconds `[from_s, to_s)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// First second.
    pub from_s: i64,
    /// The second after the last.
    pub to_s: i64,
}

/// A set of seconds; stretches are ascending and neither touch nor overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Span>")]
pub struct Spans(Vec<Span>);

/// Takes stretches in any order, also such that touch or overlap.
impl From<Vec<Span>> for Spans {
    fn from(list: Vec<Span>) -> Spans {
        let mut spans = Spans::default();
        list.into_iter().for_each(|span| spans.insert(span));
        spans
    }
}

impl Spans {
    /// Adds the seconds of a stretch.
    pub fn insert(&mut self, span: Span) {
        if span.from_s >= span.to_s {
            return;
        }
        let start = self.0.partition_point(|known| known.to_s < span.from_s);
        let end = self.0.partition_point(|known| known.from_s <= span.to_s);
        let joined = self.0[start..end].iter().fold(span, |joined, known| Span {
            from_s: joined.from_s.min(known.from_s),
            to_s: joined.to_s.max(known.to_s),
        });
        self.0.splice(start..end, [joined]);
    }

    /// The second after the last one in the set.
    pub fn end(&self) -> Option<i64> {
        self.0.last().map(|span| span.to_s)
    }

    /// Lists the stretches of `within` that are not in the set.
    pub fn missing(&self, within: Span) -> Vec<Span> {
        let mut from_s = within.from_s;
        let mut missing = Vec::new();
        let after = Span { from_s: within.to_s, to_s: within.to_s };
        for span in self.0.iter().chain([&after]) {
            let to_s = span.from_s.min(within.to_s);
            if from_s < to_s {
                missing.push(Span { from_s, to_s });
            }
            from_s = from_s.max(span.to_s);
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn spans_behave_like_a_set_of_seconds(pieces in prop::collection::vec((0..40_i64, 0..6_i64), 0..12)) {
            let mut spans = Spans::default();
            let mut set = BTreeSet::new();
            for (from_s, length) in pieces {
                spans.insert(Span { from_s, to_s: from_s + length });
                set.extend(from_s..from_s + length);
            }
            prop_assert_eq!(spans.end(), set.last().map(|last| last + 1));
            prop_assert!(spans.0.windows(2).all(|pair| pair[0].to_s < pair[1].from_s));
            let missing: Vec<i64> = spans.missing(Span { from_s: 5, to_s: 30 }).iter().flat_map(|span| span.from_s..span.to_s).collect();
            let expected: Vec<i64> = (5..30).filter(|second| !set.contains(second)).collect();
            prop_assert_eq!(missing, expected);
        }
    }
}
