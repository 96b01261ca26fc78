//! One run: everything between the command and the numbers.
//!
//! ```text
//! services (gRPC) ──► inbox ──► conductor ──► timeline ──► outcome
//! launcher ────────────┘  ▲        │  │
//! director (cues) ────────┘◄───────┘  └──► progress (terminal)
//! ```
//!
//! The [`conductor`] alone owns the state of the run; everyone else sends it messages.

pub mod target;
mod authority;
pub(crate) mod services;
pub(crate) mod director;
mod roster;
mod cues;
mod conductor;
mod progress;
pub mod folder;

pub use conductor::{Conductor, Ending, Outcome, Settings, end_agents};
