//! Whole runs of the coordinator as people start them, in one program so that it is linked once.
//!
//! Each test has a system under test of its own, in the test's process, and a folder of its own.
#![allow(clippy::unwrap_used, reason = "clippy's leave for tests does not reach their shared functions")]

mod broken_calls;
mod broken_sockets;
mod calibrating;
mod counts;
mod dashboard;
mod dying;
mod elapsing;
mod following;
mod invalid;
mod loads;
mod misbehaving;
mod observing;
mod picture;
mod preempted;
mod resuming;
mod same_number;
mod serving;
mod steering;
mod stopping;
mod trio;
mod verdicts;
