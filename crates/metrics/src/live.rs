//! What the dashboard and the threshold rules ask of a timeline while the run goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ledger::{Ledger, LedgerError, Transitions, UserState};
use crate::points::Points;
use crate::series::{SeriesId, SeriesKey};
use crate::spans::Span;
use crate::timeline::Timeline;

/// One second of the series that a selector matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The second of run time.
    pub second: i64,
    /// Samples; the sum for a count.
    pub count: u64,
    /// Samples that said yes, for a ratio.
    pub yes: Option<u64>,
    /// The median, for a duration.
    pub p50: Option<Duration>,
    /// The 99th percentile, for a duration.
    pub p99: Option<Duration>,
}

impl Timeline {
    /// Merges the samples of all series that a selector matches, a key with any subset of their
    /// tags, over a stretch of time.
    pub fn window(&self, selector: &SeriesKey, span: Span) -> Option<Points> {
        let wanted = self.matching(selector);
        let mut total = None;
        self.seconds_in(span).for_each(|(_, points)| merge_selected(&mut total, points, &wanted));
        total
    }

    /// Merges the samples of one series over a stretch of time.
    pub(crate) fn total(&self, id: SeriesId, span: Span) -> Option<Points> {
        let mut total = None;
        self.seconds_in(span).for_each(|(_, points)| merge_selected(&mut total, points, &[id]));
        total
    }

    /// One row for every second of a stretch that has samples of the series that a selector
    /// matches.
    pub fn rows(&self, selector: &SeriesKey, span: Span) -> Vec<Row> {
        let wanted = self.matching(selector);
        let row = |(second, points): (&i64, &_)| {
            let mut total = None;
            merge_selected(&mut total, points, &wanted);
            total.map(|total| Row::new(*second, &total))
        };
        self.seconds_in(span).filter_map(row).collect()
    }

    /// Counts users as they stood at the end of a second.
    ///
    /// # Errors
    /// When more users left a state than were in it: an agent has reported what cannot be.
    pub fn ledger_at(&self, second: i64) -> Result<Ledger, LedgerError> {
        let mut moved = Transitions::default();
        self.users.range(..=second).for_each(|(_, row)| moved.merge(row));
        let mut ledger = Ledger::new(self.planned.greatest);
        ledger.apply(&moved)?;
        ledger.withdraw(self.planned.greatest - self.planned.now);
        Ok(ledger)
    }

    /// Lists how many users were live at the end of each second in which users moved. Agents that contradict each other
    /// leave nobody less than nobody.
    pub fn live_by_second(&self) -> impl Iterator<Item = (i64, u64)> {
        let mut live = 0_i64;
        self.users.iter().map(move |(second, row)| {
            for (from, to, users) in row.iter() {
                let users = i64::try_from(users).unwrap_or(i64::MAX);
                live += if to == UserState::Live { users } else { 0 };
                live -= if from == UserState::Live { users } else { 0 };
            }
            (*second, live.max(0).unsigned_abs())
        })
    }

    /// Tells whether nobody waits or is live at the end of a second. When agents contradict each other, a state that more left
    /// than were in it is empty: a run must end all the same.
    pub fn is_empty_at(&self, second: i64) -> bool {
        if let Ok(ledger) = self.ledger_at(second) {
            return ledger.users(UserState::Waiting) == 0 && ledger.users(UserState::Live) == 0;
        }
        let moves = |of: &dyn Fn(UserState, UserState) -> bool| -> u64 {
            let rows = self.users.range(..=second).flat_map(|(_, row)| row.iter());
            rows.filter(|(from, to, _)| of(*from, *to)).map(|(.., users)| users).sum()
        };
        let come = [self.planned.now, 0];
        [UserState::Waiting, UserState::Live].into_iter().zip(come).all(|(state, from_the_start)| {
            from_the_start + moves(&|_, to| to == state) <= moves(&|from, _| from == state)
        })
    }

    /// Counts users by everything that is known by now.
    ///
    /// # Errors
    /// As [`Timeline::ledger_at`].
    pub fn ledger_now(&self) -> Result<Ledger, LedgerError> {
        self.ledger_at(i64::MAX)
    }

    fn seconds_in(&self, span: Span) -> impl Iterator<Item = (&i64, &BTreeMap<SeriesId, Points>)> {
        self.seconds.range(span.from_s..span.to_s.max(span.from_s))
    }

    /// Ids of the series that a selector matches, ascending.
    fn matching(&self, selector: &SeriesKey) -> Vec<SeriesId> {
        let matching = self.series().iter().filter(|series| series.key.matches(&selector.metric, &selector.tags));
        matching.map(|series| series.id).collect()
    }
}

