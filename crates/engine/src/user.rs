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

use std::cell::Cell;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::time::Duration;

use rehearsal_metrics::UserState as State;
use rehearsal_script::{
    Answer, Call, CueState, Failure, FailureKind, Halt, Handler, Hears, Host, Measurement, SocketId, Stop, TimerId,
    TimerKind, UserState, Value,
};
use rehearsal_transport::http::Client;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::fiber::{Fiber, Question, Reply, Step, suspend};
use crate::scribe::{Custom, TagsId};
use crate::sockets::Sockets;
use crate::timers::Timers;
use crate::world::World;
use crate::{calls, slice, sockets, timers};

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

/// What a user of a population may keep from one iteration to the next: cookies, connections, values, random numbers.
#[derive(Clone)]
pub(crate) struct Session {
    client: Rc<Client>,
    state: Rc<UserState>,
}

impl Session {
    /// That of somebody who has never been here; `restored` if it was elsewhere.
    pub(crate) fn fresh(world: &World, number: u64, restored: bool) -> Self {
        Self::with_state(world, UserState::new(number, world.setup.seed, restored))
    }

    /// That of the same user in its next iteration: as new, but for its rows, in which it goes on.
    pub(crate) fn again(&self, world: &World) -> Self {
        Self::with_state(world, self.state.again(world.setup.seed))
    }

    /// That of a function which the coordinator runs.
    pub(crate) fn of_coordinator(world: &World) -> Self {
        Self::with_state(world, UserState::of_coordinator(world.setup.seed))
    }

    fn with_state(world: &World, state: UserState) -> Self {
        let (network, options) = (Rc::clone(&world.network), Rc::clone(&world.client_options));
        let client = Rc::new(Client::new(network, options, world.user_headers(state.number)));
        Self { client, state: Rc::new(state) }
    }

    /// Ends its connections.
    pub(crate) fn close(&self) {
        self.client.close();
    }
}

/// When the plan wants a user to leave. Versions of the plan may move it while the user is there.
#[derive(Default)]
pub(crate) struct Leave {
    /// None while nobody knows: the user's own flow decides, or the plan is paused.
    pub(crate) at: Cell<Option<Instant>>,
    /// How much longer an iteration may take that is under way then.
    pub(crate) patience: Cell<Duration>,
}

impl Leave {
    fn latest(&self) -> Option<Instant> {
        self.at.get().map(|at| at + self.patience.get())
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

impl Host for User {
    fn call(&self, call: Call) -> Result<Answer, Stop> {
        if self.is_leaving() { Err(Stop) } else { suspend(Question::Call(call)) }
    }

    fn listen(&self, socket: SocketId, hears: Hears, handler: Handler) {
        sockets::listen(&self.rc(), socket, hears, handler);
    }

    fn is_open(&self, socket: SocketId) -> bool {
        self.sockets.is_open(socket)
    }

    fn timer(&self, kind: TimerKind, handler: Handler) -> TimerId {
        timers::set(&self.rc(), kind, handler)
    }

    fn random_phase(&self, timer: TimerId) {
        use rand::RngExt;
        let phase = self.state.random.borrow_mut().random_range(0.0..1.0);
        self.timers.set_phase(timer, phase);
    }

    fn cancel(&self, timer: TimerId) {
        self.timers.cancel(timer);
        self.note_change();
    }

    fn measure(&self, measurement: Measurement) {
        self.world.now();
        self.world.trace(|| describe(&measurement));
        let mut scribe = self.world.scribe.borrow_mut();
        match measurement {
            Measurement::Check { name, passed } => scribe.ratio(self.tags(), "checks", &[("name", &name)], passed),
            Measurement::Count { name, by } => scribe.custom(self.tags(), &name, Custom::Count(by)),
            Measurement::Record { name, took } => scribe.custom(self.tags(), &name, Custom::Duration(took)),
            Measurement::Tag { key, value } => self.tags.set(scribe.tagged(self.tags.get(), &key, &value)),
            Measurement::Log(text) => {
                drop(scribe);
                self.world.log(self.number(), &text);
            }
        }
    }

    fn now(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.world.clock.now().0).unwrap_or(0))
    }

    fn user(&self) -> &Rc<UserState> {
        &self.state
    }

    fn cue(&self) -> Option<&CueState> {
        self.cue.as_ref()
    }

    fn progress(&self) -> Result<(), Halt> {
        slice::check(|| self.is_leaving())
    }
}

fn describe(measurement: &Measurement) -> String {
    match measurement {
        Measurement::Check { name, passed: true } => format!("check  ok     {name}"),
        Measurement::Check { name, passed: false } => format!("check  FAILED {name}"),
        Measurement::Count { name, by } => format!("count  {name} +{by}"),
        Measurement::Record { name, took } => format!("record {name} {:.1} ms", took.as_secs_f64() * 1e3),
        Measurement::Tag { key, value } => format!("tag    {key} = {value}"),
        Measurement::Log(text) => format!("log    {text}"),
    }
}
