//! Fleets in a model of Amazon's EC2: launched, stopped at the worst moment, swept, paid.
#![allow(clippy::unwrap_used, reason = "clippy's leave for tests does not reach their shared functions")]

mod model;
mod orders;

mod doctoring;
mod launching;
mod relaying;
mod spending;
mod stopping;
mod sweeping;
