//! Fleets from end to end: the coordinator's own program with Amazon's own library against the fake of EC2, whose instances
//! are processes that run their user data, download the agent and join.
#![allow(clippy::unwrap_used, reason = "clippy's leave for tests does not reach their shared functions")]

mod killed;
mod one_command;
mod relayed;
mod spending;
mod stage;
mod standing;
mod stolen;
