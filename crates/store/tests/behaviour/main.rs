//! A run's file from outside: what was committed is there, whatever happens to the one who wrote it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod example;

mod broken;
mod crashes;
mod final_tables;
mod round_trip;
mod writer;
