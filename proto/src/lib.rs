//! The wire: what travels between agents and coordinator, and its conversion to
//! and from the types that the rest of the workspace works with.
//!
//! `rehearsal.proto` is the reference; [`v1`] is generated from it and committed.
//! Nothing that arrives is trusted: every conversion from the wire is a `TryFrom`
//! that names what it refused, and none of them panics.
#![forbid(unsafe_code)]

mod convert;
pub mod join;
pub mod tls;

#[rustfmt::skip] // compared byte for byte with what the generator writes
#[path = "generated/rehearsal.v1.rs"]
#[allow(missing_docs, clippy::all)]
pub mod v1;

pub use convert::WireError;

/// The largest message that either end accepts. An assignment carries data files; tonic's own limit is 4 MiB.
pub const LARGEST_MESSAGE: usize = 64 * 1024 * 1024;
