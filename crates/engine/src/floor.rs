//! What happens on one user thread: who comes and when, who is there, who has to go, and an interval for every second.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rehearsal_metrics::{Interval, UserState as State};
use rehearsal_plan::{Arrival, Load, RunTime, Versions};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::arrivals::{Arrivals, Share};
use crate::cues::{self, CueAnnouncement};
use crate::user::{Leave, Session, User};
use crate::worker::{Command, Report, Stop};
use crate::world::World;

/// How long a population's user may take to finish its iteration when the ramp sends it away.
const LAST_ITERATION: Duration = Duration::from_secs(30);

/// The thread's own view of its users: who is to come, how many are there.
pub(crate) struct Floor {
    world: Rc<World>,
    thread: usize,
    arrivals: RefCell<Arrivals>,
    /// Live users by scenario, for the cap of rates.
    live: RefCell<Vec<u64>>,
    /// When the users that are here have to leave, by number: versions to come may move it.
    present: RefCell<HashMap<u64, Present>>,
    held: Cell<bool>,
    /// Arrivals that became due while held.
    put_by: Cell<u64>,
    stopped: Cell<Option<Stop>>,
    reports: mpsc::Sender<Report>,
    told_idle: Cell<bool>,
    /// The end of the first second that was not handed out.
    due_second: Cell<Option<RunTime>>,
    changed: Notify,
}

/// A user of this thread, for as long as it is here.
struct Present {
    scenario: usize,
    index: u64,
    leave: Rc<Leave>,
}

impl Floor {
    pub(crate) fn new(world: Rc<World>, share: Share, reports: mpsc::Sender<Report>) -> Rc<Self> {
        let arrivals = Arrivals::new(world.setup.agent, share);
        Rc::new(Self {
            world,
            thread: share.thread as usize,
            arrivals: arrivals.into(),
            live: RefCell::default(),
            present: RefCell::default(),
            held: Cell::new(false),
            put_by: Cell::new(0),
            stopped: Cell::new(None),
            reports,
            told_idle: Cell::new(false),
            due_second: Cell::new(None),
            changed: Notify::new(),
        })
    }

    pub(crate) async fn run(self: Rc<Self>, mut commands: mpsc::UnboundedReceiver<Command>) {
        loop {
            let next_arrival = self.next_arrival();
            let next_second = self.due_second.get().map(|at| self.world.clock.instant(at));
            tokio::select! {
                // What the operator wants goes before what the plan wants, and telling before playing.
                biased;
                command = commands.recv() => match command {
                    None | Some(Command::End) => break,
                    Some(command) => self.obey(command),
                },
                () = self.world.alarms.until(next_second) => self.hand_out(next_second).await,
                () = self.world.alarms.until(next_arrival) => self.start_due(),
                () = self.changed.notified() => {}
            }
            self.report_idle().await;
        }
        self.end().await;
    }

    fn next_arrival(&self) -> Option<Instant> {
        if self.stopped.get().is_some() {
            return None;
        }
        self.arrivals.borrow().next_at().map(|at| self.world.clock.instant(at))
    }

    fn obey(self: &Rc<Self>, command: Command) {
        match command {
            Command::Versions(versions) => self.take_versions(versions),
            Command::Cue(cue) => self.await_cue(cue),
            Command::Hold(held) => self.hold(held),
            Command::Stop(how) => self.stop(how),
            Command::End => {}
        }
    }

    /// A version that comes after its instant holds from now on: what it wanted in between is dropped, never made up for.
    fn take_versions(self: &Rc<Self>, versions: Arc<Versions>) {
        self.live.borrow_mut().resize(versions.scenarios(), 0);
        let holds_from = versions.latest().at;
        self.arrivals.borrow_mut().set_versions(Arc::clone(&versions));
        let now = self.world.now();
        // Before the first version the run clock is not set for good, and there is nothing to hand out.
        self.due_second.set(self.due_second.get().or(Some(end_of_second(now))));
        self.move_leaves(&versions);
        if holds_from < now {
            self.take_all_due(now, |floor, scenario, arrival| match arrival.at < holds_from {
                true => floor.start_user(scenario, arrival, now),
                false => floor.drop_start(),
            });
        }
    }

