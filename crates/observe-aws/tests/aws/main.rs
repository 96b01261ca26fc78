//! The adapters against a fake that replays timelines, the fake against Amazon's own client for Python, and the
//! adapters against an emulator that others wrote.
#![allow(clippy::unwrap_used, reason = "clippy's leave for tests does not reach their shared functions")]

// The room next door prints outcomes and makes sources in the same way.
#[path = "../../../observe/tests/observe/harness.rs"]
#[allow(dead_code)]
mod harness;
#[path = "../emulator/mod.rs"]
mod emulator;
mod amazon;
mod seen;

mod calls;
mod failing;
mod pages;
mod settings;
mod timelines;
mod judge;
mod moto;
