//! The scenario language: what a virtual user does, written in Rhai.
//!
//! This is the only crate that knows Rhai. From the text to a running user:
//!
//! 1. [`validate`] finds every mistake that can be known before the run, and evaluates `plan()`.
//! 2. [`Program`] is the compiled scenario with an engine of its own; each thread of the load generator has one.
//! 3. While a script runs, its native functions talk to the [`Host`] of the current user ([`with_host`]): what may wait is
//!    a [`Call`] that gets an [`Answer`]. Who implements `Host` decides what waiting means; the engine suspends a fiber.
//!
//! The crate opens no sockets and reads no clock, and of files only those that a plan names ([`ReadFile`]).
#![forbid(unsafe_code)]

mod program;
mod api;
mod call;
mod current;
mod http;
mod options;
mod value;
mod files;
mod failure;
mod tree;
mod validate;
mod diagnostic;

pub use api::{MAX_CALLS, MAX_ELEMENTS, sockets_handle as socket_handle};
pub use call::{
    Answer, Call, CueState, Halt, Hears, Host, Measurement, OpenCall, Received, Reconnect, SocketId, Stop, TimerId,
    TimerKind, Transport, UserState,
};
pub use current::{host, with_host};
pub use diagnostic::{Diagnostic, Severity};
pub use failure::{Failure, FailureKind};
pub use files::{ReadFile, beside};
pub use http::{HttpCall, HttpOptions, Method, Reply, encode_form};
pub use options::Expect;
pub use program::{Env, Program, Source};
pub use validate::{Validated, validate, validate_with};
pub use value::{from_json, to_json};

/// A script value.
pub use rhai::Dynamic as Value;
/// A script function or closure, to be called by [`Program::call`].
pub use rhai::FnPtr as Handler;
