//! Accounts for every call: each that was made has an answer, has failed, was cut or is still open.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::intern::OTHER;

/// What happened to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStep {
    /// It was made.
    Begun,
    /// An answer came, whatever it said.
    Answered,
    /// No answer came.
    Failed,
    /// The user left before an answer came.
    Cut,
}

/// How calls of one name ended: `begun = answered + failed + cut + open`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallCounts {
    /// Calls made.
    pub begun: u64,
    /// Calls with an answer.
    pub answered: u64,
    /// Calls without one.
    pub failed: u64,
    /// Calls whose user left first.
    pub cut: u64,
}

impl CallCounts {
    /// Counts one step of one call.
    pub fn step(&mut self, step: CallStep) {
        let counter = match step {
            CallStep::Begun => &mut self.begun,
            CallStep::Answered => &mut self.answered,
            CallStep::Failed => &mut self.failed,
            CallStep::Cut => &mut self.cut,
        };
        *counter = counter.saturating_add(1);
    }

    /// Adds calls of another stretch or elsewhere.
    pub fn merge(&mut self, other: &CallCounts) {
        self.begun = self.begun.saturating_add(other.begun);
        self.answered = self.answered.saturating_add(other.answered);
        self.failed = self.failed.saturating_add(other.failed);
        self.cut = self.cut.saturating_add(other.cut);
    }

    /// Calls still under way, counted from the start of the run. Of a single second it says
    /// nothing: a call may end in a later one than it began.
    pub fn open(&self) -> u64 {
        self.begun.saturating_sub(self.answered).saturating_sub(self.failed).saturating_sub(self.cut)
    }
}

/// Stands for the name of a call, valid only with the recorder that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallId(u32);

/// The calls of one thread in the second that is still open.
#[derive(Debug)]
pub(crate) struct CallBook {
    most_names: usize,
    ids: HashMap<String, CallId>,
    /// By call id.
    rows: Vec<(String, CallCounts)>,
}

impl CallBook {
    pub(crate) fn new(most_names: usize) -> CallBook {
        CallBook { most_names, ids: HashMap::new(), rows: Vec::new() }
    }

    /// Returns the id of a name; past the bound on names, that of all others.
    pub(crate) fn id(&mut self, name: &str) -> CallId {
        let is_kept = self.ids.contains_key(name) || self.rows.len() < self.most_names;
        let name = if is_kept { name } else { OTHER };
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let next = u32::try_from(self.rows.len()).expect("the bound on names is far below 2^32");
        self.ids.insert(name.to_owned(), CallId(next));
        self.rows.push((name.to_owned(), CallCounts::default()));
        CallId(next)
    }

    /// Counts one step of a call.
    pub(crate) fn step(&mut self, id: CallId, step: CallStep) {
        if let Some((_, counts)) = self.rows.get_mut(id.0 as usize) {
            counts.step(step);
        }
    }

    /// Ends the second: returns its calls by name and starts from nothing.
    pub(crate) fn close(&mut self) -> BTreeMap<String, CallCounts> {
        let used = self.rows.iter_mut().filter(|(_, counts)| *counts != CallCounts::default());
        used.map(|(name, counts)| (name.clone(), std::mem::take(counts))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_calls_are_what_is_left() {
        let mut calls = CallCounts::default();
        use CallStep::*;
        [Begun, Begun, Begun, Begun, Answered, Failed, Cut].into_iter().for_each(|step| calls.step(step));
        assert_eq!(calls.open(), 1);
    }

    #[test]
    fn names_past_the_bound_are_counted_together() {
        let mut book = CallBook::new(1);
        for name in ["a", "b", "c", "a"] {
            let id = book.id(name);
            book.step(id, CallStep::Begun);
        }
        let closed = book.close();
        let begun: Vec<_> = closed.iter().map(|(name, calls)| (name.as_str(), calls.begun)).collect();
        assert_eq!(begun, [(OTHER, 2), ("a", 2)]);
        assert!(book.close().is_empty());
    }
}
