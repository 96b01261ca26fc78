//! What a scenario asks of the world: the calls that may wait, their answers, and the trait that answers them.
//!
//! The script crate knows neither sockets nor clocks. A native function turns its arguments into a [`Call`], hands it to
//! the [`Host`] of the user that is running, and turns the [`Answer`] back into a value. The engine implements `Host` by
//! suspending the user's fiber until the answer is there; tests implement it with a list of canned answers.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use rand_xoshiro::Xoshiro256PlusPlus;
use rhai::{Dynamic, FnPtr, Map};

use crate::http::{HttpCall, Reply};

/// A socket of one user, numbered in the order of opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub u32);

/// A timer of one user, numbered in the order of setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimerId(pub u32);

/// How a socket carries its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// One WebSocket connection.
    WebSocket,
    /// Long polling with a cursor.
    Polling,
}

impl Transport {
    /// The value of the `transport` tag.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Polling => "polling",
        }
    }
}

/// The opening of a socket.
#[derive(Clone, Debug)]
pub struct OpenCall {
    /// How messages are carried.
    pub transport: Transport,
    /// Absolute, or relative to the environment's target.
    pub url: String,
    /// Request headers of the opening (and of every poll).
    pub headers: Vec<(String, String)>,
    /// How long the opening may take; the environment's default if none.
    pub timeout: Option<Duration>,
    /// Opens the socket again when it was not the user who closed it.
    pub reconnect: Option<Reconnect>,
}

/// The waits before a closed socket is opened again: `first`, doubled up to `max`, each with up to `jitter` of itself added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reconnect {
    /// Wait before the first attempt.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
    /// Share of the wait that is added at random, 0 to 1.
    pub jitter: f64,
}

/// Something that a scenario asks for and that may take time.
pub enum Call {
    /// Requests sent at the same time; one reply each, in order.
    Http(Vec<HttpCall>),
    /// Decoding of a body, off the fiber's stack.
    Json(Bytes),
    /// A new socket.
    Open(Box<OpenCall>),
    /// The next message of a socket: of one event, or any.
    Receive { socket: SocketId, event: Option<String>, timeout: Duration },
    /// A text frame, and the event in it if the script named one.
    Send { socket: SocketId, event: Option<String>, text: String },
    /// Closing from the user's side.
    Close { socket: SocketId },
    /// Waiting.
    Sleep(Duration),
    /// The user leaves; never answered.
    Leave,
    /// The user leaves and does not run again, also not as one of a population; never answered.
    LeaveForGood,
}

/// What comes back from a [`Call`].
pub enum Answer {
    /// To `Http`: as many replies as calls.
    Replies(Vec<Reply>),
    /// To `Json`: the decoded value, or why the body is not JSON.
    Json(Result<serde_json::Value, String>),
    /// To `Open`.
    Socket(SocketId),
    /// To `Receive`: none when the time ran out or the socket closed.
    Message(Option<Received>),
    /// To everything else.
    Done,
}

/// A message as a script sees it.
#[derive(Clone, Debug)]
pub struct Received {
    /// The name in `{"event": …}`, if the message has one.
    pub event: Option<String>,
    /// The value in `{"data": …}`, or the text itself of a message without an event.
    pub data: Dynamic,
}

/// Why a call is not answered: the user has to go. The script is unwound by an error that it cannot catch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop;

/// Which messages of a socket a handler hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hears {
    /// Those of one event.
    Event(String),
    /// All that no handler of their event takes.
    Any,
    /// Not a message: the end of the socket.
    Close,
}

/// A claim, count or note that a scenario makes.
#[derive(Clone, Debug, PartialEq)]
pub enum Measurement {
    /// A yes-no claim.
    Check { name: String, passed: bool },
    /// Adds to `custom.<name>`.
    Count { name: String, by: u64 },
    /// A duration into `custom.<name>`.
    Record { name: String, took: Duration },
    /// A tag on all that this user records from now on.
    Tag { key: String, value: String },
    /// A line for the operator.
    Log(String),
}

