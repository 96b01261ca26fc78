//! Stand-ins for systems that cannot be installed wherever Rehearsal is tried and tested.
//!
//! Each answers as the published interface of its system does, refusals included, on loopback, and keeps all in
//! memory. What it knows changes by that interface, by a handle, or by a few requests below `/fake` that the system
//! does not have. Each is a library for tests and a program for people: `fake-consul` and `fake-flynn`.
#![forbid(unsafe_code)]

pub mod consul;
pub mod flynn;

pub use consul::FakeConsul;
pub use flynn::FakeFlynn;
