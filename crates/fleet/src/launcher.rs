//! What every way of launching agents has in common, whether they are processes of
//! this machine or instances on the other side of the world.

use std::{fmt, io, path::PathBuf};

/// Starts agents, and finds and ends what it started.
///
/// Launching is not joining: an agent that was launched still has to come over the
/// network and show its token.
pub trait Launcher: Send {
    /// Says what an order would start and cost. It changes nothing.
    fn forecast(&self, order: &Order) -> impl Future<Output = Result<Forecast, LaunchError>> + Send;

    /// Starts the agents of an order.
    ///
    /// After an error some may run; `list` knows them.
    fn launch(&mut self, order: &Order) -> impl Future<Output = Result<Vec<Launched>, LaunchError>> + Send;

    /// Lists the agents of this launcher that have not ended, in the order of their start.
    fn list(&mut self) -> impl Future<Output = Result<Vec<Launched>, LaunchError>> + Send;

    /// Ends agents and returns when they have ended. Those that are not ours, or have
    /// ended already, are passed over.
    fn terminate(&mut self, which: &[InstanceId]) -> impl Future<Output = Result<(), LaunchError>> + Send;
}

/// What to launch.
#[derive(Clone)]
pub struct Order {
    /// How many agents.
    pub agents: u32,
    /// The join blob as text. It is a secret.
    pub join: String,
}

/// What an order would start.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// How many agents.
    pub agents: u32,
    /// What they cost while they run, in US dollars per hour.
    pub usd_per_hour: f64,
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
}
