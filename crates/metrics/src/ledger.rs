//! Accounts for every planned user, so that no number is silently incomplete.
//!
//! Each user number is in exactly one state and the states sum to `planned`. Agents send how many
//! users *moved*, never how many there are: moves add up however late they arrive.
//!
//! ```text
//! from      to          meaning
//! waiting   live        started
//! waiting   dropped     the start could not be made in time
//! waiting   cancelled   stopped, or scaled away, before the start
//! live      finished    the flow ended
//! live      failed      the script had an error
//! live      cancelled   stopped, or scaled away
//! waiting   lost        the agent is gone (so also from live)
//! lost      waiting     restored: to be started elsewhere
//! lost      finished    late intervals of the lost agent told what became of the user
//!                       (so also to failed, dropped and cancelled)
//! ```

use serde::{Deserialize, Serialize};

/// Where a user number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserState {
    /// Planned, not begun.
    Waiting,
    /// Begun, not ended.
    Live,
    /// Left in the way the scenario meant.
    Finished,
    /// Ended by an error in the script.
    Failed,
    /// Never begun, because the start could not be made in time.
    Dropped,
    /// Ended or never begun because the operator or the plan took it out.
    Cancelled,
    /// With an agent that is gone; nobody knows how it ended.
    Lost,
}

impl UserState {
    /// All states, in the order of reports.
    pub const ALL: [UserState; 7] = {
        use UserState::*;
        [Waiting, Live, Finished, Failed, Dropped, Cancelled, Lost]
    };

    /// The word in reports and files.
    pub fn name(self) -> &'static str {
        match self {
            UserState::Waiting => "waiting",
            UserState::Live => "live",
            UserState::Finished => "finished",
            UserState::Failed => "failed",
            UserState::Dropped => "dropped",
            UserState::Cancelled => "cancelled",
            UserState::Lost => "lost",
        }
    }
}

const MOVES: [(UserState, UserState); 13] = {
    use UserState::*;
    [
        (Waiting, Live),
        (Waiting, Dropped),
        (Waiting, Cancelled),
        (Waiting, Lost),
        (Live, Finished),
        (Live, Failed),
        (Live, Cancelled),
        (Live, Lost),
        (Lost, Waiting),
        (Lost, Finished),
        (Lost, Failed),
        (Lost, Dropped),
        (Lost, Cancelled),
    ]
};

/// No user ever moves that way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("counting users: none moves from {from:?} to {to:?}")]
pub struct NotAllowed {
    /// The state before.
    pub from: UserState,
    /// The state after.
    pub to: UserState,
}

/// How many users moved from which state to which, in some stretch of time. In files a list of `[from, to, users]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<(UserState, UserState, u64)>", try_from = "Vec<(UserState, UserState, u64)>")]
pub struct Transitions([u64; MOVES.len()]);

impl Transitions {
    /// Counts `users` more that moved.
    ///
    /// # Errors
    /// When the table of this module does not have the move.
    pub fn record(&mut self, from: UserState, to: UserState, users: u64) -> Result<(), NotAllowed> {
        let position = MOVES.iter().position(|allowed| *allowed == (from, to));
        let counter = &mut self.0[position.ok_or(NotAllowed { from, to })?];
        *counter = counter.saturating_add(users);
        Ok(())
    }

    /// Takes users back that turned out not to have moved; more than had moved are not taken back.
    pub(crate) fn retract(&mut self, from: UserState, to: UserState, users: u64) {
        if let Some(position) = MOVES.iter().position(|allowed| *allowed == (from, to)) {
            self.0[position] = self.0[position].saturating_sub(users);
        }
    }

    /// Adds what moved in another stretch or elsewhere.
    pub fn merge(&mut self, other: &Transitions) {
        for (counter, more) in self.0.iter_mut().zip(other.0) {
            *counter = counter.saturating_add(more);
        }
    }

    /// Lists the moves that happened as (from, to, users).
    pub fn iter(&self) -> impl Iterator<Item = (UserState, UserState, u64)> {
        MOVES.iter().zip(self.0).filter(|(_, users)| *users > 0).map(|((from, to), users)| (*from, *to, users))
    }

    /// Number of users that moved from one state to another.
    pub fn get(&self, from: UserState, to: UserState) -> u64 {
        self.iter().find(|moved| (moved.0, moved.1) == (from, to)).map_or(0, |moved| moved.2)
    }

    /// Tells whether nobody moved.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|users| *users == 0)
    }
}

impl From<Transitions> for Vec<(UserState, UserState, u64)> {
    fn from(moved: Transitions) -> Self {
        moved.iter().collect()
    }
}

impl TryFrom<Vec<(UserState, UserState, u64)>> for Transitions {
    type Error = NotAllowed;

    fn try_from(rows: Vec<(UserState, UserState, u64)>) -> Result<Transitions, NotAllowed> {
        let mut moved = Transitions::default();
        rows.into_iter().try_for_each(|(from, to, users)| moved.record(from, to, users))?;
        Ok(moved)
    }
}

