//! Users as an agent plays them: real scripts on real fibers against real servers, and what is counted of them.
//!
//! [`scene`] plays one user, [`crew`] whole loads on threads; [`told`] is what either has counted. Systems under test are the
//! demo, and [`server`] where the test decides about every answer.
#![allow(clippy::unwrap_used, reason = "clippy's leave for tests does not reach their shared functions")]

mod crew;
mod scene;
mod server;
mod told;

mod counting;
mod cues;
mod data;
mod loads;
mod misbehaving;
mod reference;
mod sockets;
mod stops;
mod leaving;
mod timers;
mod traps;
