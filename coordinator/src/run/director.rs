//! Runs the scenario's own functions on the coordinator: `setup()`, the functions of cues, `teardown()`.
//!
//! They need a script engine, which stays on one thread; requests reach it one after the other.

use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use rehearsal_engine::{RunClock, Setup, Solo, SoloOutcome, THREAD_STACK};
use rehearsal_script::CueState;
use tokio::sync::{mpsc, oneshot};

/// Calls that wait for the one before them; an operator does not press faster.
const WAITING: usize = 64;

enum Order {
    Call { function: String, cue: Option<CueState>, answer: oneshot::Sender<Option<SoloOutcome>> },
    Share(serde_json::Value),
}

/// The thread on which functions of the coordinator run.
#[derive(Clone)]
pub(crate) struct Director {
    orders: mpsc::Sender<Order>,
}

impl Director {
    /// Compiles the scenario on a thread of its own.
    pub(crate) async fn start(setup: Setup, clock: Arc<RunClock>) -> anyhow::Result<Self> {
        let (orders, receiver) = mpsc::channel(WAITING);
        let (ready, is_ready) = oneshot::channel();
        thread::Builder::new()
            .name("director".to_owned())
            .stack_size(THREAD_STACK)
            .spawn(move || run(setup, clock, receiver, ready))
            .context("starting the director's thread")?;
        is_ready.await.context("the director's thread ended at once")??;
        Ok(Self { orders })
    }

    /// Calls a function; none if the scenario does not have it.
    pub(crate) async fn call(&self, function: &str, cue: Option<CueState>) -> anyhow::Result<Option<SoloOutcome>> {
        let (answer, answered) = oneshot::channel();
        let order = Order::Call { function: function.to_owned(), cue, answer };
        self.orders.send(order).await.ok().context("the director's thread has ended")?;
        answered.await.context("the director's thread has ended")
    }

    /// Makes what `setup()` returned the `common` of all further calls.
    pub(crate) async fn share(&self, common: serde_json::Value) -> anyhow::Result<()> {
        self.orders.send(Order::Share(common)).await.ok().context("the director's thread has ended")
    }
}

fn run(
    setup: Setup,
    clock: Arc<RunClock>,
    mut orders: mpsc::Receiver<Order>,
    ready: oneshot::Sender<anyhow::Result<()>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(error.into())); // whoever started us has given up
            return;
        }
    };
    runtime.block_on(async {
        let solo = match Solo::new(Arc::new(setup), clock, None) {
            Ok(solo) => solo,
            Err(error) => {
                let _ = ready.send(Err(error.into()));
                return;
            }
        };
        let _ = ready.send(Ok(()));
        while let Some(order) = orders.recv().await {
            match order {
                Order::Call { function, cue, answer } => {
                    let outcome = if solo.has(&function) { Some(solo.call(&function, cue).await) } else { None };
                    let _ = answer.send(outcome); // whoever asked may have been stopped
                }
                // It came from this very engine as JSON.
                Order::Share(common) => solo.share(common).unwrap_or_default(),
            }
        }
    });
}
