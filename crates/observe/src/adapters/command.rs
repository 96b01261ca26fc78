//! A command that prints a number or JSON: for whatever has a command line and nothing else.
//!
//! The command runs in a process group of its own. When it takes too long or says too much, the whole group is
//! killed: a shell that is gone while its pipeline goes on would be a process more with every reading.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use rehearsal_plan::Problem;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command as Process};

use crate::json::{Pointers, count, number, quoted};
use crate::observation::{ErrorKind, Failure, Reading, Role, Sample, Supply};
use crate::observer::Observer;
use crate::secret::Secret;
use crate::settings::{self, Settings};
use crate::web::LONGEST_ANSWER;

/// How much is read of what a command says on its error output, in bytes.
const LONGEST_COMPLAINT: u64 = 4_096;

struct Command {
    words: Vec<String>,
    variables: BTreeMap<String, Secret>,
    prints: Prints,
}

/// What stands on the output.
enum Prints {
    /// A number: the metric.
    Metric,
    /// A number: the one of the supply at this place of [`Supply::NAMES`].
    Count(usize),
    /// A JSON document.
    Json(Pointers),
}

/// Takes `command`, a list of words or a line for the shell; `env`; for a supply of one number its name as `count`;
/// and for JSON the keys of [`Pointers`].
pub fn make(settings: &mut Settings<'_>, role: Role) -> Option<Box<dyn Observer>> {
    let words = settings.require("command", |value| match value {
        Value::String(line) if !line.is_empty() => Ok(["sh", "-c", line].map(String::from).into()),
        list => settings::texts(list).map_err(|_| Problem::new("is not a line for the shell, nor a list of words")),
    });
    let variables = settings.secrets_by_name("env");
    let prints = match role {
        Role::Metric if !settings.has("value") => Some(Prints::Metric),
        Role::Supply if settings.has("count") => {
            let names: Vec<(&str, usize)> = Supply::NAMES.into_iter().zip(0..).collect();
            settings.choice("count", &names).map(Prints::Count)
        }
        _ => Pointers::from_settings(settings, role).map(Prints::Json),
    };
    Some(Box::new(Command { words: words?, variables, prints: prints? }))
}

impl Observer for Command {
    fn read(&mut self, _now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
        Box::pin(async {
            let output = self.run().await?;
            let text = String::from_utf8(output).map_err(|_| Failure::format("the output is not UTF-8"))?;
            self.prints.read(text.trim())
        })
    }

    fn is_dated(&self) -> bool {
        matches!(&self.prints, Prints::Json(pointers) if pointers.is_dated())
    }
}

impl Command {
    /// Runs the command to its end, and gives its output.
    async fn run(&self) -> Result<Vec<u8>, Failure> {
        let (program, arguments) = self.words.split_first().ok_or_else(|| failed("there is no command".into()))?;
        let mut process = Process::new(program);
        process.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        process.envs(self.variables.iter().map(|(name, value)| (name, value.reveal())));
        process.process_group(0);
        let child = process.spawn().map_err(|error| failed(format!("running {}: {error}", quoted(program))))?;
        let mut group = Group { child };
        let (Some(output), Some(complaints)) = (group.child.stdout.take(), group.child.stderr.take()) else {
            return Err(failed("the command has no output".into()));
        };
        // Waited for only now: until then the number of the group is ours, whoever of it still holds the output.
        let (output, complaints) = tokio::try_join!(all_of(output), start_of(complaints))?;
        match group.child.wait().await {
            Ok(status) if status.success() => Ok(output),
            Ok(status) => Err(failed(format!("{status}: {}", quoted(&String::from_utf8_lossy(&complaints))))),
            Err(error) => Err(failed(format!("waiting for the command: {error}"))),
        }
    }
}

impl Prints {
    fn read(&self, text: &str) -> Result<Sample, Failure> {
        if text.is_empty() {
            return Err(Failure::missing("the command printed nothing"));
        }
        let value = Value::from(text);
        let not_a_number = || Failure::missing("the command printed that it is no number");
        match self {
            Prints::Metric => Ok(Reading::Metric(number(&value)?.ok_or_else(not_a_number)?).into()),
            Prints::Count(place) => {
                let mut counts = [None; 6];
                counts[*place] = Some(count(&value)?.ok_or_else(not_a_number)?);
                Ok(Reading::Supply(Supply::from_counts(counts)).into())
            }
            Prints::Json(pointers) => {
                let document = serde_json::from_str(text);
                pointers.read(&document.map_err(|error| Failure::format(format!("the output is not JSON: {error}")))?)
            }
        }
    }
}

/// Reads to the end, and no further than an answer may be long.
async fn all_of(output: impl AsyncRead + Unpin) -> Result<Vec<u8>, Failure> {
    let mut found = Vec::new();
    let read = output.take(LONGEST_ANSWER as u64 + 1).read_to_end(&mut found).await;
    match read {
        Ok(_) if found.len() > LONGEST_ANSWER => {
            Err(Failure::Error(ErrorKind::TooLarge, format!("the output is longer than {LONGEST_ANSWER} bytes")))
        }
        Ok(_) => Ok(found),
        Err(error) => Err(failed(format!("reading the output: {error}"))),
    }
}

/// Keeps the start and lets the rest pass, so that nobody waits for a full pipe.
async fn start_of(mut output: impl AsyncRead + Unpin) -> Result<Vec<u8>, Failure> {
    let mut found = Vec::new();
    let lost = |error| failed(format!("reading the error output: {error}"));
    (&mut output).take(LONGEST_COMPLAINT).read_to_end(&mut found).await.map_err(lost)?;
    tokio::io::copy(&mut output, &mut tokio::io::sink()).await.map_err(lost)?;
    Ok(found)
}

fn failed(text: String) -> Failure {
    Failure::Error(ErrorKind::Command, text)
}

/// A process that takes its whole group with it when it is given up.
struct Group {
    child: Child,
}

impl Drop for Group {
    fn drop(&mut self) {
        // The number is given only while the process has not been waited for, so it cannot be anybody else's.
        let number = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = number {
            // It may be gone already, which is what we want.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
