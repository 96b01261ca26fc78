//! A fake Consul for people: `cargo run -p rehearsal-fakes --bin fake-consul`. Ends with Ctrl-C.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // a program for terminals

use std::net::SocketAddr;
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use rehearsal_fakes::consul::{FakeConsul, Options};

/// Answers as Consul does; see the documentation of `rehearsal_fakes::consul`
#[derive(Parser)]
struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8500")]
    listen: SocketAddr,
    /// Turns access control on; only this token may read and write
    #[arg(long)]
    token: Option<String>,
}

fn main() -> ExitCode {
    let Arguments { listen, token } = Arguments::parse();
    match FakeConsul::start_with(Options { listen, token }) {
        Ok(consul) => {
            println!("{}", consul.url());
            loop {
                thread::park();
            }
        }
        Err(error) => {
            eprintln!("error: listening on {listen}: {error}");
            ExitCode::FAILURE
        }
    }
}
