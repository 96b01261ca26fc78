//! A coordinator that runs: signals for it, and its end.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::Child;

use crate::command::Said;
use crate::outcome::Outcome;
use crate::processes::Processes;
use crate::rehearsal::{STDERR, STDOUT, run_folder};
use crate::until;

/// How long agents may outlive their coordinator, even one that was killed: they notice that the
/// pipe from it has closed, and have nothing to wait for.
const AGENTS_MAY_OUTLIVE: Duration = Duration::from_secs(5);

/// A call of the coordinator that was made. Dropping it kills all its processes.
#[derive(Debug)]
pub struct Running {
    child: Child,
    processes: Processes,
    began: Instant,
    bound: Duration,
    // Declared last, because it must outlive the processes that write into it.
    folder: TempDir,
}

impl Running {
    pub(crate) fn new(folder: TempDir, child: Child, processes: Processes, began: Instant, bound: Duration) -> Self {
        Self { child, processes, began, bound, folder }
    }

    /// Calls the coordinator once more, about this run: `["pause"]` becomes `coordinator pause last`.
    pub async fn command(&self, words: &[&str]) -> Said {
        let (name, options) = words.split_first().expect("a command has a name");
        Said::of(self.folder.path(), &[&[*name, "last"], options].concat()).await
    }

    /// Where the running run is reached: `control.json`, as soon as it is there.
    pub async fn control(&self) -> serde_json::Value {
        let read = || {
            let folder = run_folder(self.folder.path())?;
            serde_json::from_str(&fs::read_to_string(folder.join("control.json")).ok()?).ok()
        };
        until("the run says how it is reached", Duration::from_secs(20), || read().is_some()).await;
        read().expect("it was there a moment ago")
    }

    /// Does what Ctrl-C does. A coordinator that has ended does not mind.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Kills the coordinator so that it cannot do anything more, as `kill -9` does.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Kills one of the agents in the same way, and says whether there was one.
    pub fn kill_an_agent(&self) -> bool {
        let agent = self.agents().pop();
        agent.is_some_and(|agent| kill_process(agent, Signal::KILL).is_ok())
    }

    /// Counts the agents that live.
    pub fn agent_count(&self) -> usize {
        self.agents().len()
    }

    /// Waits for the coordinator's end, and that of its agents, which must come with it.
    pub async fn end(mut self) -> Outcome {
        let left = self.bound.saturating_sub(self.began.elapsed());
        let status = match tokio::time::timeout(left, self.child.wait()).await {
            Ok(status) => status.expect("waiting for the coordinator"),
            Err(_) => {
                self.processes.kill_all();
                let outputs = outputs(self.folder.path());
                panic!("the coordinator hangs after {:?}\n{outputs}", self.bound);
            }
        };
        let took = self.began.elapsed();
        until("all agents have ended", AGENTS_MAY_OUTLIVE, || self.processes.alive().is_empty()).await;
        Outcome::read(self.folder, status.code(), took)
    }

    fn agents(&self) -> Vec<Pid> {
        let mut processes = self.processes.alive();
        processes.retain(|process| Some(*process) != self.coordinator());
        processes
    }

    fn coordinator(&self) -> Option<Pid> {
        Pid::from_raw(self.child.id()?.try_into().ok()?)
    }

    fn signal(&self, signal: Signal) {
        if let Some(coordinator) = self.coordinator() {
            // It is not waited for yet, so its number is still its own and the signal arrives.
            let _ = kill_process(coordinator, signal);
        }
    }
}

fn outputs(folder: &Path) -> String {
    [STDOUT, STDERR]
        .map(|name| {
            let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
            format!("--- {name}\n{text}")
        })
        .concat()
}
