//! One virtual user: own cookies and connections, own sockets and timers, own random numbers, and what its script waits for.
//!
//! | state | begins with | ends with |
//! |---|---|---|
//! | living | its arrival | [`User::leave`]: the plan's instant, `leave()`, an error, a stop, or nothing left to do |
//! | leaving | flows that wait are resumed with a stop; calls in flight get [`GRACE`] | the last flow has ended |
//! | gone | sockets are closed; connections too, unless the next iteration keeps the session | |
//!
//! A *flow* is one run of script code: the main function, a handler, a tick of a timer. Flows of a user take turns where
//! they wait. A user without a running flow holds no stack.

mod host;
mod session;

use std::cell::Cell;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::time::Duration;

use rehearsal_metrics::UserState as State;
use rehearsal_script::{Answer, CueState, Failure, FailureKind, Host, Stop, UserState, Value};
use rehearsal_transport::http::Client;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::fiber::{Fiber, Question, Reply, Step};
use crate::scribe::TagsId;
use crate::sockets::Sockets;
use crate::timers::Timers;
use crate::world::World;
use crate::{calls, slice};

pub(crate) use session::{Leave, Session};

/// How long calls in flight may go on when their user leaves (contracts.md §1); then they are cut.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// One user; flows, sockets and timers share it.
pub struct User {
    /// Handed to tasks that outlive the current borrow.
    itself: Weak<User>,
    pub(crate) world: Rc<World>,
    state: Rc<UserState>,
    cue: Option<CueState>,
    pub(crate) client: Rc<Client>,
    pub(crate) sockets: Sockets,
    pub(crate) timers: Timers,
    tags: Cell<TagsId>,
    /// Flows that are running or waiting.
    flows: Cell<u32>,
    leaving: Cell<Option<State>>,
    /// It does not run again, also not as one of a population.
    for_good: Cell<bool>,
    /// Calls in flight are cut from now on.
    cut: Cell<bool>,
    /// Woken when `leaving`, `cut` or the number of flows, sockets or timers changes.
    changed: Notify,
    /// Bit n mod 64: it was live when cue n was fired, and it has heard cue n.
    pub(crate) present: Cell<u64>,
    pub(crate) heard: Cell<u64>,
    /// Likewise: it was connected with a handler when cue n was fired.
    pub(crate) ready: Cell<u64>,
}

/// When the plan wanted a flow to begin: the response time of its first call counts from there.
pub(crate) struct Flow {
    intended: Cell<Option<Instant>>,
}

impl Flow {
    pub(crate) fn intended_at(intended: Option<Instant>) -> Self {
        Self { intended: Cell::new(intended) }
    }

    /// The intended start, for the first call that asks.
    pub(crate) fn take_intended(&self) -> Option<Instant> {
        self.intended.take()
    }
}

impl User {
    /// Makes a user that has not done anything yet.
    pub(crate) fn new(world: &Rc<World>, scenario: usize, session: Session, cue: Option<CueState>) -> Rc<Self> {
        let Session { client, state } = session;
        Rc::new_cyclic(|itself| Self {
            itself: itself.clone(),
            client,
            state,
            cue,
            sockets: Sockets::default(),
            timers: Timers::default(),
            tags: Cell::new(world.base_tags(scenario)),
            flows: Cell::new(0),
            leaving: Cell::new(None),
            for_good: Cell::new(false),
            cut: Cell::new(false),
            changed: Notify::new(),
            present: Cell::new(0),
            heard: Cell::new(0),
            ready: Cell::new(0),
            world: Rc::clone(world),
        })
    }

    pub(crate) fn rc(&self) -> Rc<User> {
        self.itself.upgrade().expect("a user that is borrowed is held by somebody")
    }

    pub(crate) fn number(&self) -> u64 {
        self.state.number
    }

    pub(crate) fn tags(&self) -> TagsId {
        self.tags.get()
    }

    /// Begins to leave, with the state in which the user will be counted. Only the first reason counts.
    pub(crate) fn leave(&self, how: State) {
        if self.leaving.get().is_none() {
            self.leaving.set(Some(how));
            self.changed.notify_waiters();
        }
    }

    /// Begins to leave, finished, and does not run again.
    pub(crate) fn leave_for_good(&self) {
        self.for_good.set(true);
        self.leave(State::Finished);
    }

    /// Cuts what is in flight.
    pub(crate) fn cut(&self) {
        self.cut.set(true);
        self.changed.notify_waiters();
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.get().is_some()
    }

    /// Whether it leaves because its agent has to.
    pub(crate) fn leaves_as_lost(&self) -> bool {
        self.leaving.get() == Some(State::Lost)
    }

    /// Something was opened, set, closed or ended.
    pub(crate) fn note_change(&self) {
        self.changed.notify_waiters();
    }

    /// Waits until a condition of the user holds.
    async fn until(&self, condition: impl Fn(&Self) -> bool) {
        loop {
            let notified = self.changed.notified();
            if condition(self) {
                return;
            }
            notified.await;
        }
    }

