//! The harness of the end-to-end tests: runs the real coordinator from a folder of its own, as
//! people do, against systems whose every answer is known, and reads what the run left behind.
//!
//! It is for tests: what goes wrong here panics, with both outputs of the coordinator.
#![forbid(unsafe_code)]

mod agent_process;
mod browser;
mod command;
mod histogram_log;
mod joining;
mod network;
mod outcome;
mod presence;
mod processes;
mod program;
mod records;
mod rehearsal;
mod revivable;
mod running;
mod server;
mod show;
mod truth;
mod waiting;

pub use agent_process::AgentProcess;
pub use browser::Browser;
pub use command::{Said, Saying, Served};
pub use histogram_log::assert_log_equals_summary;
pub use network::{Conditions, Direction, Host, Network, Side, Traffic, Unavailable};
pub use outcome::Outcome;
pub use presence::{assert_nobody_twice, live_twice_outside};
pub use program::{coordinator, workspace};
pub use records::Records;
pub use rehearsal::Rehearsal;
pub use revivable::Revivable;
pub use running::Running;
pub use server::{Act, Request, Seen, Server, SocketFate, answer};
pub use show::{Show, quick_show, shipped_show};
pub use truth::{
    Compared, assert_calls_add_up, assert_equal_outside_spans, assert_report_equals, compare_outside_spans,
};
pub use waiting::until;
