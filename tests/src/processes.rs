//! Finds the processes of one run without the run's help: each inherits a variable whose value
//! nobody else has, whoever its parent is by now.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// The variable. Its name must not begin as those do that change the environment of a run.
pub(crate) const VARIABLE: &str = "END_TO_END_RUN";

/// The processes of one run. Dropping it kills those that are left, so that a failed test leaves
/// nothing behind.
#[derive(Debug)]
pub(crate) struct Processes {
    entry: Vec<u8>,
}

impl Processes {
    pub(crate) fn of(mark: &str) -> Self {
        let entry = format!("{VARIABLE}={mark}").into_bytes();
        Self { entry }
    }

    /// Lists those that live, zombies left out: they have ended and only wait to be read.
    pub(crate) fn alive(&self) -> Vec<Pid> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        numbers.filter(|number| self.has_mark(*number)).filter_map(Pid::from_raw).collect()
    }

    /// A process that has ended meanwhile, or a zombie, has no environment.
    fn has_mark(&self, number: i32) -> bool {
        let environment = fs::read(format!("/proc/{number}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == self.entry)
    }

    pub(crate) fn kill_all(&self) {
        for process in self.alive() {
            // It may have ended by itself: that is what is wanted.
            let _ = kill_process(process, Signal::KILL);
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.kill_all();
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;
    use crate::until;

    #[tokio::test]
    async fn marked_processes_are_found_and_killed() {
        let mark = format!("processes-{}", std::process::id());
        let processes = Processes::of(&mark);
        assert_eq!(processes.alive(), []);
        let mut command = Command::new("sleep");
        let mut child = command.arg("600").env(VARIABLE, &mark).spawn().unwrap();
        let bound = Duration::from_secs(10);
        until("it is found", bound, || processes.alive().len() == 1).await;
        drop(processes);
        assert!(!child.wait().unwrap().success());
    }
}
