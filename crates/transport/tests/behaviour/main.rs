//! The transports against small real servers that behave well, badly, or not at all.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod calls;
mod hostile;
mod polling;
mod service;
mod support;
mod websocket;
