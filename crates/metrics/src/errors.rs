//! Errors by kind, with a count and one sample text of each, bounded in number and length.
//!
//! A failing system can produce a new text with every answer. Which kinds survive the bound and
//! which sample is kept is decided by their order alone, so that merging gives the same in any
//! order.

use std::collections::BTreeMap;

use crate::intern::OTHER;

/// Longest kind that is kept, in bytes.
const LONGEST_KIND: usize = 100;
/// Longest sample that is kept, in bytes: a message and a line of its cause.
const LONGEST_SAMPLE: usize = 300;

/// How often one kind of error came, and what one of them said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorCount {
    /// Number of errors.
    pub count: u64,
    /// The text of one: the smallest, so that it does not depend on the order of merging.
    pub sample: String,
}

/// Errors of some stretch of time, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors(BTreeMap<String, ErrorCount>);

impl Errors {
    /// The bound on kinds where nobody sets a smaller one.
    pub const MOST_KINDS: usize = 200;

    /// Counts errors of one kind; past `most_kinds` the last kinds in order are counted together as
    /// `(other)`.
    pub fn add(&mut self, kind: &str, count: u64, sample: &str, most_kinds: usize) {
        let kind = clip(kind, LONGEST_KIND);
        let sample = clip(sample, LONGEST_SAMPLE);
        if let Some(known) = self.0.get_mut(kind) {
            known.count = known.count.saturating_add(count);
            if sample < known.sample.as_str() {
                known.sample = sample.to_owned();
            }
            return;
        }
        self.0.insert(kind.to_owned(), ErrorCount { count, sample: sample.to_owned() });
        self.fold(most_kinds);
    }

    /// Adds the errors of another stretch or source. Associative and commutative for one bound.
    pub fn merge(&mut self, other: &Errors, most_kinds: usize) {
        for (kind, error) in other.iter() {
            self.add(kind, error.count, &error.sample, most_kinds);
        }
    }

    /// Takes back what [`Errors::iter`] listed.
    pub fn from_rows(rows: impl IntoIterator<Item = (String, ErrorCount)>) -> Errors {
        Errors(rows.into_iter().collect())
    }

    /// Lists the kinds in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ErrorCount)> {
        self.0.iter().map(|(kind, error)| (kind.as_str(), error))
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps the first kinds in order: one that falls out here falls out of every larger set as
    /// well, so it does not matter when it does.
    fn fold(&mut self, most_kinds: usize) {
        let kinds = self.0.len() - usize::from(self.0.contains_key(OTHER));
        if kinds <= most_kinds {
            return;
        }
        let last = self.0.keys().rev().find(|kind| *kind != OTHER).cloned();
        if let Some((_, error)) = last.and_then(|kind| self.0.remove_entry(&kind)) {
            self.add(OTHER, error.count, &error.sample, most_kinds);
        }
    }
}

/// Cuts a text to at most `longest` bytes, between characters.
fn clip(text: &str, longest: usize) -> &str {
    &text[..text.floor_char_boundary(longest)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn errors(rows: &[(String, u64)]) -> Errors {
        let mut errors = Errors::default();
        rows.iter().for_each(|(kind, count)| errors.add(kind, *count, &format!("{kind} number {count}"), 3));
        errors
    }

    fn rows() -> impl Strategy<Value = Vec<(String, u64)>> {
        prop::collection::vec(("[a-g]", 1..9_u64), 0..8)
    }

    proptest! {
        #[test]
        fn the_bound_does_not_depend_on_the_order(a in rows(), b in rows(), c in rows()) {
            let whole = errors(&[a.clone(), b.clone(), c.clone()].concat());
            let mut left = errors(&a);
            left.merge(&errors(&b), 3);
            left.merge(&errors(&c), 3);
            let mut tail = errors(&c);
            tail.merge(&errors(&b), 3);
            tail.merge(&errors(&a), 3);
            prop_assert_eq!(&left, &whole);
            prop_assert_eq!(&tail, &whole);
            prop_assert!(whole.iter().count() <= 4);
            let count: u64 = [a, b, c].concat().iter().map(|row| row.1).sum();
            prop_assert_eq!(whole.iter().map(|(_, error)| error.count).sum::<u64>(), count);
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let mut errors = Errors::default();
        errors.add("k", 1, &"ä".repeat(1_000), 3);
        let (_, error) = errors.iter().next().unwrap();
        assert_eq!(error.sample, "ä".repeat(150));
    }
}
