//! The harness of the end-to-end tests: runs the real coordinator from a folder of its own, as
//! people do, against systems whose every answer is known, and reads what the run left behind.
//!
//! It is for tests: what goes wrong here panics, with both outputs of the coordinator.
#![forbid(unsafe_code)]

mod browser;
mod command;
mod histogram_log;
mod outcome;
mod processes;
mod program;
mod rehearsal;
mod running;
mod server;
mod show;
mod truth;
mod waiting;

pub use browser::Browser;
pub use command::{Said, Served};
pub use histogram_log::assert_log_equals_summary;
pub use outcome::Outcome;
pub use program::workspace;
pub use rehearsal::Rehearsal;
pub use running::Running;
pub use server::{Act, Request, Seen, Server, SocketFate, answer};
pub use show::{Show, quick_show, shipped_show};
pub use truth::{assert_calls_add_up, assert_report_equals};
pub use waiting::until;
