//! What every way of launching agents has in common, whether they are processes of
//! this machine or instances on the other side of the world.

use std::{fmt, io, path::PathBuf, process::ExitStatus};

/// Starts agents, and finds and ends what it started.
///
/// Launching is not joining: an agent that was launched still has to come over the
/// network and show its token.
pub trait Launcher: Send {
    /// Starts so many agents, which find their coordinator by the join blob `join`. It is a secret.
    ///
    /// Fewer than that may come, if the launcher can say why. After an error some may run; `list` knows them.
    fn launch(&mut self, agents: u32, join: &str) -> impl Future<Output = Result<Vec<Launched>, LaunchError>> + Send;

    /// Lists the agents of this launcher that have not ended, in the order of their start.
    fn list(&mut self) -> impl Future<Output = Result<Vec<Launched>, LaunchError>> + Send;

    /// Ends agents and returns when they have ended. Those that are not ours, or have
    /// ended already, are passed over.
    fn terminate(&mut self, which: &[InstanceId]) -> impl Future<Output = Result<(), LaunchError>> + Send;
}

/// The launcher's own name of what runs one agent: `local:<pid>`, or the cloud's instance id.
/// The agent states the same when it joins, so that the coordinator knows whom it launched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InstanceId(pub String);

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One agent that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launched {
    /// What runs it.
    pub instance: InstanceId,
    /// Where it runs; `local` for a process of this machine.
    pub region: String,
}

/// The end of what ran an agent.
#[derive(Debug)]
pub struct Exit {
    /// Which one.
    pub instance: InstanceId,
    /// How it ended.
    pub end: End,
}

/// How an agent can end.
#[derive(Debug)]
pub enum End {
    /// A process of this machine; an error if the system could not tell how, as it cannot for adopted ones.
    Process(io::Result<ExitStatus>),
    /// An instance of a cloud, and what the cloud says of it.
    Instance(String),
    /// The same of one that nobody counts on: it was one too many.
    Dismissed(String),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Process(Ok(status)) => status.fmt(f),
            End::Process(Err(error)) => error.fmt(f),
            End::Instance(how) | End::Dismissed(how) => f.write_str(how),
        }
    }
}

/// Why agents could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The log of an agent could not be opened.
    #[error("opening the agent's log {}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The program could not be started.
    #[error("starting the agent {}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Agents that are there could not be looked for.
    #[error("looking for the fleet's agents among the processes of this machine")]
    Find {
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The cloud did not do what was asked.
    #[error("{0}")]
    Cloud(String),
}
