//! Our own load generator in a process of its own: the example `bench_users` of rehearsal-engine.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::process::{open_files, pinned, resident};
use super::{Bench, CLIENT_CPU};
use crate::command::succeed;

/// Builds the load generator.
pub fn build(bench: &Bench) -> Result<()> {
    succeed(bench.cargo(&["build", "-p", "rehearsal-engine", "--example", "bench_users"]))
}

/// A running load generator, killed when this goes.
pub struct Client {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Client {
    /// Starts a scenario of the bench in an environment, given as the text of its file.
    pub fn start(bench: &Bench, scenario: &str, environment: &str) -> Result<Self> {
        let file = bench.folder()?.join("environment.toml");
        std::fs::write(&file, environment).context("writing the environment")?;
        Self::spawn(&bench.built("examples/bench_users"), &bench.scenario(scenario), &file)
            .context("starting our users")
    }

    fn spawn(program: &Path, scenario: &Path, environment: &Path) -> Result<Self> {
        let mut command = pinned(CLIENT_CPU, program);
        command.args([scenario, environment]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let questions = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("listening to them")?);
        Ok(Self { child, questions, answers })
    }

    /// What was counted so far, up to a second ago.
    pub fn counted(&mut self) -> Result<Value> {
        let questions = self.questions.as_mut().context("asking users who were sent away")?;
        writeln!(questions).context("asking our users")?;
        self.answer()
    }

    /// Resident memory, in bytes.
    pub fn resident(&self) -> Result<u64> {
        resident(self.child.id())
    }

    /// Files and sockets that it has open.
    pub fn open_files(&self) -> Result<u64> {
        open_files(self.child.id())
    }

    /// Waits until all have left by themselves and returns the totals.
    pub fn finish(mut self) -> Result<Value> {
        let totals = self.answer()?;
        let status = self.child.wait().context("waiting for our users")?;
        ensure!(status.success(), "our users: {status}");
        Ok(totals)
    }

    /// Sends everybody away and waits for it.
    pub fn stop(mut self) -> Result<Value> {
        self.questions = None;
        self.finish()
    }

    fn answer(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line).context("listening to our users")?;
        serde_json::from_str(&line).with_context(|| format!("understanding our users: {line:?}"))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Both fail only for a process that is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
