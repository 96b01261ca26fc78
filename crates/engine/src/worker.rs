//! One thread of users: starts them when the plan says, keeps their world turning, hands out an interval a second.

use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rehearsal_metrics::Interval;
use rehearsal_plan::{RunTime, Versions};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::arrivals::Share;
use crate::clock::RunClock;
use crate::cues::CueAnnouncement;
use crate::floor::Floor;
use crate::world::{Setup, World, WorldError};

/// Stack of every thread that runs scripts: values nested as deep as the script's limits allow are dropped on it.
pub const THREAD_STACK: usize = if cfg!(debug_assertions) { 64 << 20 } else { 16 << 20 };

/// How users are sent away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Waits end, calls in flight get five seconds, sockets are closed in order.
    Graceful,
    /// Everything is cut.
    Hard,
}

/// What a worker is told.
#[derive(Clone, Debug)]
pub enum Command {
    /// Play these versions of the plan.
    Versions(Arc<Versions>),
    /// A cue is about to fire.
    Cue(CueAnnouncement),
    /// Start no more users (true), or start them again (false): the lease ran out, or holds again.
    Hold(bool),
    /// Send all users away, counted as lost: the lease ran out. Who is to come may still come if it holds again.
    SendAway,
    /// Others play what is due from an instant on: of that, nothing is started, cancelled or counted here.
    Relieve {
        /// The instant.
        from: RunTime,
        /// Over which time the users that are here leave, counted as lost.
        over: Duration,
    },
    /// Send away whoever is left, counted as lost, and end calls in flight.
    Cut,
    /// Send all users away and start no more; who is to come, also by later versions, is cancelled.
    Stop(Stop),
    /// Nothing follows: hand out what is left and end the thread.
    End,
}

/// What a worker tells.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are intervals")]
pub enum Report {
    /// One second of samples.
    Interval {
        /// Which worker, from 0.
        thread: usize,
        /// Exactly one second.
        interval: Interval,
    },
    /// No user is live and none will come by the versions it has; or that has changed again.
    Idle {
        /// Which worker.
        thread: usize,
        /// Whether it is idle.
        idle: bool,
    },
    /// The thread has ended; its last intervals came before.
    Ended {
        /// Which worker.
        thread: usize,
    },
}

/// A running worker.
pub struct Worker {
    commands: mpsc::UnboundedSender<Command>,
    thread: thread::JoinHandle<()>,
}

impl Worker {
    /// Starts a thread and compiles the scenario on it.
    ///
    /// # Errors
    /// When the world cannot be made; the thread has ended then.
    pub fn start(
        setup: Arc<Setup>,
        clock: Arc<RunClock>,
        share: Share,
        reports: mpsc::Sender<Report>,
    ) -> Result<Self, WorldError> {
        let (commands, receiver) = mpsc::unbounded_channel();
        let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name(format!("users-{}", share.thread))
            .stack_size(THREAD_STACK)
            .spawn(move || run_thread(setup, clock, share, receiver, &reports, &ready))
            .map_err(WorldError::Thread)?;
        match is_ready.recv() {
            Ok(Ok(())) => Ok(Self { commands, thread }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(WorldError::Thread(std::io::Error::other("the user thread ended at once"))),
        }
    }

    /// Tells the worker. The queue is unbounded because its senders are few: versions, cues and stops.
    pub fn tell(&self, command: Command) {
        // A worker that has ended has reported so.
        let _ = self.commands.send(command);
    }

    /// Waits for the thread, after [`Command::End`].
    pub fn join(self) {
        drop(self.commands);
        // A panic of the thread was printed by its hook and is reported by the missing `Ended`.
        let _ = self.thread.join();
    }
}

fn run_thread(
    setup: Arc<Setup>,
    clock: Arc<RunClock>,
    share: Share,
    commands: mpsc::UnboundedReceiver<Command>,
    reports: &mpsc::Sender<Report>,
    ready: &std::sync::mpsc::SyncSender<Result<(), WorldError>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let made = runtime.map_err(WorldError::Thread).and_then(|runtime| {
        let entered = runtime.enter();
        let world = World::new(setup, clock, None)?;
        drop(entered);
        Ok((runtime, world))
    });
    match made {
        Err(error) => {
            let _ = ready.send(Err(error));
        }
        Ok((runtime, world)) => {
            let _ = ready.send(Ok(()));
            let alarms = Rc::clone(&world.alarms);
            let floor = Floor::new(world, share, reports.clone());
            let local = LocalSet::new();
            local.spawn_local(alarms.ring());
            local.block_on(&runtime, floor.run(commands));
        }
    }
}
