//! `coordinator`: rehearses a show. Finds out what was asked, does it, prints errors, sets the exit code.
#![forbid(unsafe_code)]

mod cli;
mod prepare;
mod observers;
mod start;
mod run;
mod scaler;
mod opening;
mod play;
mod conclusion;
mod written;
mod archive;
mod studio;
mod desk;
mod serve;
mod fleet;
mod steer;
mod forecast;
mod compare;
mod calibrate;
mod web;
mod judged;
mod exit;
mod counters;
mod validate;
mod demo;

use std::io::Write as _;
use std::process::ExitCode as ProcessExit;
use std::thread;

use clap::Parser as _;
use rehearsal_engine::THREAD_STACK;

use crate::cli::{Arguments, Command};
use crate::exit::ExitCode;

fn main() -> ProcessExit {
    let arguments = Arguments::parse(); // wrong ones end here, with code 2
    if let Command::Agent(options) = &arguments.command {
        return rehearsal_agent::main(options);
    }
    // The demo's side of each socket is here, and a connection of each agent.
    rehearsal_agent::allow_many_files();
    // plan() and traces run on this thread, and the main thread's own stack is not ours to choose.
    let work = thread::Builder::new().stack_size(THREAD_STACK).spawn(move || obey(&arguments.command));
    let result = work.map_err(anyhow::Error::from).map(|work| work.join());
    let result = match result {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(anyhow::anyhow!("it panicked, as printed above: please report it")),
        Err(error) => Err(error.context("starting a thread")),
    };
    let code = result.unwrap_or_else(|error| {
        // A closed standard error has nobody to tell.
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
        ExitCode::of_error(&error)
    });
    ProcessExit::from(code as u8)
}

fn obey(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Start(options) => start::start(options),
        Command::Validate(options) => validate::validate(options),
        Command::Forecast(options) => forecast::forecast(options),
        Command::Serve(options) => serve::serve(options),
        Command::Stop(options) => steer::stop(options),
        Command::Pause(run) => steer::pause(run),
        Command::Resume(run) => steer::resume(run),
        Command::Cue(options) => steer::cue(options),
        Command::Scale(options) => steer::scale(options),
        Command::Report(options) => archive::report(options),
        Command::Compare(options) => compare::compare_runs(options),
        Command::Calibrate(options) => calibrate::calibrate(options),
        Command::Fleet(command) => fleet::obey(command),
        Command::Demo(options) => demo::demo(options),
        Command::Agent(_) => Ok(ExitCode::Pass), // it has a process, and so a `main`, of its own
    }
}
