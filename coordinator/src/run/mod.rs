//! One run: everything between the command and the numbers.
//!
//! ```text
//! services (gRPC) ──► inbox ──► conductor ──► timeline ──► outcome
//! launcher ────────────┘  ▲        │  │
//! director (cues) ────────┘◄───────┘  └──► progress (terminal)
//! ```
//!
//! The [`conductor`] alone owns the state of the run; everyone else sends it messages.

mod authority;
mod conductor;
mod cues;
pub(crate) mod director;
mod ending;
pub mod folder;
mod notices;
mod outcome;
mod progress;
mod roster;
pub(crate) mod services;
pub mod target;

pub use conductor::Conductor;
pub use cues::{Fired, Sent};
pub use ending::end_agents;
pub use outcome::{Ending, Outcome, Settings};
