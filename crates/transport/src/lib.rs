//! What a virtual user says to the system under test, and how: HTTP calls, WebSockets and long polling.
//!
//! One [`Network`] serves all users of a thread: it looks names up, follows a service's instances, enforces the allow list
//! and opens connections. Each user
//! has a [`http::Client`] with cookies and connections of its own, as a browser has. The crate knows nothing of scripts,
//! users' plans or metrics: it reports instants and outcomes, and its callers turn these into samples.
//!
//! Everything runs on one thread (tokio's `current_thread` runtime with a `LocalSet`) and nothing here is `Send`. No task is spawned for a
//! connection: whoever waits for an answer also drives the connection, so dropping a future closes what it was using.
//!
//! Whatever comes from the network is bounded in size and in time, and none of it panics.
#![forbid(unsafe_code)]

pub mod failure;
pub mod http;
pub mod network;
pub mod socket;

pub use failure::{Failure, FailureKind};
pub use network::{Network, NetworkError, NetworkOptions, ServiceOptions};
