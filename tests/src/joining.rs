//! Agents that the test starts itself, on whichever host, for a run that waits for them (`--agents join:N`).

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::processes::VARIABLE;
use crate::program;
use crate::rehearsal::run_folder;
use crate::running::Running;
use crate::until;

/// How long the coordinator may take until it waits for agents.
const PATIENCE: Duration = Duration::from_secs(30);

impl Running {
    /// Starts an agent that joins the run. `command` gets the program and says where it runs; `name` is that of its log in
    /// the run's folder. The end of the run waits for it, too.
    pub async fn join(&self, name: &str, command: impl FnOnce(&Path) -> Command) -> Child {
        let folder = self.folder.path();
        let blob = || fs::read_to_string(run_folder(folder)?.join("join")).ok();
        until("the run waits for agents", PATIENCE, || blob().is_some()).await;
        let log = folder.join(format!("{name}.log"));
        let mut command = command(program::coordinator());
        command
            .args(["agent", "--join", &blob().expect("it was there a moment ago")])
            .env(VARIABLE, folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(log).expect("making the log of an agent"));
        command.spawn().expect("starting an agent")
    }
}
