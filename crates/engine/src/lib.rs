//! Virtual users: takes a plan and a scenario, plays the audience, makes the samples.
//!
//! A load agent has one [`Worker`] a core. A worker is an OS thread with its own runtime, script engine, fibers, timers and
//! recorder; a user never leaves its thread and threads share nothing on the hot path. The way of a sample:
//!
//! [`worker`](Worker) waits for the next arrival → `user` drives the script's fiber → `calls` and `sockets` do what the
//! script asks for → `scribe` names the samples → each second an interval leaves through [`Report`].
//!
//! [`Solo`] runs single functions on the calling thread: cues, `setup()`, `teardown()`, and the one user of a trace.
#![deny(unsafe_code)] // lifted in `fiber` alone

mod arrivals;
mod solo;
mod worker;

mod calls;
mod cues;
mod sockets;
mod timers;
mod user;

mod allow;
mod names;
mod scribe;
mod world;

mod alarm;
mod clock;
mod fiber;
mod slice;

pub use allow::AllowList;
pub use arrivals::Share;
pub use clock::RunClock;
pub use cues::CueAnnouncement;
pub use solo::{Solo, SoloOutcome};
pub use worker::{Command, Report, Stop, THREAD_STACK, Worker};
pub use world::{Setup, Tracer, WorldError};
