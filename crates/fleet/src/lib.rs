//! The fleet: agents that were launched together, who may belong to them, and how
//! they are started, found and ended. It knows processes and certificates, and
//! nothing of what the agents do.
#![forbid(unsafe_code)]

mod admissions;
pub mod authority;
mod certificates;
pub mod deploy;
pub mod guests;
pub mod launcher;
pub mod local;

pub use admissions::{Guest, Refused};
pub use authority::{Authority, AuthorityError, IssuedCertificate, ServerCertificate, Token};
pub use guests::{Door, GuestList};
pub use launcher::{End, Exit, InstanceId, LaunchError, Launched, Launcher};
pub use local::{Local, LocalOptions};
