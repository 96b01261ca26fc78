//! Both ends and a relay between them, through real sockets on loopback: bytes arrive as they were, and whatever dies,
//! lies or floods, every wait ends.
#![allow(clippy::unwrap_used, reason = "clippy's leave for tests does not reach their shared functions")]

mod dying;
mod strangers;
mod through;
mod world;
