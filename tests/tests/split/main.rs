//! Splits and bad networks between an agent and its coordinator: nothing is lost, nothing happens twice, and the screen
//! says how old it is.
#![allow(clippy::unwrap_used, reason = "clippy's leave for tests does not reach their shared functions")]

mod outages;
mod bad_lines;
mod slow_disk;
mod stage;
