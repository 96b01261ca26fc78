//! Runs one function on the calling thread, as one user: `setup()`, `teardown()`, the functions of cues, and traces.

use std::rc::Rc;
use std::sync::Arc;

use rehearsal_metrics::{Interval, UserState as State};
use rehearsal_script::{CueState, Failure, to_json};
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::clock::RunClock;
use crate::user::{Flow, Leave, Session, User};
use crate::world::{Setup, Tracer, World, WorldError};

/// A world for single functions. Its samples are not part of the run; [`Solo::intervals`] has them for traces.
pub struct Solo {
    world: Rc<World>,
}

/// How a function ended.
#[derive(Debug)]
pub struct SoloOutcome {
    /// What it returned, as JSON, or why that cannot be; only `setup()` is asked.
    pub returned: Result<serde_json::Value, String>,
    /// When its first request was sent: the delay of a cue counts from there.
    pub first_sent: Option<Instant>,
    /// How it failed, if it did.
    pub failure: Option<Failure>,
}

impl Solo {
    /// Compiles the scenario. Must be called on a thread with a tokio runtime.
    ///
    /// # Errors
    /// As for a worker.
    pub fn new(setup: Arc<Setup>, clock: Arc<RunClock>, tracer: Option<Tracer>) -> Result<Self, WorldError> {
        Ok(Self { world: World::new(setup, clock, tracer)? })
    }

    /// Whether the scenario has this function.
    #[must_use]
    pub fn has(&self, function: &str) -> bool {
        self.world.program.has_function(function)
    }

    /// Makes a value the `common` of all further calls.
    ///
    /// # Errors
    /// When it nests too deep for a script.
    pub fn share(&self, common: serde_json::Value) -> Result<(), String> {
        self.world.program.set_common(common)
    }

    /// Runs a function to its return, and lets go of all that it opened.
    pub async fn call(&self, function: &str, cue: Option<CueState>) -> SoloOutcome {
        self.locally(self.call_here(function, cue)).await
    }

    async fn call_here(&self, function: &str, cue: Option<CueState>) -> SoloOutcome {
        self.world.first_sent.set(None);
        let user = User::new(&self.world, 0, Session::of_coordinator(&self.world), cue);
        let (world, name) = (Rc::clone(&self.world), function.to_owned());
        let result = user.drive(&Flow::intended_at(None), move || world.program.run(&name)).await;
        let (returned, failure) = match result {
            Ok(value) => (to_json(&value), None),
            Err(failure) => (Ok(serde_json::Value::Null), Some(failure)),
        };
        user.leave(State::Finished);
        user.depart().await;
        SoloOutcome { returned, first_sent: self.world.first_sent.get(), failure }
    }

    /// Plays one whole user, as if the plan sent it away at the given instant. Returns how it left.
    pub async fn play(&self, function: &str, number: u64, leave_at: Option<Instant>) -> State {
        self.locally(async {
            let leave = Leave::default();
            leave.at.set(leave_at);
            let session = Session::fresh(&self.world, number, false);
            User::new(&self.world, 0, session, None).live(function, Instant::now(), &leave).await
        })
        .await
    }

    /// Runs with a place for tasks of this thread, and with alarms that ring.
    async fn locally<T>(&self, work: impl Future<Output = T>) -> T {
        let local = LocalSet::new();
        local.spawn_local(Rc::clone(&self.world.alarms).ring());
        local.run_until(work).await
    }

    /// What was recorded so far.
    #[must_use]
    pub fn intervals(&self) -> Vec<Interval> {
        self.world.now();
        let limits = self.world.setup.limits;
        self.world.scribe.borrow_mut().finish(limits)
    }
}