impl Row {
    fn new(second: i64, points: &Points) -> Row {
        let row = Row { second, count: points.count(), yes: None, p50: None, p99: None };
        match points {
            Points::Duration(bins) => Row { p50: bins.percentile(50.0), p99: bins.percentile(99.0), ..row },
            Points::Ratio { yes, .. } => Row { yes: Some(*yes), ..row },
            Points::Count(_) => row,
        }
    }
}

/// Adds the samples of the wanted series in one second to a total.
fn merge_selected(total: &mut Option<Points>, second: &BTreeMap<SeriesId, Points>, wanted: &[SeriesId]) {
    for points in wanted.iter().filter_map(|id| second.get(id)) {
        merge_into(total, points);
    }
}

/// Adds samples to a total that may not have begun.
pub(crate) fn merge_into(total: &mut Option<Points>, points: &Points) {
    match total {
        Some(total) => total.merge(points).expect("the interner gives every metric one kind"),
        None => *total = Some(points.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intern::Limits;
    use crate::recorder::Recorder;
    use crate::series::Kind;

    fn timeline() -> Timeline {
        let mut recorder = Recorder::new(Limits::default());
        for second in 0..4 {
            recorder.roll(second);
            for (name, millis) in [("a", 10), ("b", 1_000)] {
                let id = recorder.series(Kind::Duration, &SeriesKey::new("http.response").with("name", name));
                recorder.duration(id, Duration::from_millis(millis));
            }
            recorder.transition(UserState::Waiting, UserState::Live);
        }
        let mut timeline = Timeline::new(Limits::default());
        timeline.plan_users(5);
        recorder.finish().iter().for_each(|interval| timeline.add(1, interval).unwrap());
        timeline
    }

    #[test]
    fn a_window_merges_what_the_selector_matches() {
        let timeline = timeline();
        let count = |selector: SeriesKey, from_s, to_s| {
            timeline.window(&selector, Span { from_s, to_s }).map(|points| points.count())
        };
        assert_eq!(count(SeriesKey::new("http.response"), 1, 3), Some(4));
        assert_eq!(count(SeriesKey::new("http.response").with("name", "a"), 0, 9), Some(4));
        assert_eq!(count(SeriesKey::new("http.response").with("name", "c"), 0, 9), None);
        assert_eq!(count(SeriesKey::new("http.response"), 3, 1), None);
    }

    #[test]
    fn rows_and_ledger_follow_the_seconds() {
        let timeline = timeline();
        let rows = timeline.rows(&SeriesKey::new("http.response"), Span { from_s: 2, to_s: 9 });
        assert_eq!(rows.iter().map(|row| (row.second, row.count)).collect::<Vec<_>>(), [(2, 2), (3, 2)]);
        assert!(rows[0].p50 < rows[0].p99);
        assert_eq!(timeline.ledger_at(1).unwrap().users(UserState::Live), 2);
        assert_eq!(timeline.ledger_now().unwrap().users(UserState::Waiting), 1);
    }

    #[test]
    fn agents_that_contradict_each_other_do_not_keep_a_run_from_ending() {
        let mut timeline = timeline();
        assert!(!timeline.is_empty_at(9), "one waits, four are live");
        timeline.move_users(4, UserState::Waiting, UserState::Live, 3).unwrap();
        assert!(timeline.ledger_now().is_err(), "seven came of five");
        assert!(!timeline.is_empty_at(9), "seven are live");
        timeline.move_users(5, UserState::Live, UserState::Finished, 7).unwrap();
        assert!(timeline.is_empty_at(9));
    }

    #[test]
    fn users_that_the_plan_takes_out_are_cancelled_if_they_have_not_come() {
        let check = |plans: &[u64], expected: [u64; 4], what: &str| {
            let mut timeline = timeline();
            plans.iter().for_each(|now| timeline.plan_users(*now));
            let ledger = timeline.ledger_now().unwrap();
            let users = [UserState::Waiting, UserState::Live, UserState::Cancelled].map(|state| ledger.users(state));
            assert_eq!([ledger.planned(), users[0], users[1], users[2]], expected, "{what}");
        };
        // The plan of five has had four arrivals.
        check(&[], [5, 1, 4, 0], "nothing was scaled");
        check(&[100], [100, 96, 4, 0], "more wait");
        check(&[100, 60], [100, 56, 4, 40], "those taken out are accounted for");
        check(&[100, 60, 80], [100, 76, 4, 20], "some are back");
        check(&[100, 60, 200], [200, 196, 4, 0], "all are back, and more");
        check(&[100, 2], [100, 0, 4, 96], "who has come stays");
        check(&[100, 0], [100, 0, 4, 96], "nobody more comes");
    }
}