    /// A pause or a new load moves the end of those who are here, too.
    fn move_leaves(&self, versions: &Versions) {
        for (number, Present { scenario, index, leave }) in &*self.present.borrow() {
            let at = versions.arrival(*scenario, *index).and_then(|arrival| arrival.leave);
            leave.at.set(at.map(|at| self.world.clock.instant(at)));
            if let Some(user) = self.world.users.borrow().get(number) {
                user.note_change();
            }
        }
    }

    /// While held, arrivals that become due are put by: they are dropped if the hold ends, and are somebody else's if not.
    fn hold(&self, held: bool) {
        self.held.set(held);
        if !held {
            self.world.now();
            (0..self.put_by.take()).for_each(|_| self.drop_start());
        }
    }

    fn drop_start(&self) {
        let mut scribe = self.world.scribe.borrow_mut();
        scribe.transition(State::Waiting, State::Dropped);
        scribe.cues().health(rehearsal_metrics::Health { dropped_starts: 1, ..Default::default() });
    }

    fn take_all_due(self: &Rc<Self>, now: RunTime, mut play: impl FnMut(&Rc<Self>, usize, &Arrival)) {
        loop {
            let Some((scenario, arrival)) = self.arrivals.borrow_mut().take_due(now) else { return };
            play(self, scenario, &arrival);
        }
    }

    fn await_cue(&self, cue: CueAnnouncement) {
        let (firing, at) = (cue.firing, self.world.clock.instant(cue.at));
        cues::announce(&self.world, cue);
        let world = Rc::clone(&self.world);
        tokio::task::spawn_local(async move {
            world.alarms.wait_until(at).await;
            cues::snapshot(&world, firing);
        });
    }

    fn stop(&self, how: Stop) {
        if self.stopped.get().is_none() {
            self.cancel_waiting();
        }
        self.stopped.set(Some(how));
        let users: Vec<_> = self.world.users.borrow().values().cloned().collect();
        for user in users {
            user.leave(State::Cancelled);
            if how == Stop::Hard {
                user.cut();
            }
        }
    }

    /// Everybody of this thread who has not come yet.
    fn cancel_waiting(&self) {
        let now = self.world.now();
        let left = self.arrivals.borrow_mut().take_rest(now);
        for _ in 0..self.put_by.take() + left {
            self.world.scribe.borrow_mut().transition(State::Waiting, State::Cancelled);
        }
    }

    fn start_due(self: &Rc<Self>) {
        let now = self.world.now();
        self.take_all_due(now, |floor, scenario, arrival| match floor.held.get() {
            true => floor.put_by.set(floor.put_by.get() + 1),
            false => floor.start_user(scenario, arrival, now),
        });
    }

    fn start_user(self: &Rc<Self>, scenario: usize, arrival: &Arrival, now: RunTime) {
        let cap = self.arrivals.borrow().cap(scenario);
        let full = cap.is_some_and(|cap| self.live.borrow()[scenario] >= cap);
        if full {
            // The plan itself says so: no fault of this generator.
            return self.world.scribe.borrow_mut().transition(State::Waiting, State::Dropped);
        }
        let mut scribe = self.world.scribe.borrow_mut();
        scribe.transition(State::Waiting, State::Live);
        scribe.duration(self.world.base_tags(scenario), "users.start_lag", &[], now.since(arrival.at));
        drop(scribe);
        self.live.borrow_mut()[scenario] += 1;
        let (floor, arrival) = (Rc::clone(self), *arrival);
        tokio::task::spawn_local(async move { floor.play(scenario, &arrival).await });
    }

