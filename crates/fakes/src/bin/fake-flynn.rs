//! A fake Flynn for people: `cargo run -p rehearsal-fakes --bin fake-flynn`. Ends with Ctrl-C.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // a program for terminals

use std::net::SocketAddr;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;
use rehearsal_fakes::flynn::{FakeFlynn, Options};
use rehearsal_plan::duration;

/// Answers as the controller and discoverd of Flynn do; see the documentation of `rehearsal_fakes::flynn`
#[derive(Parser)]
struct Arguments {
    /// Where the controller listens, over TLS; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where discoverd listens
    #[arg(long, default_value = "127.0.0.1:0")]
    discoverd: SocketAddr,
    /// The key of the cluster
    #[arg(long, default_value = "cluster-key")]
    key: String,
    /// The name of the app
    #[arg(long, default_value = "shop")]
    app: String,
    /// How many jobs of the process type `web` there are at first
    #[arg(long, default_value_t = 1)]
    web: u64,
    /// How long a job takes to start
    #[arg(long, default_value = "5s", value_parser = duration::parse)]
    boot: Duration,
    /// How long a job takes to stop
    #[arg(long, default_value = "10s", value_parser = duration::parse)]
    drain: Duration,
    /// Be a cluster as of 2015: without scale requests and active jobs
    #[arg(long)]
    old: bool,
}

fn main() -> ExitCode {
    let Arguments { listen, discoverd, key, app, web, boot, drain, old } = Arguments::parse();
    let pace = Some((boot, drain));
    let options = Options { controller: listen, discoverd, key: key.clone(), app, pace, is_old: old, token: None };
    match FakeFlynn::start_with(options) {
        Ok(flynn) => {
            flynn.scale("web", web);
            println!("url = \"{}\"\ndiscoverd = \"{}\"", flynn.url(), flynn.discoverd());
            println!("pin = \"{}\"\nkey = \"{key}\"", flynn.pin());
            loop {
                thread::park();
            }
        }
        Err(error) => {
            eprintln!("error: listening on {listen} and {discoverd}: {error}");
            ExitCode::FAILURE
        }
    }
}
