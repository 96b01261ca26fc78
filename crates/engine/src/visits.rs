//! Who is here on one thread, from the decision that they start until they have left, and who is sent away when.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};
use std::time::Duration;

use rehearsal_metrics::UserState as State;
use rehearsal_plan::Versions;
use tokio::time::Instant;

use crate::arrivals::Due;
use crate::clock::RunClock;
use crate::user::{Leave, User};

/// One user's stay; that of a population runs several times in it.
pub(crate) struct Visit {
    /// Counts all visits of the thread.
    place: u64,
    pub(crate) due: Due,
    /// When the plan wants it to leave.
    pub(crate) leave: Leave,
    sent_away: Cell<Option<State>>,
    /// There while it runs.
    user: RefCell<Weak<User>>,
}

impl Visit {
    /// The user runs from now on. It may have been sent away before it did.
    pub(crate) fn runs_as(&self, user: &Rc<User>) {
        *self.user.borrow_mut() = Rc::downgrade(user);
        if let Some(how) = self.sent_away() {
            user.leave(how);
        }
    }

    /// How it is counted if it was sent away.
    pub(crate) fn sent_away(&self) -> Option<State> {
        self.sent_away.get()
    }

    fn send_away(&self, how: State) {
        // Only the first reason counts.
        self.sent_away.set(self.sent_away.get().or(Some(how)));
        if let Some(user) = self.user.borrow().upgrade() {
            user.leave(how);
        }
    }
}

/// All visits of one thread.
#[derive(Default)]
pub(crate) struct Visits {
    begun: Cell<u64>,
    /// In the order of arrival.
    here: RefCell<BTreeMap<u64, Rc<Visit>>>,
    /// How many are here, by scenario.
    counts: RefCell<Vec<u64>>,
    relief: RefCell<Option<Relief>>,
}

/// Users leave one after the other, and after the last one whoever has come meanwhile.
struct Relief {
    began: Instant,
    over: Duration,
    /// Those who were here.
    rest: VecDeque<Rc<Visit>>,
    /// How many those were.
    of: usize,
    is_over: bool,
}

impl Relief {
    /// Of n users the k-th leaves after k/n of the time; the end comes with the last of them.
    fn next(&self) -> Option<Instant> {
        let gone = self.of - self.rest.len();
        let part = if self.rest.is_empty() { 1.0 } else { (gone + 1) as f64 / self.of as f64 };
        (!self.is_over).then(|| self.began + self.over.mul_f64(part))
    }
}

impl Visits {
    /// Somebody comes. When all have left in order, there is nobody to stay with.
    pub(crate) fn begin(&self, due: Due, leave_at: Option<Instant>) -> Rc<Visit> {
        let place = self.begun.replace(self.begun.get() + 1);
        let leave = Leave { at: Cell::new(leave_at), ..Leave::default() };
        let is_over = self.relief.borrow().as_ref().is_some_and(|relief| relief.is_over);
        let sent_away = Cell::new(is_over.then_some(State::Lost));
        let visit = Rc::new(Visit { place, due, leave, sent_away, user: RefCell::default() });
        self.here.borrow_mut().insert(place, Rc::clone(&visit));
        let mut counts = self.counts.borrow_mut();
        if counts.len() <= due.scenario {
            counts.resize(due.scenario + 1, 0);
        }
        counts[due.scenario] += 1;
        visit
    }

    /// Somebody has left.
    pub(crate) fn end(&self, visit: &Visit) {
        if self.here.borrow_mut().remove(&visit.place).is_some() {
            self.counts.borrow_mut()[visit.due.scenario] -= 1;
        }
    }

    /// Counts those of a scenario.
    pub(crate) fn count(&self, scenario: usize) -> u64 {
        self.counts.borrow().get(scenario).copied().unwrap_or(0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.here.borrow().is_empty()
    }

    /// A pause or a new load moves the end of those who are here, too.
    pub(crate) fn move_leaves(&self, versions: &Versions, clock: &RunClock) {
        for Visit { due, leave, user, .. } in self.here.borrow().values().map(Rc::as_ref) {
            let leaves = versions.arrival(due.scenario, due.arrival.index).and_then(|arrival| arrival.leave);
            leave.at.set(leaves.map(|at| clock.instant(at)));
            if let Some(user) = user.borrow().upgrade() {
                user.note_change();
            }
        }
    }

    /// All leave now, counted like that.
    pub(crate) fn send_away(&self, how: State) {
        self.here.borrow().values().for_each(|visit| visit.send_away(how));
    }

    /// Calls in flight end now.
    pub(crate) fn cut(&self) {
        self.here.borrow().values().filter_map(|visit| visit.user.borrow().upgrade()).for_each(|user| user.cut());
    }

    /// All leave as lost, evenly spread over a time; at once if this was said before of a time that ends sooner.
    pub(crate) fn relieve(&self, began: Instant, over: Duration) {
        let mut relief = self.relief.borrow_mut();
        if relief.as_ref().is_none_or(|earlier| began + over < earlier.began + earlier.over) {
            let rest: VecDeque<_> = self.here.borrow().values().cloned().collect();
            *relief = Some(Relief { began, over, of: rest.len(), rest, is_over: false });
        }
    }

    /// When the next has to leave.
    pub(crate) fn next_departure(&self) -> Option<Instant> {
        self.relief.borrow().as_ref().and_then(Relief::next)
    }

    /// Sends away whose turn it is.
    pub(crate) fn send_due(&self, now: Instant) {
        let mut relief = self.relief.borrow_mut();
        let Some(relief) = relief.as_mut() else { return };
        while relief.next().is_some_and(|at| at <= now) {
            match relief.rest.pop_front() {
                Some(visit) => visit.send_away(State::Lost),
                None => {
                    relief.is_over = true;
                    self.send_away(State::Lost);
                }
            }
        }
    }
}
