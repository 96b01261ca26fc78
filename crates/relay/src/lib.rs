//! How agents reach a coordinator that nobody can dial: one that runs at home or in an office, behind NAT.
//!
//! A small instance in the cloud, the relay, listens for agents at its doors. The coordinator dials out to it and keeps
//! tunnels open there; when an agent knocks, the relay gives it one and copies bytes both ways. What it copies is TLS
//! between agent and coordinator: the relay has no key of the fleet and no right in the cloud.
//!
//! ```text
//!  agents ──▶ doors ┐         ┌ control ◀── tunnels ── coordinator (behind NAT)
//!                   └─ relay ─┘
//! ```
//!
//! Read [`options`] first, then the two ends: [`relay`], which runs on the instance inside the agent's program, and
//! [`tunnels`] at the coordinator. [`bootstrap`] makes an empty instance a relay. What both ends say to each other is in
//! `handshake` (who is there) and `wire` (everything else).
#![forbid(unsafe_code)]
#![warn(missing_docs)]

// What is agreed upon.
pub mod options;
pub mod secret;
pub mod timing;
mod handshake;
mod wire;

// The two ends.
pub mod relay;
pub mod tunnels;
mod census;
mod sockets;

// How an instance becomes one of them.
pub mod bootstrap;

pub use bootstrap::{Bootstrap, Progress, PushError, UserDataError, push, user_data};
pub use handshake::HandshakeError;
pub use options::{OptionsError, RelayOptions};
pub use relay::{Addresses, BindError, Ended, Relay, run};
pub use secret::Secret;
pub use timing::Timing;
pub use tunnels::{DialError, Incoming, State, Tunneled, Tunnels};