/// More users left a state than were in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("counting users: {short_by} more left {state:?} than were in it")]
pub struct LedgerError {
    /// The state that would have gone below zero.
    pub state: UserState,
    /// By how many users.
    pub short_by: u128,
}

/// How many users are in which state. The states always sum to `planned`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ledger {
    planned: u64,
    waiting: u64,
    live: u64,
    finished: u64,
    failed: u64,
    dropped: u64,
    cancelled: u64,
    lost: u64,
    /// How often users were restored: a memo outside the sum.
    restored: u64,
}

impl Ledger {
    /// Starts with every planned user waiting.
    pub fn new(planned: u64) -> Ledger {
        Ledger { planned, waiting: planned, ..Ledger::default() }
    }

    /// Number of users in a state.
    pub fn users(&self, state: UserState) -> u64 {
        match state {
            UserState::Waiting => self.waiting,
            UserState::Live => self.live,
            UserState::Finished => self.finished,
            UserState::Failed => self.failed,
            UserState::Dropped => self.dropped,
            UserState::Cancelled => self.cancelled,
            UserState::Lost => self.lost,
        }
    }

    /// Number of users that the plan has.
    pub fn planned(&self) -> u64 {
        self.planned
    }

    /// Number of times that a lost user was put back to waiting.
    pub fn restored(&self) -> u64 {
        self.restored
    }

    /// Cancels users that the plan no longer has, as many as still wait: who has come stays.
    pub fn withdraw(&mut self, users: u64) {
        let users = users.min(self.waiting);
        self.waiting -= users;
        self.cancelled += users;
    }

    /// Moves users. Only the balance counts: somebody may start and finish in one go.
    ///
    /// # Errors
    /// When a state would go below zero; then nothing has changed.
    pub fn apply(&mut self, moved: &Transitions) -> Result<(), LedgerError> {
        let mut after = [0; UserState::ALL.len()];
        for (slot, state) in after.iter_mut().zip(UserState::ALL) {
            let gone: u128 =
                moved.iter().filter(|(from, ..)| *from == state).map(|(.., users)| u128::from(users)).sum();
            let come: u128 = moved.iter().filter(|(_, to, _)| *to == state).map(|(.., users)| u128::from(users)).sum();
            let there = u128::from(self.users(state)) + come;
            *slot = there.checked_sub(gone).ok_or(LedgerError { state, short_by: gone.saturating_sub(there) })?;
        }
        // No state is below zero and moves keep the sum, so each is at most `planned`.
        let [waiting, live, finished, failed, dropped, cancelled, lost] = after.map(|users| users as u64);
        let restored = self.restored.saturating_add(moved.get(UserState::Lost, UserState::Waiting));
        *self = Ledger { planned: self.planned, waiting, live, finished, failed, dropped, cancelled, lost, restored };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::UserState::*;
    use super::*;

    fn moves(rows: &[(UserState, UserState, u64)]) -> Transitions {
        let mut moved = Transitions::default();
        rows.iter().for_each(|(from, to, users)| moved.record(*from, *to, *users).unwrap());
        moved
    }

    #[test]
    fn a_user_may_start_and_finish_in_one_go() {
        let mut ledger = Ledger::new(10);
        ledger.apply(&moves(&[(Live, Finished, 4), (Waiting, Live, 6)])).unwrap();
        assert_eq!((ledger.users(Waiting), ledger.users(Live), ledger.users(Finished)), (4, 2, 4));
    }

    #[test]
    fn restoring_is_a_memo_outside_the_sum() {
        let mut ledger = Ledger::new(3);
        ledger.apply(&moves(&[(Waiting, Lost, 2)])).unwrap();
        ledger.apply(&moves(&[(Lost, Waiting, 1), (Lost, Finished, 1)])).unwrap();
        assert_eq!((ledger.restored(), ledger.users(Waiting), ledger.users(Finished)), (1, 2, 1));
    }

    #[test]
    fn moves_outside_the_table_are_refused() {
        for from in UserState::ALL {
            assert!(Transitions::default().record(Finished, from, 1).is_err());
            assert!(Transitions::default().record(from, from, 1).is_err());
        }
    }

    proptest! {
        #[test]
        fn the_states_always_sum_to_planned(
            planned in 0..100_u64,
            batches in vec(vec((0..MOVES.len(), 0..20_u64), 0..5), 0..30),
        ) {
            let mut ledger = Ledger::new(planned);
            for batch in batches {
                let before = ledger;
                let rows: Vec<_> = batch.iter().map(|(at, users)| (MOVES[*at].0, MOVES[*at].1, *users)).collect();
                if ledger.apply(&moves(&rows)).is_err() {
                    prop_assert_eq!(ledger, before);
                }
                prop_assert_eq!(UserState::ALL.map(|state| ledger.users(state)).iter().sum::<u64>(), planned);
            }
        }
    }
}
