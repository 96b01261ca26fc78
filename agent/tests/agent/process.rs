//! Agents in processes of their own, and what they play.

use std::process::Stdio;
use std::time::Duration;

use rehearsal_link::LeaseTerms;
use rehearsal_metrics::UserState as State;
use rehearsal_plan::{Load, Spacing, Stay};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::coordinator::{BOUND, Coordinator, Part};

/// An agent in a process of its own, which does not outlive the test.
pub fn agent(blob: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
    command.args(arguments).env("REHEARSAL_JOIN", blob).kill_on_drop(true);
    command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub fn terminate(agent: &Child) {
    kill_process(Pid::from_raw(agent.id().unwrap() as i32).unwrap(), Signal::TERM).unwrap();
}

/// The exit code of an agent, and its last words.
pub async fn end(mut agent: Child) -> (Option<i32>, String) {
    let mut words = String::new();
    let mut error = agent.stderr.take().unwrap();
    let ending = async {
        error.read_to_string(&mut words).await.unwrap();
        agent.wait().await.unwrap().code()
    };
    let code = timeout(BOUND, ending).await.expect("the agent lives on");
    (code, words)
}

/// Twenty users a second who sleep.
pub fn part(lease: LeaseTerms) -> Part {
    let load =
        Load::Arrive { users: 400, over: Duration::from_secs(20), spacing: Spacing::Even, stay: Stay::UntilDone };
    Part { scenario: "fn user() { sleep(3600); }", load, agents: 1, lease }
}

pub async fn playing(coordinator: &Coordinator, arguments: &[&str]) -> Child {
    let agent = agent(&coordinator.blob, arguments);
    coordinator.until("users are there", |heard| heard.moved(State::Waiting, State::Live) > 0).await;
    agent
}
