//! One run: everything between the command and the numbers.
//!
//! ```text
//! services (gRPC) ──► inbox ──► conductor ──► timeline ──► outcome
//! launcher ────────────┘  ▲        │  │ └───► keeper (run.db)
//! director (cues) ────────┤◄───────┘  └─────► board (dashboard, terminal)
//! operators ──► orders ───┤
//! following (Consul) ─────┘
//! ```
//!
//! The [`conductor`] alone owns the state of the run; everyone else sends it messages. What follows from them is decided
//! by pure machines: the [`lifecycle`] of the run, and the coordinator's end of the link.

pub mod target;
mod consul;
mod following;
mod followed;
pub mod folder;
mod outcome;
mod lifecycle;
mod conductor;
mod effects;
pub(crate) mod anchor;
pub(crate) mod past;
mod resuming;
mod returning;
mod coming;
mod notices;
mod playing;
mod cues;
pub(crate) mod control;
mod keeping;
mod showing;
mod telling;
mod observing;
pub(crate) mod board;
mod roster;
pub(crate) mod director;
pub(crate) mod services;
pub(crate) mod authority;
mod ending;
mod doors;
#[cfg(test)]
mod crash_points;

pub(crate) use conductor::{Conductor, Ears};
pub use cues::{Fired, Sent};
pub(crate) use doors::Doors;
pub(crate) use ending::Interrupts;
pub(crate) use followed::Followed;
pub(crate) use keeping::Keeper;
pub(crate) use lifecycle::Gathering;
pub use outcome::{Ending, Outcome, Settings};
pub(crate) use playing::LATE;
pub(crate) use showing::{Showing, Terminal};
