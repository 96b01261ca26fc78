//! A coordinator that runs: signals for it, another life after it was killed, and its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::agent_process::AgentProcess;
use crate::command::Said;
use crate::outcome::Outcome;
use crate::processes::Processes;
use crate::program;
use crate::records::Records;
use crate::rehearsal::{RUNS, call, run_folder};
use crate::until;
use crate::waiting::within;

/// How long agents may outlive a coordinator that has ended their run: they were told goodbye.
const AGENTS_MAY_OUTLIVE: Duration = Duration::from_secs(5);

/// How long a process may take that starts, or was killed, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A call of the coordinator that was made. Dropping it kills all its processes.
#[derive(Debug)]
pub struct Running {
    child: Child,
    processes: Processes,
    began: Instant,
    bound: Duration,
    // Declared last, because it must outlive the processes that write into it.
    pub(crate) folder: TempDir,
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
    pub async fn kill(&mut self) {
        self.signal(Signal::KILL);
        let killed = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        killed.expect("a killed process ends").expect("waiting for the coordinator");
    }

    /// Stops the coordinator's process as it stands: it does nothing, and holds what it holds.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// Starts a coordinator in the same folder that goes on with this run, whose former one was killed.
    pub fn resume(&mut self) {
        let mut program = Command::new(program::coordinator());
        program.args(["start", "--resume", "last", "--out", RUNS, "--dashboard", "127.0.0.1:0"]);
        self.child = call(program, self.folder.path());
    }

    /// Writes a file beside the scenario, while the run goes on or its coordinator is dead.
    pub fn file(&self, path: &str, text: &str) {
        fs::write(self.folder.path().join(path), text).expect("writing a file of the run");
    }

    /// Calls the coordinator in the run's folder, about whatever the words say.
    pub async fn call(&self, words: &[&str]) -> Said {
        Said::of(self.folder.path(), words).await
    }

    /// What the run has written down so far; none before it has a database.
    pub fn records(&self) -> Option<Records> {
        Records::open(&run_folder(self.folder.path())?)
    }

    /// Finds the process of an agent by its id in the report, as soon as it has joined.
    pub async fn agent(&self, id: &str) -> AgentProcess {
        let find = || AgentProcess::of(&self.records()?.instance(id)?);
        until("the agent has joined", PATIENCE, || find().is_some()).await;
        find().expect("it was there a moment ago")
    }

    /// Counts the agents that live.
    pub fn agent_count(&self) -> usize {
        self.agents().len()
    }

    /// Waits for the coordinator's end, and that of its agents, which must come with it.
    pub async fn end(self) -> Outcome {
        self.end_outlived_by(AGENTS_MAY_OUTLIVE).await
    }

    /// Waits for the coordinator's end, and then at most so long for that of its agents: without a coordinator they go when
    /// lease and drain limit are over.
    pub async fn end_outlived_by(mut self, agents_may_outlive: Duration) -> Outcome {
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
        let have_ended = within(agents_may_outlive, || self.processes.alive().is_empty()).await;
        assert!(
            have_ended,
            "agents are still there {agents_may_outlive:?} after their coordinator\n{}",
            outputs(self.folder.path())
        );
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

/// What the coordinator said, and agents that a test has started.
fn outputs(folder: &Path) -> String {
    let is_said = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "txt" || kind == "log");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let said = entries.filter(is_said).map(|path| {
        let text = fs::read_to_string(&path).unwrap_or_default();
        format!("--- {}\n{text}", path.display())
    });
    said.collect()
}
