//! Other calls of the coordinator beside a run: commands to it, questions about it, and `serve`.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::program;

/// How long a command may take: it waits two seconds for agents that do not answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// Calls the coordinator in a folder.
    pub async fn of(folder: &Path, arguments: &[&str]) -> Self {
        Self::begin(folder, arguments).end_within(PATIENCE).await
    }

    /// Calls the coordinator in a folder for something that takes its time.
    pub fn begin(folder: &Path, arguments: &[&str]) -> Saying {
        let mut command = Command::new(program::coordinator());
        command.args(arguments).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
        let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("calling the coordinator");
        Saying { process, arguments: arguments.join(" ") }
    }

    fn read(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Asserts that it did what was asked.
    #[track_caller]
    pub fn assert_done(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// A call of the coordinator that goes on; killed when dropped.
#[derive(Debug)]
pub struct Saying {
    process: Child,
    arguments: String,
}

impl Saying {
    /// Does what Ctrl-C does.
    pub fn interrupt(&self) {
        interrupt(&self.process);
    }

    /// Waits for its end.
    pub async fn end_within(self, bound: Duration) -> Said {
        let output = tokio::time::timeout(bound, self.process.wait_with_output()).await;
        let output = output.unwrap_or_else(|_| panic!("`{}` hangs", self.arguments));
        Said::read(&output.expect("calling the coordinator"))
    }
}

/// Does what Ctrl-C does. A process that has ended does not mind.
fn interrupt(process: &Child) {
    let id = process.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    let _ = id.map(|id| rustix::process::kill_process(id, rustix::process::Signal::INT));
}

/// `coordinator serve` at work in a folder; killed when dropped.
#[derive(Debug)]
pub struct Served {
    process: Child,
    /// The address of its dashboard, token included.
    pub address: String,
    pub folder: PathBuf,
    client: Client,
}

impl Served {
    /// Serves the folder's scenarios (`*.rhai` in it) on an address; port 0 for any.
    pub async fn start(folder: &Path, listen: &str) -> Self {
        let mut command = Command::new(program::coordinator());
        command.args(["serve", "--scenarios", ".", "--listen", listen]);
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().expect("starting the coordinator");
        let stdout = process.stdout.take().expect("its output is a pipe");
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it says its address in time");
        let address = line.expect("reading its output").expect("it says its address");
        Self { process, address, folder: folder.to_owned(), client: Client::new() }
    }

    /// The address without the token.
    pub fn base(&self) -> &str {
        self.address.split("/#").next().expect("a text has a first part")
    }

    /// The token.
    pub fn token(&self) -> &str {
        self.address.split("token=").nth(1).expect("the address has a token")
    }

    /// Asks the API and gives status and body.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = self.client.request(method, format!("{}{path}", self.base())).bearer_auth(self.token());
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.expect("asking the coordinator");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("reading the answer");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Kills it, as `kill -9` does.
    pub async fn kill(&mut self) {
        self.process.kill().await.expect("killing the coordinator");
    }

    /// Does what Ctrl-C does and waits for its end.
    pub async fn stop(mut self) -> Option<i32> {
        interrupt(&self.process);
        let ended = tokio::time::timeout(PATIENCE, self.process.wait()).await;
        ended.expect("it ends in time").expect("waiting for its end").code()
    }
}