    /// One user from arrival to departure.
    async fn play(&self, scenario: usize, arrival: &Arrival) {
        let (load, run) = {
            let arrivals = self.arrivals.borrow();
            let run = self.world.setup.plan.scenarios.get(scenario).map(|scenario| scenario.run.clone());
            (arrivals.load(scenario).cloned(), run.unwrap_or_default())
        };
        let intended = self.world.clock.instant(arrival.at);
        let leave = Rc::new(Leave::default());
        leave.at.set(arrival.leave.map(|at| self.world.clock.instant(at)));
        let present = Present { scenario, index: arrival.index, leave: Rc::clone(&leave) };
        self.present.borrow_mut().insert(arrival.number, present);
        let end = match load {
            Some(Load::Population { keep_session, .. }) => {
                self.iterate((scenario, arrival.number), &run, intended, &leave, keep_session).await
            }
            _ => {
                let session = Session::fresh(&self.world, arrival.number);
                let end = self.enter(scenario, session.clone()).live(&run, intended, &leave).await;
                session.close();
                end
            }
        };
        self.present.borrow_mut().remove(&arrival.number);
        self.world.now();
        self.world.scribe.borrow_mut().transition(State::Live, end);
        self.live.borrow_mut()[scenario] -= 1;
        self.changed.notify_one();
    }

    /// Makes a user. A stop since its start was decided did not find it among the live: it leaves at once.
    fn enter(&self, scenario: usize, session: Session) -> Rc<User> {
        let user = User::new(&self.world, scenario, session, None);
        if self.stopped.get().is_some() {
            user.leave(State::Cancelled);
        }
        user
    }

    /// A user of a population runs again and again, as somebody new unless it keeps its session. When it is sent away it
    /// finishes its iteration.
    async fn iterate(
        &self,
        (scenario, number): (usize, u64),
        run: &str,
        intended: Instant,
        leave: &Leave,
        keep_session: bool,
    ) -> State {
        leave.patience.set(LAST_ITERATION);
        let mut intended = intended;
        let mut session = Session::fresh(&self.world, number);
        loop {
            let end = self.enter(scenario, session.clone()).live(run, intended, leave).await;
            intended = Instant::now();
            let is_sent_away = self.stopped.get().is_some() || leave.at.get().is_some_and(|at| at <= intended);
            let is_last = end != State::Finished || is_sent_away;
            if is_last || !keep_session {
                session.close();
            }
            if is_last {
                return end;
            }
            if !keep_session {
                session = Session::fresh(&self.world, number);
            }
            // An iteration that never waits must not keep the thread.
            tokio::task::yield_now().await;
        }
    }

    /// Hands out the seconds that have passed, and how late this thread woke for it.
    async fn hand_out(&self, due: Option<Instant>) {
        let Some(due) = due else { return };
        let late = due.elapsed();
        let health = rehearsal_metrics::Health { lag_max_micros: late.as_micros() as u64, ..Default::default() };
        self.world.scribe.borrow_mut().cues().health(health);
        let now = self.world.now();
        self.due_second.set(Some(end_of_second(now)));
        // Servers do not tell when they would rather be rid of an idle connection; browsers look at their clock, too.
        self.world.users.borrow().values().for_each(|user| user.client.reap(due));
        let closed = self.world.scribe.borrow_mut().take_closed();
        self.send(closed).await;
    }

    async fn send(&self, intervals: Vec<Interval>) {
        for interval in intervals {
            // Nobody listens any more only when the agent ends without waiting for its threads.
            let _ = self.reports.send(Report::Interval { thread: self.thread, interval }).await;
        }
    }

    fn is_idle(&self) -> bool {
        let arrivals = self.arrivals.borrow();
        let nobody_comes = arrivals.next_at().is_none() || self.stopped.get().is_some();
        arrivals.versions().is_some() && nobody_comes && self.live.borrow().iter().all(|live| *live == 0)
    }

    async fn report_idle(&self) {
        let idle = self.is_idle();
        if self.told_idle.replace(idle) != idle {
            let _ = self.reports.send(Report::Idle { thread: self.thread, idle }).await;
        }
    }

    async fn end(&self) {
        self.stop(Stop::Hard);
        while self.live.borrow().iter().any(|live| *live > 0) {
            self.changed.notified().await;
        }
        self.world.now();
        let limits = self.world.setup.limits;
        let rest = self.world.scribe.borrow_mut().finish(limits);
        self.send(rest).await;
        let _ = self.reports.send(Report::Ended { thread: self.thread }).await;
    }
}

/// The end of the second that is running.
fn end_of_second(now: RunTime) -> RunTime {
    RunTime((now.second() + 1).saturating_mul(1_000_000))
}
