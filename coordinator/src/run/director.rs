//! Runs the scenario's own functions on the coordinator: `setup()`, the functions of cues, `teardown()`.
//!
//! Each call has a thread and a script engine of its own: a function that waits for its system does not hold up the next
//! cue. The engine is made before the call is due, so that a cue is sent at its instant.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Context as _;
use rehearsal_engine::{RunClock, Setup, Solo, SoloOutcome, THREAD_STACK};
use rehearsal_script::CueState;
use tokio::sync::oneshot;

/// Calls functions of the scenario.
#[derive(Clone)]
pub(crate) struct Director {
    setup: Arc<Mutex<Arc<Setup>>>,
    clock: Arc<RunClock>,
}

/// A call that waits for its instant. Dropping it calls nothing.
pub(crate) struct Ready {
    go: oneshot::Sender<()>,
    outcome: oneshot::Receiver<SoloOutcome>,
}

impl Director {
    /// A director for a scenario in its environment.
    pub(crate) fn new(setup: Setup, clock: Arc<RunClock>) -> Self {
        Self { setup: Arc::new(Mutex::new(Arc::new(setup))), clock }
    }

    /// Calls a function; none if the scenario does not have it.
    pub(crate) async fn call(&self, function: &str, cue: Option<CueState>) -> anyhow::Result<Option<SoloOutcome>> {
        match self.ready(function, cue).await? {
            Some(ready) => ready.call().await.map(Some),
            None => Ok(None),
        }
    }

    /// Prepares the call of a function; none if the scenario does not have it.
    pub(crate) async fn ready(&self, function: &str, cue: Option<CueState>) -> anyhow::Result<Option<Ready>> {
        #[cfg(test)]
        if let Some((go, outcome)) = cue.as_ref().and_then(|cue| super::crash_points::act(&cue.id)) {
            return Ok(Some(Ready { go, outcome }));
        }
        let setup = Arc::clone(&self.setup.lock().unwrap_or_else(PoisonError::into_inner));
        let (clock, name) = (Arc::clone(&self.clock), function.to_owned());
        let (ready, is_ready) = oneshot::channel();
        let (go, gone) = oneshot::channel();
        let (answer, outcome) = oneshot::channel();
        thread::Builder::new()
            .name(format!("director {function}"))
            .stack_size(THREAD_STACK)
            .spawn(move || perform(Call { setup, clock, name, cue }, ready, gone, answer))
            .context("starting a director's thread")?;
        let has_it = is_ready.await.context("the director's thread ended at once")??;
        Ok(has_it.then_some(Ready { go, outcome }))
    }

    /// Makes what `setup()` returned the `common` of all further calls.
    pub(crate) fn share(&self, common: serde_json::Value) {
        let mut setup = self.setup.lock().unwrap_or_else(PoisonError::into_inner);
        *setup = Arc::new(Setup { common, ..setup.as_ref().clone() });
    }
}

impl Ready {
    /// Calls it now.
    pub(crate) async fn call(self) -> anyhow::Result<SoloOutcome> {
        let _ = self.go.send(()); // a thread that is gone has no outcome either
        self.outcome.await.context("the director's thread has ended")
    }
}

struct Call {
    setup: Arc<Setup>,
    clock: Arc<RunClock>,
    name: String,
    cue: Option<CueState>,
}

fn perform(
    call: Call,
    ready: oneshot::Sender<anyhow::Result<bool>>,
    gone: oneshot::Receiver<()>,
    answer: oneshot::Sender<SoloOutcome>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(error.into())); // whoever asked has given up
            return;
        }
    };
    runtime.block_on(async {
        let solo = match Solo::new(call.setup, call.clock, None) {
            Ok(solo) => solo,
            Err(error) => {
                let _ = ready.send(Err(error.into()));
                return;
            }
        };
        let has_it = solo.has(&call.name);
        let _ = ready.send(Ok(has_it));
        if has_it && gone.await.is_ok() {
            let _ = answer.send(solo.call(&call.name, call.cue).await); // whoever asked may have been stopped
        }
    });
}
