//! The demo system as its clients see it: every request of the documented table, the counters,
//! what a broadcast reaches, who was there when, and what an autoscaler does to all that.
#![allow(clippy::unwrap_used, reason = "clippy's leave for tests does not reach their shared functions")]

mod broadcasts;
mod counting;
mod presence;
mod requests;
mod scaled;
mod endings;
mod viewer;
