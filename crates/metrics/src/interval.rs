//! What one agent, or one of its threads, saw in a stretch of whole seconds: the unit of sending
//! and storing.
//!
//! Merging serves two purposes with the same rules: threads of one second, and neighbouring seconds
//! that could not be sent in time. Distributions then coarsen to the whole stretch; rows of users
//! and health stay per second.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::calls::CallCounts;
use crate::errors::Errors;
use crate::health::Health;
use crate::hearings::CuePoints;
use crate::ledger::Transitions;
use crate::points::{KindMismatch, Points};
use crate::series::{Definition, SeriesId};

/// Everything that was counted in `[from, to)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// First second.
    pub from: i64,
    /// The second after the last.
    pub to: i64,
    /// What ids mean that are used here for the first time; ascending by id.
    pub defines: Vec<Definition>,
    /// Samples by series.
    pub points: BTreeMap<SeriesId, Points>,
    /// Moves of users by second.
    pub users: BTreeMap<i64, Transitions>,
    /// Calls by name.
    pub calls: BTreeMap<String, CallCounts>,
    /// Errors by kind.
    pub errors: Errors,
    /// Hearings by number of the cue's firing.
    pub cues: BTreeMap<u32, CuePoints>,
    /// The agent's own condition by second.
    pub health: BTreeMap<i64, Health>,
    /// Users that will not be restored if this agent is lost: they have ended, or never begun. Only told of when the plan
    /// restores users.
    pub ended: Arrivals,
}

/// Arrivals by scenario, as indices.
pub type Arrivals = BTreeMap<u32, BTreeSet<u64>>;

/// Two intervals do not go together; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// There are seconds between them of which neither knows.
    #[error("merging intervals: seconds {0} to {1} between them are missing")]
    Apart(i64, i64),
    /// They use one id for different kinds of series.
    #[error("merging intervals: series {} differs in kind", .0.0)]
    Kind(SeriesId, #[source] KindMismatch),
}

impl Interval {
    /// Makes the interval of a second in which nothing happened; it still has to be told.
    pub fn empty(second: i64) -> Interval {
        Interval { from: second, to: second.saturating_add(1), ..Interval::default() }
    }

    /// Counts seconds from another origin: `by` is added to each.
    #[must_use]
    pub fn shifted(mut self, by: i64) -> Interval {
        let shift = |second: i64| second.saturating_add(by);
        (self.from, self.to) = (shift(self.from), shift(self.to));
        self.users = self.users.into_iter().map(|(second, row)| (shift(second), row)).collect();
        self.health = self.health.into_iter().map(|(second, row)| (shift(second), row)).collect();
        self
    }

    /// Adds an interval of the same, overlapping or adjoining seconds, with the same meaning of
    /// ids. Associative and commutative.
    ///
    /// # Errors
    /// See [`MergeError`].
    pub fn merge(&mut self, other: Interval) -> Result<(), MergeError> {
        self.check_mergeable(&other)?;
        self.from = self.from.min(other.from);
        self.to = self.to.max(other.to);
        self.defines.extend(other.defines);
        self.defines.sort_unstable();
        self.defines.dedup();
        merge_maps(&mut self.points, other.points, |mine, theirs| {
            mine.merge(&theirs).expect("kinds were compared before anything was merged");
        });
        merge_maps(&mut self.users, other.users, |mine, theirs| mine.merge(&theirs));
        merge_maps(&mut self.calls, other.calls, |mine, theirs| mine.merge(&theirs));
        self.errors.merge(&other.errors, Errors::MOST_KINDS);
        merge_maps(&mut self.cues, other.cues, CuePoints::merge);
        merge_maps(&mut self.health, other.health, |mine, theirs| mine.merge(&theirs));
        merge_maps(&mut self.ended, other.ended, |mine, theirs| mine.extend(theirs));
        Ok(())
    }

    fn check_mergeable(&self, other: &Interval) -> Result<(), MergeError> {
        if self.to < other.from || other.to < self.from {
            return Err(MergeError::Apart(self.to.min(other.to), self.from.max(other.from)));
        }
        for (id, theirs) in &other.points {
            let expected = self.points.get(id).map_or(theirs.kind(), Points::kind);
            if expected != theirs.kind() {
                return Err(MergeError::Kind(*id, KindMismatch { expected, found: theirs.kind() }));
            }
        }
        Ok(())
    }
}

