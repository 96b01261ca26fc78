//! A load agent: dials in, gets its part of the plan, plays users, hands in what it measured.
//!
//! Two kinds of threads. The *link thread* (this library's async code) talks to the coordinator, keeps the run clock and
//! the lease, and is never blocked by users. The *user threads* ([`rehearsal_engine::Worker`]) play the scenario. What the
//! link decides is decided by the pure [`rehearsal_link::AgentEnd`]; [`session`] performs its effects.
//!
//! ```text
//! join -> runs -> session <-> connection (gRPC) <-> coordinator
//!            |  ^---- probes (clock, on a connection of its own)
//!            v
//!          crew (user threads, merged seconds)
//! ```
#![forbid(unsafe_code)]

mod orders;
mod imds;
mod preemption;
mod patience;
mod join;
mod identity;
mod runs;
mod session;
mod connection;
mod probes;
mod missed;
mod crew;
mod health;
pub mod relay;
pub mod swarm;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use rehearsal_plan::duration;
use rehearsal_proto::join::JoinBlob;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::mpsc;

use identity::Identity;
use join::Papers;

/// The variable that carries the join blob when no argument does; the process list does not show it.
pub const JOIN_VARIABLE: &str = "REHEARSAL_JOIN";

/// The variable that says where the agent runs when no argument does.
pub const REGION_VARIABLE: &str = "REHEARSAL_REGION";

/// Why an agent ends that nobody could find and end any more.
pub(crate) const NO_LAUNCHER: &str = "the launcher is gone";

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
    /// Where this agent runs, such as eu-central-1; taken from REHEARSAL_REGION, or on EC2 from the instance, if not given
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
    /// When standard input ends the launcher is gone: go on only as long as the lease of a coordinator that may come back
    #[arg(long)]
    pub tied_to_stdin: bool,
    /// How long leaving in order may take after SIGTERM; Kubernetes kills after 30 s
    #[arg(long, value_name = "DURATION", default_value = "25s", value_parser = duration::parse)]
    pub drain_within: Duration,
}

/// Runs an agent to its end.
#[must_use]
pub fn main(args: &Args) -> ExitCode {
    exit_code(run(args))
}

/// Lets this process open as many files as the system allows it. Most systems begin with 1,024, from the days when programs
/// counted on that: here each user has a socket, and a container has no other way to ask for more.
pub fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    // Nothing refuses a process what it is allowed; if it did, the report would tell of failed sockets.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Runs something on the link thread; says what went wrong.
fn exit_code(work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    allow_many_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.context("starting the link thread").and_then(|runtime| runtime.block_on(work));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            connection::log(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn blob(argument: Option<&String>) -> anyhow::Result<String> {
    match argument {
        Some(blob) => Ok(blob.clone()),
        None => std::env::var(JOIN_VARIABLE).context("no --join BLOB was given and REHEARSAL_JOIN is not set"),
    }
}

/// Where this agent runs; empty if nobody knows.
async fn region(argument: Option<&String>, imds: Option<&mut imds::Imds>) -> String {
    let said = argument.cloned().or_else(|| std::env::var(REGION_VARIABLE).ok().filter(|said| !said.is_empty()));
    match (said, imds) {
        (Some(said), _) => said,
        (None, Some(imds)) => preemption::region(imds).await.unwrap_or_default(),
        (None, None) => String::new(),
    }
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let blob: JoinBlob = blob(args.join.as_ref())?.parse()?;
    let instance = args.instance.clone().unwrap_or_else(|| format!("local:{}", std::process::id()));
    let (sender, mut orders) = mpsc::channel(orders::WAITING);
    orders::listen(&sender, args.drain_within, args.tied_to_stdin)?;
    let mut imds = imds::Imds::find(&instance)?;
    let region = region(args.region.as_ref(), imds.as_mut()).await;
    if let Some(imds) = imds {
        tokio::spawn(preemption::watch(imds, sender));
    }
    let papers = Papers::new(blob, instance, region)?;
    let identity = tokio::select! {
        identity = Identity::join(papers) => identity?,
        // Nobody knows this agent yet.
        ended = orders::before_a_run(&mut orders) => return ended,
    };
    runs::play::<crew::Threads>(&identity, &(), &mut orders).await
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
