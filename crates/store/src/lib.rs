//! `run.db`: everything that a run was and measured, in one SQLite file that plain `sqlite3` reads.
//!
//! A [`Store`] writes it while the run goes on, one transaction a tick: merged seconds together with the marks of the
//! intervals that they came from, so that what is acknowledged to an agent is on the disk, and once. A [`Writer`] does
//! that on a thread of its own. A [`Reader`] reads it, at any time, also while it is written: for the coordinator that goes
//! on after a crash, for reports and comparisons. What stands in which table is written in `schema.sql`.
#![forbid(unsafe_code)]

// What goes in and comes out.
mod rows;

mod error;
mod schema;

mod store;
mod writing;
mod finals;
mod lock;

mod reader;
mod reading;

mod writer;

pub use error::StoreError;
pub use lock::is_being_written;
pub use reader::Reader;
pub use rows::{About, Batch, CueIntent, CueOutcome, Event, Life, Look, Mark, Member, Recorded};
pub use schema::SCHEMA;
pub use store::Store;
pub use writer::{Options, Writer};
