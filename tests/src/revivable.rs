//! A coordinator that waits for agents to come by themselves, can be killed, and taken up again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::outcome::Outcome;
use crate::rehearsal::{RUNS, SCENARIO, STDERR, STDOUT, run_folder};

/// The file of the join blob in the run's folder.
const INVITATION: &str = "join";

/// One run in a folder of its own, and whichever life of its coordinator is going on. Dropping it kills that.
#[derive(Debug)]
pub struct Revivable {
    program: PathBuf,
    life: Child,
    began: Instant,
    // Declared last, because it must outlive the process that writes into it.
    folder: TempDir,
}

impl Revivable {
    /// Starts a run that waits for so many agents.
    pub fn start(program: &Path, scenario: &str, environment: &str, agents: u32) -> Self {
        let folder = TempDir::new().expect("making a folder for a run");
        fs::create_dir(folder.path().join("environments")).expect("making a folder of the run");
        let write =
            |path: &str, text: &str| fs::write(folder.path().join(path), text).expect("writing a file of the run");
        write(SCENARIO, scenario);
        write("environments/dev.toml", environment);
        let agents = format!("join:{agents}");
        let life = begin(program, folder.path(), &[SCENARIO, "--agents", &agents]);
        Self { program: program.to_owned(), life, began: Instant::now(), folder }
    }

    /// The folder in which everything is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process of the present life.
    pub fn process(&self) -> u32 {
        self.life.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.life.try_wait().expect("looking after the coordinator")
    }

    /// Does what `kill -9` does.
    pub fn kill(&mut self) {
        self.life.kill().expect("killing the coordinator");
        self.life.wait().expect("waiting for the coordinator's end");
    }

    /// Begins another life, which goes on with the run.
    pub fn take_up(&mut self) {
        self.life = begin(&self.program, self.folder.path(), &["--resume", "last"]);
    }

    /// The join blob, once there is one. Each life writes another.
    pub fn invitation(&self) -> Option<String> {
        fs::read_to_string(run_folder(self.folder.path())?.join(INVITATION)).ok()
    }

    /// Where the present life is reached, once it says so; what a former life has left is no longer true.
    pub fn control(&self) -> Option<serde_json::Value> {
        serde_json::from_str(&fs::read_to_string(run_folder(self.folder.path())?.join("control.json")).ok()?).ok()
    }

    /// A command about this run: `["scale", "--factor", "2"]` becomes `coordinator scale last --factor 2`.
    pub fn about_it(&self, words: &[&str]) -> Command {
        let (name, options) = words.split_first().expect("a command has a name");
        let mut command = Command::new(&self.program);
        command.args([name, "last"]).args(options).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Waits for the end of the present life and reads what the run has left.
    pub fn into_outcome(mut self) -> Outcome {
        let status = self.life.wait().expect("waiting for the coordinator");
        let took = self.began.elapsed();
        let folder = std::mem::replace(&mut self.folder, TempDir::new().expect("making a folder"));
        Outcome::read(folder, status.code(), took)
    }
}

impl Drop for Revivable {
    fn drop(&mut self) {
        // Both fail only for a process that is gone.
        let _ = self.life.kill();
        let _ = self.life.wait();
    }
}

/// All lives say what they have to say in the same files.
fn begin(program: &Path, folder: &Path, words: &[&str]) -> Child {
    let append = |name: &str| -> File {
        let file = File::options().create(true).append(true).open(folder.join(name));
        file.expect("making a file for the coordinator's output")
    };
    let mut command = Command::new(program);
    command.arg("start").args(words).args(["--out", RUNS, "--dashboard", "127.0.0.1:0"]).current_dir(folder);
    command.stdin(Stdio::null()).stdout(append(STDOUT)).stderr(append(STDERR));
    command.spawn().expect("starting the coordinator")
}
