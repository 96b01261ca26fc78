//! A load agent: dials in, gets its part of the plan, plays users, hands in what it measured.
//!
//! Two kinds of threads. The *link thread* (this library's async code) talks to the coordinator, keeps the run clock and
//! the lease, and is never blocked by users. The *user threads* ([`rehearsal_engine::Worker`]) play the scenario. What the
//! link decides is decided by the pure [`rehearsal_link::AgentEnd`]; [`session`] performs its effects.
//!
//! ```text
//! join -> session <-> connection (gRPC) <-> coordinator
//!            |  ^---- probes (clock, on a connection of its own)
//!            v
//!          crew (user threads, merged seconds)
//! ```
#![forbid(unsafe_code)]

mod join;
mod session;
mod connection;
mod probes;
mod crew;
mod health;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use rehearsal_proto::join::JoinBlob;

/// The variable that carries the join blob when no argument does; the process list does not show it.
pub const JOIN_VARIABLE: &str = "REHEARSAL_JOIN";

/// How an agent is started.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "agent", about = "Plays virtual users for a coordinator", version)]
pub struct Args {
    /// How to find and trust the coordinator; taken from REHEARSAL_JOIN if not given
    #[arg(long, value_name = "BLOB")]
    pub join: Option<String>,
    /// What launched this agent, as the launcher names it
    #[arg(long, value_name = "ID")]
    pub instance: Option<String>,
    /// End when standard input ends: the launcher is gone then
    #[arg(long)]
    pub tied_to_stdin: bool,
}

/// Runs an agent to its end.
#[must_use]
pub fn main(args: &Args) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.context("starting the link thread").and_then(|runtime| runtime.block_on(run(args)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be left who reads it.
            let _ = writeln!(std::io::stderr(), "agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let blob = match &args.join {
        Some(blob) => blob.clone(),
        None => std::env::var(JOIN_VARIABLE).context("no --join BLOB was given and REHEARSAL_JOIN is not set")?,
    };
    let blob: JoinBlob = blob.parse()?;
    let instance = args.instance.clone().unwrap_or_else(|| format!("local:{}", std::process::id()));
    let identity = join::join(&blob, &instance).await?;
    let session = session::Session::new(blob, identity);
    if args.tied_to_stdin {
        tokio::select! {
            ended = session.run() => ended,
            () = stdin_ended() => anyhow::bail!("the launcher is gone"),
        }
    } else {
        session.run().await
    }
}

/// Comes back when standard input is at its end. A thread of its own reads it: input that blocks must not hold up the end.
async fn stdin_ended() {
    let (ended, is_ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = ended.send(());
    });
    let _ = is_ended.await;
}

/// Microseconds of this process's monotonic clock, from an origin that all of the agent shares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Monotonic(tokio::time::Instant);

impl Monotonic {
    fn starting_now() -> Self {
        Self(tokio::time::Instant::now())
    }

    fn now(self) -> rehearsal_link::MonoTime {
        let micros = self.0.elapsed().as_micros();
        rehearsal_link::MonoTime(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    fn origin(self) -> tokio::time::Instant {
        self.0
    }
}
