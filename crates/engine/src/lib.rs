//! Virtual users: takes a plan and a scenario, plays the audience, makes the samples.
//!
//! A load agent has one [`Worker`] a core. A worker is an OS thread with its own runtime, script engine, fibers, timers and
//! recorder; a user never leaves its thread and threads share nothing on the hot path. The way of a sample:
//!
//! [`worker`](Worker)'s `floor` waits for the next arrival → `user` drives the script's fiber → `calls` and `sockets` do what the
//! script asks for → `scribe` names the samples → each second an interval leaves through [`Report`].
//!
//! [`Solo`] runs single functions on the calling thread: cues, `setup()`, `teardown()`, and the one user of a trace.
#![deny(unsafe_code)] // lifted in `fiber` alone

mod worker;
mod floor;
mod gate;
mod arrivals;
mod visits;
mod solo;

mod user;
mod calls;
mod sockets;
mod opening;
mod timers;
mod cues;

mod world;
mod scribe;
mod names;
mod allow;

mod clock;
mod permit;
mod alarm;
mod slice;
mod fiber;

pub use allow::AllowList;
pub use arrivals::{Due, Share};
pub use clock::RunClock;
pub use cues::CueAnnouncement;
pub use gate::{Admitted, Gate};
pub use permit::Permit;
pub use solo::{Solo, SoloOutcome};
pub use worker::{Command, Report, Stop, THREAD_STACK, Worker};
pub use world::{Setup, Tracer, WorldError};
