//! The process of one agent of this machine, for tests that do something to it.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// An agent's process. Its number stays its own for as long as its launcher has not waited for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentProcess(Pid);

impl AgentProcess {
    /// Reads how the launcher names what runs an agent.
    pub(crate) fn of(instance: &str) -> Option<Self> {
        let number = instance.strip_prefix("local:")?.parse().ok()?;
        Pid::from_raw(number).map(Self)
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(self) {
        self.signal(Signal::KILL);
    }

    /// Asks it to go, as a cloud does that wants its machine back.
    pub fn terminate(self) {
        self.signal(Signal::TERM);
    }

    /// Stops it as it stands, as a laptop's lid does: it holds its connections and does nothing.
    pub fn freeze(self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn go_on(self) {
        self.signal(Signal::CONT);
    }

    /// Whether it lives; a zombie does not.
    pub fn is_alive(self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.as_raw_pid())).unwrap_or_default();
        let state = status.lines().find_map(|line| line.strip_prefix("State:"));
        state.is_some_and(|state| !state.trim_start().starts_with(['Z', 'X']))
    }

    fn signal(self, signal: Signal) {
        kill_process(self.0, signal).expect("the agent lives");
    }
}
