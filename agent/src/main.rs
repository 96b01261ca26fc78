//! The agent's binary: everything is in the library, which `coordinator agent` runs too.
#![forbid(unsafe_code)]

use clap::Parser as _;

fn main() -> std::process::ExitCode {
    rehearsal_agent::main(&rehearsal_agent::Args::parse())
}
