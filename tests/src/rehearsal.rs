//! Prepares one call of the coordinator: a scenario with its environment in a folder of its own,
//! arguments and variables.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::network::Host;
use crate::outcome::Outcome;
use crate::processes::{Processes, VARIABLE};
use crate::program;
use crate::running::Running;

/// The scenario's file in the folder of a run; errors name lines of it.
pub(crate) const SCENARIO: &str = "scenario.rhai";
/// Where the coordinator's outputs go. Files need nobody who reads while a test waits for
/// something else, and no grandchild keeps them open.
pub(crate) const STDOUT: &str = "stdout.txt";
pub(crate) const STDERR: &str = "stderr.txt";
/// The folder of run folders.
pub(crate) const RUNS: &str = "runs";

/// The longest that a run may take unless its test says otherwise: several times what any needs.
const BOUND: Duration = Duration::from_secs(60);

/// One call of the coordinator that has not been made yet.
#[derive(Debug)]
pub struct Rehearsal {
    folder: TempDir,
    program: Command,
    arguments: Vec<OsString>,
    variables: Vec<(String, String)>,
    bound: Duration,
}

impl Rehearsal {
    /// Prepares a run of a scenario given as text, in an environment without any keys.
    pub fn of(scenario: &str) -> Self {
        let folder = TempDir::new().expect("making a folder for a run");
        let program = Command::new(program::coordinator());
        let this = Self { folder, program, arguments: Vec::new(), variables: Vec::new(), bound: BOUND };
        this.file(SCENARIO, scenario).environment("")
    }

    /// Sets the text of `environments/dev.toml`.
    pub fn environment(self, toml: &str) -> Self {
        self.file("environments/dev.toml", toml)
    }

    /// Writes a file beside the scenario.
    pub fn file(self, path: &str, text: &str) -> Self {
        let path = self.folder.path().join(path);
        let parent = path.parent().expect("a file in the folder has a parent");
        fs::create_dir_all(parent).expect("making a folder of the run");
        fs::write(path, text).expect("writing a file of the run");
        self
    }

    /// Adds arguments.
    pub fn arguments<A: Into<OsString>>(mut self, more: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(more.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the process.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs the coordinator on a host of a network.
    pub fn on(mut self, host: &Host) -> Self {
        self.program = host.command(program::coordinator());
        self
    }

    /// Sets the longest that the run may take.
    pub fn bound(mut self, bound: Duration) -> Self {
        self.bound = bound;
        self
    }

    /// Performs `coordinator start` to its end.
    pub async fn run(self) -> Outcome {
        self.spawn().end().await
    }

    /// Begins `coordinator start`, for tests that do something to it while it runs.
    pub fn spawn(self) -> Running {
        let runs = self.folder.path().join(RUNS);
        // Tests that look at a dashboard take its address from control.json.
        let any_port = ["--dashboard", "127.0.0.1:0"].map(OsString::from);
        let out = [OsString::from("--out"), runs.into_os_string()].into_iter().chain(any_port);
        self.arguments(out).call("start")
    }

    /// Performs `coordinator validate`.
    pub async fn validate(self) -> Outcome {
        self.call("validate").end().await
    }

    fn call(mut self, command: &str) -> Running {
        let folder = self.folder.path();
        self.program.arg(command).arg(SCENARIO).args(&self.arguments);
        self.program.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let processes = Processes::of(&folder.to_string_lossy());
        let began = Instant::now();
        let child = call(self.program, folder);
        Running::new(self.folder, child, processes, began, self.bound)
    }
}

/// Starts a program in the folder of a run, whose outputs go behind what is there: a run may have several lives.
pub(crate) fn call(mut program: Command, folder: &Path) -> Child {
    program
        .env(VARIABLE, folder)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(append(&folder.join(STDOUT)))
        .stderr(append(&folder.join(STDERR)));
    program.spawn().expect("starting the coordinator")
}

fn append(path: &Path) -> File {
    let file = File::options().create(true).append(true).open(path);
    file.expect("making a file for the coordinator's output")
}

/// Returns the only run folder, or none if the run did not get that far.
pub(crate) fn run_folder(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder.join(RUNS)).ok()?;
    let mut folders = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir() && !path.is_symlink());
    let first = folders.next();
    assert_eq!(folders.next(), None, "one run makes one folder");
    first
}
