//! A fake of Amazon EC2, whose instances are real processes of this machine.
//!
//! It speaks the query protocol to Amazon's own clients, one server for all regions. A [world](World) says what there
//! is, and what goes wrong: pools without capacity, quotas, regions that are off, calls that fail, are throttled, come
//! late or are never answered, knowledge that is late, fleets that start more than was asked for. All of it can be
//! changed while it runs. An instance runs its user data, has a metadata service of its own, can be interrupted, and
//! ends when it switches itself off.
//!
//! It exists because no emulator fails as EC2 does, and because a fleet that was never started has not been tested. It
//! checks no signature, enforces no network, and knows only what its actions need.
#![forbid(unsafe_code)]

mod faults;
mod catalogue;
mod senseless;
pub mod world;

mod refusal;
mod service;
mod call;
mod log;
mod listing;

mod geography;
mod instance;
mod holdings;
mod account;
mod actions;

mod machine;
mod desk;
mod wire;
mod server;
mod fake;

pub use call::{Call, Tags};
pub use desk::Whereabouts;
pub use fake::{FakeEc2, Options};
pub use instance::{Instance, Lifecycle, OnShutdown, Reason, State};
pub use log::Logged;
pub use service::Service;
pub use world::{World, WorldError};
