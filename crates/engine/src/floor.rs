//! What happens on one user thread: who comes and when, who is there, who has to go, and an interval for every second.
//!
//! | told | who is to come | who is here |
//! |---|---|---|
//! | `Hold` | is put by; dropped when the hold ends | stays |
//! | `SendAway` | | leaves as lost |
//! | `Relieve` | is somebody else's from an instant on | leaves as lost, one after the other |
//! | `Stop` | is cancelled, also who comes with a later version | leaves as cancelled |

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rehearsal_metrics::{Interval, UserState as State};
use rehearsal_plan::{Load, RunTime, Versions};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::arrivals::{Due, Share};
use crate::cues::{self, CueAnnouncement};
use crate::gate::{Admitted, Gate};
use crate::user::{Session, User};
use crate::visits::{Visit, Visits};
use crate::worker::{Command, Report, Stop};
use crate::world::World;

/// How long a population's user may take to finish its iteration when the ramp sends it away.
const LAST_ITERATION: Duration = Duration::from_secs(30);

/// The thread's own view of its users: who is to come, who is here.
pub(crate) struct Floor {
    world: Rc<World>,
    thread: usize,
    gate: RefCell<Gate>,
    visits: Visits,
    reports: mpsc::Sender<Report>,
    told_idle: Cell<bool>,
    /// The end of the first second that was not handed out.
    due_second: Cell<Option<RunTime>>,
    changed: Notify,
}

impl Floor {
    pub(crate) fn new(world: Rc<World>, share: Share, reports: mpsc::Sender<Report>) -> Rc<Self> {
        let gate = RefCell::new(Gate::new(world.setup.agent, share));
        Rc::new(Self {
            world,
            thread: share.thread as usize,
            gate,
            visits: Visits::default(),
            reports,
            told_idle: Cell::new(false),
            due_second: Cell::new(None),
            changed: Notify::new(),
        })
    }

    pub(crate) async fn run(self: Rc<Self>, mut commands: mpsc::UnboundedReceiver<Command>) {
        loop {
            let next_arrival = self.instant(self.gate.borrow().next_at());
            let next_departure = self.next_departure();
            let next_second = self.instant(self.due_second.get());
            tokio::select! {
                // What the operator wants goes before what the plan wants, and telling before playing.
                biased;
                command = commands.recv() => match command {
                    None | Some(Command::End) => break,
                    Some(command) => self.obey(command),
                },
                () = self.world.alarms.until(next_second) => self.hand_out(next_second).await,
                () = self.world.alarms.until(next_departure) => self.visits.send_due(Instant::now()),
                () = self.world.alarms.until(next_arrival) => self.start_due(),
                () = self.changed.notified() => {}
            }
            self.report_idle().await;
        }
        self.end().await;
    }

    fn obey(self: &Rc<Self>, command: Command) {
        match command {
            Command::Versions(versions) => self.take_versions(versions),
            Command::Cue(cue) => self.await_cue(cue),
            Command::Hold(held) => self.hold(held),
            Command::SendAway => self.visits.send_away(State::Lost),
            Command::Relieve { from, over } => self.relieve(from, over),
            Command::Cut => self.cut(),
            Command::Stop(how) => self.stop(how),
            Command::End => {}
        }
    }

    fn instant(&self, at: Option<RunTime>) -> Option<Instant> {
        at.map(|at| self.world.clock.instant(at))
    }

    /// The next user's turn to leave, or the instant from which on nobody comes.
    fn next_departure(&self) -> Option<Instant> {
        let shuts_at = self.gate.borrow().shuts_at(self.world.clock.now());
        self.visits.next_departure().into_iter().chain(self.instant(shuts_at)).min()
    }

    fn take_versions(self: &Rc<Self>, versions: Arc<Versions>) {
        let now = self.world.now();
        self.heed_permit();
        // Before the first version the run clock is not set for good, and there is nothing to hand out.
        self.due_second.set(self.due_second.get().or(Some(end_of_second(now))));
        self.visits.move_leaves(&versions, &self.world.clock);
        let Admitted { start, drop, cancel } = self.gate.borrow_mut().take_versions(versions, now);
        start.into_iter().for_each(|due| self.start(due, now));
        self.drop_starts(drop);
        self.cancel(cancel);
    }

    fn hold(&self, held: bool) {
        self.world.now();
        let too_late = self.gate.borrow_mut().hold(held);
        self.drop_starts(too_late);
        // The permit came back with that, and nobody may be due for long who would find it out.
        self.heed_permit();
    }

    fn drop_starts(&self, late: Vec<Due>) {
        let health = rehearsal_metrics::Health { dropped_starts: late.len() as u64, ..Default::default() };
        if !late.is_empty() {
            self.world.scribe.borrow_mut().cues().health(health);
        }
        late.into_iter().for_each(|due| self.settle(due, State::Waiting, State::Dropped));
    }

    fn cancel(&self, waiting: Vec<Due>) {
        waiting.into_iter().for_each(|due| self.settle(due, State::Waiting, State::Cancelled));
    }

