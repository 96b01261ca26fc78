//! Agents against a coordinator of a few lines: how they come, stay and leave, what they owe until then, and many of them in
//! one process.
#![allow(clippy::unwrap_used, reason = "clippy's leave for tests does not reach their shared functions")]

mod coordinator;
mod fleet;
mod process;

mod joining;
mod staying;
mod leaving;
mod preempted;
mod swarm;
