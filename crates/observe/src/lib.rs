//! What the autoscaler under test sees and does: read from wherever it can be read, and never guessed.
//!
//! A **source** is one table of an environment's `autoscaler`: one of three **roles** (how many instances there
//! are, what the scaler measures, what it decided), read through one **adapter**: `http`, `prometheus`, `consul`, ….
//!
//! An **observation** is what one reading gave. It has a value, or it is *missing* (the source answered, and has
//! nothing to say), or it is an *error* (the source did not answer, or not what was expected). The three are never
//! mixed: a controller that refuses us does not have zero instances, and an empty result is not a zero.
//!
//! **Watching** polls every source at its own rate, and says of each reading how late it began.
//!
//! Adapters are made by name from a [`Registry`], to which others can be added. They only read.
//!
//! The client of [`consul`] also serves whoever follows the instances of a service as a target of load.
//!
#![forbid(unsafe_code)]

mod observation;
mod observer;
mod watch;

mod registry;
pub mod settings;
mod secret;

pub mod web;
pub mod json;
pub mod consul;
mod adapters;

pub use adapters::tells;
pub use observation::{Activity, Departure, ErrorKind, Failure, Observation, Outcome, Reading, Role, Sample, Supply};
pub use observer::{Observer, Pace, Source};
pub use registry::{Context, Make, Registry};
pub use secret::Secret;
pub use settings::Settings;
pub use watch::{Sighting, watch};
