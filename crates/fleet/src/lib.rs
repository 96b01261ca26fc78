//! The fleet: agents that were launched together, who may belong to them, and how
//! they are started, found and ended. It knows processes and certificates, and
//! nothing of what the agents do.
#![forbid(unsafe_code)]

mod admissions;
pub mod authority;
mod certificates;
pub mod launcher;
pub mod local;

pub use admissions::Refused;
pub use authority::{Authority, AuthorityError, IssuedCertificate, ServerCertificate, Token};
pub use launcher::{Forecast, InstanceId, LaunchError, Launched, Launcher, Order};
pub use local::{Exit, Local, LocalOptions};
