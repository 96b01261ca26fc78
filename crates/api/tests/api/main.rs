//! The API as its users meet it: a real server on a free port before a fake desk.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod fake;
mod document;
mod answers;
mod door;
mod bodies;
mod stream;
mod life;
mod client;
