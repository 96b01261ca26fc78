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
pub mod folder;
mod outcome;
mod conductor;
mod notices;
mod cues;
mod roster;
mod progress;
pub(crate) mod director;
pub(crate) mod services;
mod authority;
mod ending;

pub use conductor::Conductor;
pub use cues::{Fired, Sent};
pub use ending::end_agents;
pub use outcome::{Ending, Outcome, Settings};
