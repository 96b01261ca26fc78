//! `coordinator`: rehearses a show. Finds out what was asked, does it, prints errors, sets the exit code.
#![forbid(unsafe_code)]

mod cli;
mod counters;
mod demo;
mod exit;
mod judged;
mod prepare;
mod report;
mod run;
mod start;
mod validate;

use std::io::Write as _;
use std::process::ExitCode as ProcessExit;

use clap::Parser as _;

use crate::cli::{Arguments, Command};
use crate::exit::ExitCode;

fn main() -> ProcessExit {
    let arguments = Arguments::parse(); // wrong ones end here, with code 2
    let result = match &arguments.command {
        Command::Start(options) => start::start(options),
        Command::Validate(options) => validate::validate(options),
        Command::Demo(options) => demo::demo(options),
        Command::Agent(options) => return rehearsal_agent::main(options),
    };
    let code = result.unwrap_or_else(|error| {
        // A closed standard error has nobody to tell.
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
        ExitCode::Internal
    });
    ProcessExit::from(code as u8)
}