/// When a timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerKind {
    /// Once, after the duration.
    After(Duration),
    /// Again and again, first after the duration.
    Every(Duration),
}

/// What one user owns: the values that scripts keep in `user`, its number, its random numbers.
pub struct UserState {
    /// Position in the order of planned arrival, from 0.
    pub number: u64,
    /// This user continues one whose agent was lost.
    pub restored: bool,
    /// What the script stored in `user`.
    pub values: RefCell<Map>,
    /// Seeded by run seed and number, so that a run can be repeated.
    pub random: RefCell<Xoshiro256PlusPlus>,
    /// Draws so far from each source of data, in the order of sources; none for functions of the coordinator.
    draws: Option<RefCell<Vec<u64>>>,
}

impl UserState {
    /// Makes the state of a fresh user.
    #[must_use]
    pub fn new(number: u64, run_seed: u64, restored: bool) -> Self {
        use rand::SeedableRng;
        // The odd constant spreads neighbouring numbers over the seed space; the generator mixes the rest.
        let seed = run_seed ^ (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self {
            number,
            restored,
            values: RefCell::new(Map::new()),
            random: RefCell::new(Xoshiro256PlusPlus::seed_from_u64(seed)),
            draws: Some(RefCell::default()),
        }
    }

    /// Makes the state of a function that the coordinator runs. It has no number in the plan, and so no rows of its own.
    #[must_use]
    pub fn of_coordinator(run_seed: u64) -> Self {
        Self { draws: None, ..Self::new(0, run_seed, false) }
    }

    /// Makes the state of a user that runs again as itself: fresh, but for the rows that it has had.
    #[must_use]
    pub fn again(&self, run_seed: u64) -> Self {
        Self { draws: self.draws.clone(), ..Self::new(self.number, run_seed, self.restored) }
    }

    /// Counts one more draw from a source and says the how manieth it is, from 1; none for those who have no rows.
    pub(crate) fn count_draw(&self, source: usize) -> Option<u64> {
        let mut draws = self.draws.as_ref()?.borrow_mut();
        if draws.len() <= source {
            draws.resize(source + 1, 0);
        }
        draws[source] += 1;
        Some(draws[source])
    }
}

/// A cue as its function sees it in `cue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CueState {
    /// The name in the plan.
    pub name: String,
    /// How often this cue has been fired, counting from 1.
    pub number: u32,
    /// Unique in the run; what messages carry to be recognised.
    pub id: String,
}

/// The world of the script that is running now: one user, or a function of the coordinator.
pub trait Host {
    /// Does what may wait. Comes back when the answer is there.
    ///
    /// # Errors
    /// [`Stop`] when the user has to go.
    fn call(&self, call: Call) -> Result<Answer, Stop>;
    /// Sets a handler for messages (or the end) of a socket.
    fn listen(&self, socket: SocketId, hears: Hears, handler: FnPtr);
    /// Whether a socket can carry messages now.
    fn is_open(&self, socket: SocketId) -> bool;
    /// Sets a timer; the handler is called without arguments.
    fn timer(&self, kind: TimerKind, handler: FnPtr) -> TimerId;
    /// Moves the next tick of an `Every` timer to a random point of its period.
    fn random_phase(&self, timer: TimerId);
    /// Ends a timer.
    fn cancel(&self, timer: TimerId);
    /// Takes a measurement.
    fn measure(&self, measurement: Measurement);
    /// Run time.
    fn now(&self) -> Duration;
    /// The running user's state; the coordinator's functions have one too.
    fn user(&self) -> &Rc<UserState>;
    /// The cue whose function is running.
    fn cue(&self) -> Option<&CueState>;
    /// Called between operations, every few microseconds of computing.
    ///
    /// # Errors
    /// Why the script must end: no stack left, no end in sight, or a stop.
    fn progress(&self) -> Result<(), Halt>;
}

/// Why a computing script is ended between two operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// The user has to go.
    Stop,
    /// The stack is nearly used up.
    Stack,
    /// It computed for too long without waiting for anything.
    Endless,
}