/// Adds every entry of one map to another, merging where both have the key.
pub(crate) fn merge_maps<K: Ord, V>(into: &mut BTreeMap<K, V>, from: BTreeMap<K, V>, merge: impl Fn(&mut V, V)) {
    for (key, value) in from {
        match into.entry(key) {
            Entry::Vacant(free) => {
                free.insert(value);
            }
            Entry::Occupied(mut taken) => merge(taken.get_mut(), value),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::bins::Bins;
    use crate::calls::CallStep;
    use crate::hearings::Snapshot;
    use crate::ledger::UserState;
    use crate::series::{Kind, SeriesKey};

    /// One second of an imaginary agent, all parts of it decided by a few small numbers.
    fn interval(second: i64, samples: &[(u32, u64)]) -> Interval {
        let mut interval = Interval::empty(second);
        for &(pick, value) in samples {
            let id = SeriesId(pick % 6);
            let (kind, points) = match pick % 3 {
                0 => (Kind::Count, Points::Count(value)),
                1 => (Kind::Ratio, Points::Ratio { yes: value / 2, total: value }),
                _ => {
                    let mut bins = Bins::default();
                    bins.record(Duration::from_micros(value));
                    (Kind::Duration, Points::Duration(bins))
                }
            };
            merge_maps(&mut interval.points, [(id, points)].into(), |mine, theirs| mine.merge(&theirs).unwrap());
            interval.defines = vec![Definition { id, kind, key: SeriesKey::new(format!("m{}", id.0)) }];
            let users = interval.users.entry(second).or_default();
            users.record(UserState::Waiting, UserState::Live, value).unwrap();
            interval.calls.entry(format!("c{}", pick % 2)).or_default().step(CallStep::Begun);
            interval.errors.add(&format!("e{}", pick % 4), 1, &value.to_string(), Errors::MOST_KINDS);
            let cue = interval.cues.entry(pick % 2).or_default();
            cue.hear("websocket", value as i64 - 500);
            if pick % 5 == 0 {
                cue.take_snapshot("websocket", Snapshot { live: value, connected: value / 2 });
            }
            let health = Health { lag_max_micros: value, dropped_starts: 1, ..Health::default() };
            interval.health.entry(second).or_default().merge(&health);
        }
        interval
    }

    fn any_interval(second: std::ops::Range<i64>) -> impl Strategy<Value = Interval> {
        (second, prop::collection::vec((any::<u32>(), 0..5_000_u64), 0..6))
            .prop_map(|(second, samples)| interval(second, &samples))
    }

    fn merged(parts: [&Interval; 2]) -> Interval {
        let mut whole = parts[0].clone();
        whole.merge(parts[1].clone()).unwrap();
        whole
    }

    proptest! {
        #[test]
        fn merging_is_associative_and_commutative(a in any_interval(0..2), b in any_interval(1..2), c in any_interval(1..3)) {
            prop_assert_eq!(merged([&a, &b]), merged([&b, &a]));
            let left = merged([&merged([&a, &b]), &c]);
            let right = merged([&a, &merged([&b, &c])]);
            prop_assert_eq!(left, right);
        }
    }

    #[test]
    fn rows_of_neighbours_stay_per_second() {
        let whole = merged([&interval(1, &[(0, 3)]), &interval(2, &[(0, 4)])]);
        assert_eq!((whole.from, whole.to), (1, 3));
        assert_eq!(whole.points[&SeriesId(0)], Points::Count(7));
        assert_eq!(whole.users.keys().copied().collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn what_does_not_go_together_is_refused_unchanged() {
        let mut first = interval(1, &[(0, 3)]);
        let before = first.clone();
        assert_eq!(first.merge(Interval::empty(5)), Err(MergeError::Apart(2, 5)));
        let mut other = Interval::empty(2);
        other.points.insert(SeriesId(0), Points::Ratio { yes: 0, total: 1 });
        assert!(matches!(first.merge(other), Err(MergeError::Kind(SeriesId(0), _))));
        assert_eq!(first, before);
    }
}
