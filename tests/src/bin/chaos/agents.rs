//! Agents of a run, each at the end of a line of its own.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rehearsal_proto::join::JoinBlob;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::lines::{Condition, Line};

/// What was done to an agent for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing, so far.
    Spared,
    /// It was asked to go.
    Asked,
    /// It was killed.
    Killed,
}

/// An agent's process.
#[derive(Debug)]
pub struct Agent {
    /// By which the run knows its process: it is the name of its instance.
    pub name: String,
    pub fate: Fate,
    pub line: Line,
    pub is_frozen: bool,
    process: Child,
    ended: Option<ExitStatus>,
}

impl Agent {
    /// Starts one that finds the coordinator at the end of its line; its log is in the folder.
    pub async fn start(program: &Path, folder: &Path, invitation: &str, number: usize) -> Self {
        let name = format!("chaos-{number}");
        let mut blob: JoinBlob = invitation.parse().expect("the coordinator writes a join blob");
        let first = |addresses: &[String]| -> SocketAddr {
            addresses[0].parse().expect("the coordinator is at an address of loopback")
        };
        let line = Line::to([first(&blob.coordinators), first(&blob.link)]).await.expect("laying a line");
        [blob.coordinators, blob.link] = line.addresses.map(|address| vec![address.to_string()]);
        let log = File::create(folder.join(format!("{name}.log"))).expect("making the log of an agent");
        let mut command = Command::new(program);
        command.args(["agent", "--instance", &name]).env("REHEARSAL_JOIN", blob.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let process = command.spawn().expect("starting an agent");
        Self { name, fate: Fate::Spared, line, is_frozen: false, process, ended: None }
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.process.try_wait().expect("looking after an agent");
        }
        self.ended
    }

    /// Whether it plays users and is to go on with it.
    pub fn is_at_work(&mut self) -> bool {
        self.ended().is_none() && self.fate == Fate::Spared
    }

    /// Whether it is also well: others may break.
    pub fn is_well(&mut self) -> bool {
        self.is_at_work() && !self.is_frozen && self.line.condition() == Condition::Open
    }

    /// Does what `kill -9` does.
    pub fn kill(&mut self) {
        self.fate = Fate::Killed;
        self.signal(Signal::KILL);
    }

    /// Asks it to go.
    pub fn ask_to_go(&mut self) {
        self.fate = Fate::Asked;
        self.signal(Signal::TERM);
    }

    /// Makes it stand still.
    pub fn freeze(&mut self) {
        self.is_frozen = true;
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        self.is_frozen = false;
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.process.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        if let Some(pid) = pid {
            // It is not waited for yet, so its number is still its own.
            let _ = kill_process(pid, signal);
        }
    }
}
