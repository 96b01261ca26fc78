//! The fake EC2 over HTTP: what goes wrong when it is told to, how instances live and end, and Amazon's own client.
#![allow(clippy::unwrap_used, reason = "clippy's leave for tests does not reach their shared functions")]

mod asking;
mod judge;
mod knobs;
mod machines;
mod program;
#[path = "../../../fakes/tests/python/mod.rs"]
mod python;