    /// Comes back when the user begins to leave.
    pub(crate) async fn gone(&self) {
        self.until(Self::is_leaving).await;
    }

    /// Comes back when calls in flight must end.
    pub(crate) async fn cut_off(&self) {
        self.until(|user| user.cut.get()).await;
    }

    fn has_nothing_left(&self) -> bool {
        self.flows.get() == 0 && self.sockets.open_count() == 0 && self.timers.active_count() == 0
    }

    /// Lives one life: runs the function, then whatever its timers and sockets start, until it leaves. Says how it left.
    pub(crate) async fn live(self: &Rc<Self>, function: &str, intended: Instant, leave: &Leave) -> State {
        let number = self.number();
        self.world.users.borrow_mut().insert(number, Rc::clone(self));
        let function = function.to_owned();
        let program = Rc::clone(&self.world);
        self.start(Flow::intended_at(Some(intended)), move || program.program.run(&function));
        while !self.is_leaving() && !self.has_nothing_left() {
            let leave_at = leave.latest();
            let is_over = |user: &Self| user.is_leaving() || user.has_nothing_left() || leave.latest() != leave_at;
            tokio::select! {
                () = self.until(is_over) => {}
                () = self.world.alarms.until(leave_at) => self.leave(State::Finished),
            }
        }
        self.leave(State::Finished);
        self.depart().await;
        self.world.users.borrow_mut().remove(&number);
        if self.for_good.get() {
            leave.at.set(Some(Instant::now())); // a user that was sent away has no further iteration
        }
        self.leaving.get().unwrap_or(State::Finished)
    }

    /// Lets calls in flight end within the grace, then closes sockets. Connections end with the session.
    pub(crate) async fn depart(&self) {
        let ended = self.until(|user| user.flows.get() == 0);
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            self.cut();
            self.until(|user| user.flows.get() == 0).await;
        }
        self.timers.clear();
        self.sockets.close_all();
        // Closing handshakes are bounded by the sockets themselves.
        self.until(|user| user.sockets.open_count() == 0).await;
    }

    /// Starts a flow beside the others.
    pub(crate) fn start(self: &Rc<Self>, flow: Flow, body: impl FnOnce() -> Result<Value, Failure> + 'static) {
        let user = Rc::clone(self);
        user.flows.set(user.flows.get() + 1);
        tokio::task::spawn_local(async move { user.flow(&flow, body).await });
    }

    /// Runs a flow to its end, for callers that wait for it, such as timers. Boxed: between ticks a timer is small.
    pub(crate) fn run_boxed<'a>(
        self: &'a Rc<Self>,
        flow: Flow,
        body: impl FnOnce() -> Result<Value, Failure> + 'static,
    ) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
        self.flows.set(self.flows.get() + 1);
        Box::pin(async move { self.flow(&flow, body).await })
    }

    async fn flow(self: &Rc<Self>, flow: &Flow, body: impl FnOnce() -> Result<Value, Failure> + 'static) {
        let result = self.drive(flow, body).await;
        self.flows.set(self.flows.get() - 1);
        if let Err(failure) = result
            && failure.kind != FailureKind::Stopped
        {
            self.fail(&failure);
        }
        self.note_change();
    }

    fn fail(&self, failure: &Failure) {
        self.world.now();
        self.world.scribe.borrow_mut().error(self.tags(), failure.kind.as_str(), &failure.to_string());
        self.world.trace(|| format!("error: {failure}"));
        self.leave(State::Failed);
    }

    /// Resumes a script again and again: with answers to its calls, and with new slices when it computes.
    pub(crate) async fn drive(
        self: &Rc<Self>,
        flow: &Flow,
        body: impl FnOnce() -> Result<Value, Failure> + 'static,
    ) -> Result<Value, Failure> {
        let host: Rc<dyn Host> = self.rc();
        let panicked = |message: &str| Failure::panicked(self.world.program.file(), message);
        let mut fiber = Fiber::new(body).map_err(|error| panicked(&format!("no stack for another flow: {error}")))?;
        let mut reply: Reply = if self.is_leaving() { Err(Stop) } else { Ok(Answer::Done) };
        let mut computed = Duration::ZERO;
        loop {
            slice::begin(computed);
            let step = rehearsal_script::with_host(&host, || fiber.resume(reply));
            computed = slice::end();
            reply = match step {
                Step::Returned(result) => return result,
                Step::Panicked(message) => return Err(panicked(&message)),
                Step::Asks(Question::Call(call)) => {
                    computed = Duration::ZERO;
                    calls::answer(self, flow, call).await
                }
                Step::Asks(Question::Slice) => self.next_slice().await,
            };
        }
    }

    /// Waits for this fiber's turn among those that compute. Sockets and timers of others are served in between.
    async fn next_slice(&self) -> Reply {
        let turn = self.world.slices.acquire().await;
        tokio::task::yield_now().await;
        drop(turn);
        if self.is_leaving() { Err(Stop) } else { Ok(Answer::Done) }
    }
}
