//! `fake-ec2 WORLD`: answers whoever calls it instead of Amazon EC2, and runs what they start.
#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use rehearsal_fake_ec2::{FakeEc2, Options, World};
use tokio::signal::unix::{SignalKind, signal};

/// Answers as Amazon EC2 does in all regions of a world, and runs its instances as processes of this machine.
#[derive(Parser)]
#[command(name = "fake-ec2", version)]
struct Arguments {
    /// The file that says what there is, and what goes wrong
    world: PathBuf,
    /// Where to answer; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:4588")]
    listen: SocketAddr,
    /// Where instances have their folders, which stay then
    #[arg(long)]
    folder: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match play(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn play(arguments: Arguments) -> Result<()> {
    let Arguments { world, listen, folder } = arguments;
    let path = world.display();
    let text = std::fs::read_to_string(&world).with_context(|| format!("reading {path}"))?;
    let world = World::parse(&text).with_context(|| format!("understanding {path}"))?;
    // Before it says where it is: whoever ends it then ends its instances.
    let mut interrupted = signal(SignalKind::interrupt()).context("listening for Ctrl-C")?;
    let mut terminated = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    eprintln!("{}: {} regions", world.title, world.regions.len());
    let fake = FakeEc2::start_with(world, Options { listen, folder });
    let fake = fake.with_context(|| format!("listening on {listen}"))?;
    #[allow(clippy::print_stdout)] // what programs that start this one wait for
    {
        println!("{}", fake.url());
    }
    tokio::select! {
        // People end it with Ctrl-C.
        _ = interrupted.recv() => {}
        // Programs end it so.
        _ = terminated.recv() => {}
    }
    Ok(())
}
