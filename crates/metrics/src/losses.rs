//! Users of agents that were lost: who went with them, who came back, and what their late intervals still tell.
//!
//! | an interval of an agent | its moves of users count |
//! |---|---|
//! | that is not lost | as told |
//! | lost, of seconds before the loss | as told, and so many fewer, or others, went with it |
//! | lost, of later seconds | from `lost`: nobody had known of those users any more |
//! | lost, its users restored elsewhere | not: each user is counted where it was restored |
//!
//! So every user number stays in exactly one state, however late the truth comes.

use std::collections::BTreeMap;

use crate::ledger::{Transitions, UserState};
use crate::timeline::Timeline;
use UserState::{Live, Lost, Waiting};

impl Timeline {
    /// Says that an agent is gone from a second on and not waited for, and moves its users to `lost`: those that are live,
    /// and those of the `owned` that it was to start by then and had not. What it has still to say is merged if it comes.
    /// Gives the numbers of both. An agent is lost once.
    pub fn lost(&mut self, agent: u32, at_s: i64, owned: u64) -> Option<(u64, u64)> {
        let record = self.agents.get_mut(&agent).filter(|record| record.lost_at.is_none())?;
        record.lost_at = Some(at_s);
        let moved = |of: &dyn Fn(UserState, UserState) -> bool| {
            record.users.iter().filter(|(from, to, _)| of(*from, *to)).map(|(.., users)| users).sum::<u64>()
        };
        let live = moved(&|_, to| to == Live).saturating_sub(moved(&|from, _| from == Live));
        let waiting = owned.saturating_sub(moved(&|from, _| from == Waiting));
        self.touched.agents.insert(agent);
        self.count(at_s, Live, Lost, live);
        self.count(at_s, Waiting, Lost, waiting);
        Some((live, waiting))
    }

    /// Moves lost users of an agent back to `waiting`: others play them from now on.
    pub fn restored(&mut self, agent: u32, second: i64, users: u64) {
        if let Some(record) = self.agents.get_mut(&agent) {
            self.touched.agents.insert(agent);
            record.restored = true;
            self.count(second, Lost, Waiting, users);
        }
    }

    /// Counts the moves that an interval tells of, by the table of the module. Its agent is known already.
    pub(crate) fn account(&mut self, agent: u32, users: &BTreeMap<i64, Transitions>) {
        let Some((lost_at, restored)) = self.agents.get(&agent).map(|record| (record.lost_at, record.restored)) else {
            return;
        };
        if lost_at.is_some() && restored {
            return;
        }
        for (second, moved) in users {
            match lost_at {
                Some(lost_at) if *second < lost_at => {
                    self.count_all(*second, moved);
                    moved.iter().for_each(|(from, to, users)| self.correct(lost_at, from, to, users));
                }
                Some(_) => moved.iter().for_each(|(_, to, users)| {
                    if !matches!(to, Live | Lost) {
                        self.count(*second, Lost, to, users);
                    }
                }),
                None => self.count_all(*second, moved),
            }
        }
    }

    /// Users of a lost agent turned out to have moved before its loss: they went with it from another state, or not at all.
    fn correct(&mut self, lost_at: i64, from: UserState, to: UserState, users: u64) {
        if let Some(row) = self.users.get_mut(&lost_at) {
            row.retract(from, Lost, users);
            self.touched.users.insert(lost_at);
        }
        if to == Live {
            self.count(lost_at, Live, Lost, users);
        }
    }

    fn count_all(&mut self, second: i64, moved: &Transitions) {
        self.users.entry(second).or_default().merge(moved);
        self.touched.users.insert(second);
    }

    fn count(&mut self, second: i64, from: UserState, to: UserState, users: u64) {
        if users > 0 {
            self.move_users(second, from, to, users).expect("the ledger has every move of a lost user");
        }
    }
}

#[cfg(test)]
mod tests {
    use UserState::{Cancelled, Dropped, Finished};

    use super::*;
    use crate::intern::Limits;
    use crate::interval::Interval;

    fn interval(from: i64, rows: &[(UserState, UserState, u64)]) -> Interval {
        let mut moved = Transitions::default();
        rows.iter().for_each(|(from, to, users)| moved.record(*from, *to, *users).unwrap());
        Interval { users: [(from, moved)].into(), ..Interval::empty(from) }
    }

    /// Ten users, of which agent 1 was to start six by second 5; it told of four starts and one end in second 0.
    fn lost_at_five() -> Timeline {
        let mut timeline = Timeline::new(Limits::default());
        timeline.plan_users(10);
        timeline.expects(1, 0);
        timeline.add(1, &interval(0, &[(Waiting, Live, 4), (Live, Finished, 1)])).unwrap();
        assert_eq!(timeline.lost(1, 5, 6), Some((3, 2)));
        timeline
    }

    fn check(timeline: &Timeline, second: i64, expected: [u64; 4], what: &str) {
        let ledger = timeline.ledger_at(second).unwrap();
        assert_eq!([Waiting, Live, Finished, Lost].map(|state| ledger.users(state)), expected, "{what}");
    }

    #[test]
    fn users_go_with_their_agent() {
        let timeline = lost_at_five();
        check(&timeline, 4, [6, 3, 1, 0], "before the loss");
        check(&timeline, 5, [4, 0, 1, 5], "three live ones and two that never started");
    }

    #[test]
    fn what_a_lost_agent_tells_late_is_counted_once() {
        let mut timeline = lost_at_five();
        timeline.add(1, &interval(3, &[(Waiting, Live, 2), (Live, Finished, 2)])).unwrap();
        check(&timeline, 4, [4, 3, 3, 0], "as it was");
        check(&timeline, 5, [4, 0, 3, 3], "only three went with it");
        timeline.add(1, &interval(7, &[(Live, Cancelled, 2), (Live, Finished, 1)])).unwrap();
        check(&timeline, 9, [4, 0, 4, 0], "it is known of all what became of them");
        assert_eq!(timeline.ledger_now().unwrap().users(Cancelled), 2);
    }

    #[test]
    fn late_starts_and_drops_come_out_of_the_lost() {
        let mut timeline = lost_at_five();
        timeline.add(1, &interval(6, &[(Waiting, Live, 1), (Waiting, Dropped, 1), (Live, Lost, 1)])).unwrap();
        check(&timeline, 6, [4, 0, 1, 4], "who was dropped is not lost");
        timeline.add(1, &interval(7, &[(Live, Cancelled, 4)])).unwrap();
        check(&timeline, 7, [4, 0, 1, 0], "all are accounted for");
    }

    #[test]
    fn who_was_restored_is_counted_there() {
        let mut timeline = lost_at_five();
        timeline.restored(1, 6, 5);
        check(&timeline, 6, [9, 0, 1, 0], "all five wait again");
        timeline.add(1, &interval(3, &[(Waiting, Live, 2), (Live, Finished, 2)])).unwrap();
        check(&timeline, 6, [9, 0, 1, 0], "what they did in a former life changes nothing");
        assert_eq!(timeline.ledger_now().unwrap().restored(), 5);
    }

    #[test]
    fn an_agent_is_lost_once() {
        let mut timeline = lost_at_five();
        assert_eq!((timeline.lost(1, 6, 6), timeline.lost(2, 6, 6)), (None, None));
    }
}
