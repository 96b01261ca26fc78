//! `fake-aws TIMELINE`: replays a recorded timeline to whoever calls it instead of Amazon.
#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use clap::Parser;
use rehearsal_fake_aws::{Clock, Replay, Timeline, serve};
use tokio::net::TcpListener;

/// Answers as Amazon's Auto Scaling, ECS, CloudWatch, SQS and Application Auto Scaling do, out of a timeline.
#[derive(Parser)]
#[command(name = "fake-aws", version)]
struct Options {
    /// The file to replay
    timeline: PathBuf,
    /// Where to answer
    #[arg(long, default_value = "127.0.0.1:4599")]
    listen: SocketAddr,
    /// The second at which to begin
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    at: f64,
    /// Stand still until the clock is moved with `PUT /timeline {"second": 120}`
    #[arg(long)]
    hold: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match play(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn play(options: Options) -> Result<()> {
    let path = options.timeline.display();
    let text = std::fs::read_to_string(&options.timeline).with_context(|| format!("reading {path}"))?;
    let timeline = Timeline::parse(&text).with_context(|| format!("understanding {path}"))?;
    let listener =
        TcpListener::bind(options.listen).await.with_context(|| format!("listening on {}", options.listen))?;
    let address = listener.local_addr().context("finding the address")?;
    let clock = if options.hold { Clock::held(options.at) } else { Clock::running(options.at) };
    let replay =
        Replay::new(timeline, epoch(options.at).context("the second to begin at lies outside of all calendars")?);
    eprintln!("{} until second {}", replay.timeline().title, replay.timeline().ends);
    #[allow(clippy::print_stdout)] // what programs that start this one wait for
    {
        println!("http://{address}");
    }
    tokio::select! {
        served = serve(listener, replay, clock) => served.context("serving"),
        // People end it with Ctrl-C.
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

/// The instant of second 0, if it is now another one: a whole second, as most of Amazon's instants are.
fn epoch(second: f64) -> Option<SystemTime> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
    UNIX_EPOCH.checked_add(Duration::from_secs(Duration::try_from_secs_f64(now - second).ok()?.as_secs()))
}
