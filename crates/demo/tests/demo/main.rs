//! The demo system as its clients see it: every request of the documented table, the counters,
//! and what a broadcast reaches.
#![allow(clippy::unwrap_used, reason = "clippy's leave for tests does not reach their shared functions")]

mod broadcasts;
mod counting;
mod requests;
mod viewer;