    /// Counts what became of somebody, and that nobody needs to bring it back if this agent is lost. Nobody of a rate is
    /// brought back anyway.
    fn settle(&self, due: Due, from: State, to: State) {
        let mut scribe = self.world.scribe.borrow_mut();
        scribe.transition(from, to);
        let is_rate = || matches!(self.gate.borrow().load(due.scenario), Some(Load::Rate { .. }));
        if to != State::Lost && self.world.setup.plan.restore.is_some() && !is_rate() {
            scribe.ended(due.scenario as u32, due.arrival.index);
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

    fn relieve(&self, from: RunTime, over: Duration) {
        self.gate.borrow_mut().relieve(from);
        self.visits.relieve(Instant::now(), over);
    }

    fn cut(&self) {
        self.visits.send_away(State::Lost);
        self.visits.cut();
    }

    fn stop(&self, how: Stop) {
        let now = self.world.now();
        let waiting = self.gate.borrow_mut().stop(now);
        self.cancel(waiting);
        self.visits.send_away(State::Cancelled);
        if how == Stop::Hard {
            self.visits.cut();
        }
    }

    /// Who becomes due while this agent may not make load is put by, before anybody has told this thread to hold.
    fn heed_permit(&self) {
        let lapsed = !self.world.clock.allows_arrivals();
        let too_late = self.gate.borrow_mut().lapse(lapsed);
        self.drop_starts(too_late);
    }

    fn start_due(self: &Rc<Self>) {
        let now = self.world.now();
        self.heed_permit();
        let due = self.gate.borrow_mut().take_due(now);
        due.into_iter().for_each(|due| self.start(due, now));
    }

    fn start(self: &Rc<Self>, due: Due, now: RunTime) {
        let cap = self.gate.borrow().cap(due.scenario);
        if cap.is_some_and(|cap| self.visits.count(due.scenario) >= cap) {
            // The plan itself says so: no fault of this generator.
            return self.settle(due, State::Waiting, State::Dropped);
        }
        let mut scribe = self.world.scribe.borrow_mut();
        scribe.transition(State::Waiting, State::Live);
        scribe.duration(self.world.base_tags(due.scenario), "users.start_lag", &[], now.since(due.arrival.at));
        let visit = self.visits.begin(due, self.instant(due.arrival.leave));
        let floor = Rc::clone(self);
        tokio::task::spawn_local(async move { floor.play(&visit).await });
    }

    /// One user from arrival to departure.
    async fn play(&self, visit: &Visit) {
        let due = visit.due;
        let (load, run) = {
            let gate = self.gate.borrow();
            let run = self.world.setup.plan.scenarios.get(due.scenario).map(|scenario| scenario.run.clone());
            (gate.load(due.scenario).cloned(), run.unwrap_or_default())
        };
        let end = match load {
            Some(Load::Population { keep_session, .. }) => self.iterate(visit, &run, keep_session).await,
            _ => {
                let (session, intended) = (self.session(visit), self.world.clock.instant(due.arrival.at));
                let end = self.enter(visit, session.clone()).live(&run, intended, &visit.leave).await;
                session.close();
                end
            }
        };
        self.visits.end(visit);
        self.world.now();
        self.settle(due, State::Live, end);
        self.changed.notify_one();
    }

    fn session(&self, visit: &Visit) -> Session {
        Session::fresh(&self.world, visit.due.arrival.number, visit.due.restored)
    }

    fn enter(&self, visit: &Visit, session: Session) -> Rc<User> {
        let user = User::new(&self.world, visit.due.scenario, session, None);
        visit.runs_as(&user);
        user
    }

    /// A user of a population runs again and again, as somebody new unless it keeps its session. When it is sent away it
    /// finishes its iteration.
    async fn iterate(&self, visit: &Visit, run: &str, keep_session: bool) -> State {
        let leave = &visit.leave;
        leave.patience.set(LAST_ITERATION);
        let mut intended = self.world.clock.instant(visit.due.arrival.at);
        let mut session = self.session(visit);
        loop {
            let end = self.enter(visit, session.clone()).live(run, intended, leave).await;
            intended = Instant::now();
            let is_over = end != State::Finished || leave.at.get().is_some_and(|at| at <= intended);
            let is_last = is_over || visit.sent_away().is_some();
            if is_last || !keep_session {
                session.close();
            }
            if is_last {
                return visit.sent_away().filter(|_| !is_over).unwrap_or(end);
            }
            if !keep_session {
                session = session.again(&self.world);
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
        self.gate.borrow().is_shut(self.world.clock.now()) && self.visits.is_empty()
    }

    async fn report_idle(&self) {
        let idle = self.is_idle();
        if self.told_idle.replace(idle) != idle {
            let _ = self.reports.send(Report::Idle { thread: self.thread, idle }).await;
        }
    }

    async fn end(&self) {
        self.stop(Stop::Hard);
        while !self.visits.is_empty() {
            self.changed.notified().await;
        }
        self.world.now();
        let limits = self.world.setup.limits;
        let rest = self.world.scribe.borrow_mut().finish(limits);
        // Before the first version seconds have no meaning.
        if self.due_second.get().is_some() {
            self.send(rest).await;
        }
        let _ = self.reports.send(Report::Ended { thread: self.thread }).await;
    }
}

/// The end of the second that is running.
fn end_of_second(now: RunTime) -> RunTime {
    RunTime((now.second() + 1).saturating_mul(1_000_000))
}
