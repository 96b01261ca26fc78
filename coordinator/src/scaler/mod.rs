//! The autoscaler under test as a run sees it: what is read of it, what is kept, and what follows.
//!
//! ```text
//! environment ──► sources ──► looks ──► log ──┬─► guards ──► stop
//!                              (run.db)       ▼
//! timeline ──► load, errors ──────────► observations ──► assessment (verdict) ──► report, dashboard
//! ```
//!
//! Only [`sources`] and [`watching`](watch::Watching) touch the world. A **look** is one reading as it is stored, dated in
//! run time; the [`log`] has all of them, and makes of them and of the [`load`] what the verdict judges. A **guard** stops
//! the run.

pub(crate) mod sources;
pub(crate) mod watch;
mod look;
mod log;
mod load;
mod guards;

pub(crate) use guards::Guards;
pub(crate) use log::Log;
pub(crate) use look::Look;
pub(crate) use sources::sources;
pub(crate) use watch::{Seen, Watching};
