//! What a screen asks of a timeline: one second of it as it is, and where durations lie.

use std::collections::BTreeMap;

use crate::bins::Bins;
use crate::layout::range_of;
use crate::ledger::Transitions;
use crate::points::Points;
use crate::series::SeriesId;
use crate::timeline::{Planned, Timeline};

impl Timeline {
    /// The samples of one second by series; `None` when nobody has told of it. What an agent could only report in one piece
    /// is filed under the first of its seconds.
    pub fn points_at(&self, second: i64) -> Option<&BTreeMap<SeriesId, Points>> {
        self.seconds.get(&second)
    }

    /// Moves of users, by second.
    pub fn moves(&self) -> &BTreeMap<i64, Transitions> {
        &self.users
    }

    /// How many users the plan has, and had at most.
    pub fn planned(&self) -> Planned {
        self.planned
    }

    /// Lists the seconds of which anything is known, ascending.
    pub fn known_seconds(&self) -> impl Iterator<Item = i64> {
        let mut seconds: Vec<i64> =
            self.seconds.keys().chain(self.users.keys()).chain(self.health.keys()).copied().collect();
        seconds.sort_unstable();
        seconds.dedup();
        seconds.into_iter()
    }
}

impl Bins {
    /// Lists the bins that hold something, ascending, as (shortest duration of the bin in microseconds, samples).
    pub fn starts(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut bin = 0;
        self.gaps().map(move |(gap, count)| {
            bin += gap;
            let bin = u16::try_from(bin).expect("bins were u16 before gaps were taken");
            (range_of(bin).0, count)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn bins_tell_where_they_begin() {
        let mut bins = Bins::default();
        for micros in [0, 7, 7, 5_003, 300_000_000] {
            bins.record(Duration::from_micros(micros));
        }
        let found: Vec<_> = bins.starts().collect();
        assert_eq!(found[..3], [(0, 1), (7, 2), (5_000, 1)]);
        assert!(found[3].0 <= 120_000_000, "what has no bin of its own is in the top one");
    }
}
