//! The network between two hosts is as bad as it was told to be, and nothing is left of it.
#![allow(clippy::unwrap_used, reason = "clippy's leave for tests does not reach their shared functions")]

mod hosts;
mod lines;
