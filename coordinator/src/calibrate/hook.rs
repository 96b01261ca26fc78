//! The commands by which a calibration holds the system under test at a number of instances and lets it go.
//!
//! Each is a line for the shell, in a process group of its own: Ctrl-C at the terminal must not end the command that
//! lets the system go, and a command that takes too long is killed with everything that it started.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rehearsal_plan::duration;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

/// How much is shown of what a failing command said on each of its outputs, in bytes.
const SHOWN: usize = 4_096;

/// Runs a line to its end.
///
/// # Errors
/// When it cannot be started, takes longer than `patience`, or exits with anything but 0; with its outputs.
pub(super) async fn run(line: &str, patience: Duration) -> anyhow::Result<()> {
    let mut command = Command::new("sh");
    command.args(["-c", line]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut group = Group(command.spawn().with_context(|| format!("running `{line}`"))?);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let outputs = (group.0.stdout.take(), group.0.stderr.take());
    let ending = async {
        tokio::join!(keep_end(outputs.0, &mut stdout), keep_end(outputs.1, &mut stderr));
        // Waited for only now: until then the number of the group is ours, whoever of it still holds the outputs.
        group.0.wait().await
    };
    let ended = tokio::time::timeout(patience, ending).await;
    let said = || [&stdout, &stderr].map(|said| String::from_utf8_lossy(said).trim().to_owned()).join("\n");
    match ended {
        Ok(status) => match status.with_context(|| format!("waiting for `{line}`"))? {
            status if status.success() => Ok(()),
            status => bail!("`{line}` failed with {status}: {}", said().trim()),
        },
        Err(_) => bail!("`{line}` had not ended after {}: {}", duration::print(patience), said().trim()),
    }
}

/// Reads to the end and keeps the last part. A line that leaves something behind in the background keeps its output
/// open; that is waited for like the line itself.
async fn keep_end(from: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut read = [0; SHOWN];
    // What cannot be read is not shown; the exit code says how it went.
    while let Ok(1..) = from.read(&mut read).await.inspect(|length| kept.extend(&read[..*length])) {
        kept.drain(..kept.len().saturating_sub(SHOWN));
    }
}

/// A process that takes its whole group with it when it is given up.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // The number is given only while the process has not been waited for, so it cannot be anybody else's.
        let number = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = number {
            let _ = kill_process_group(group, Signal::KILL); // it may have ended this instant
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn what_a_failing_line_said_is_shown() {
        run("true", PATIENCE).await.unwrap();
        let told = run("echo so; echo and so >&2; exit 3", PATIENCE).await.unwrap_err().to_string();
        assert!(told.contains("exit status: 3: so\nand so"), "{told}");
        let told = run("yes | head -c 100000; echo the end; exit 1", PATIENCE).await.unwrap_err().to_string();
        assert!(told.len() < 3 * SHOWN && told.ends_with("the end"), "{told}");
    }

    #[tokio::test]
    async fn a_line_that_hangs_is_killed_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("alive");
        let line = format!("(while :; do echo x >> {0}; sleep 0.02; done) & sleep 600", file.display());
        let told = run(&line, Duration::from_millis(300)).await.unwrap_err().to_string();
        assert!(told.contains("had not ended after 300ms"), "{told}");
        let length = || std::fs::metadata(&file).map_or(0, |file| file.len());
        let stands_still = async {
            let mut last = None;
            while last != Some(length()) {
                last = Some(length());
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(PATIENCE, stands_still).await.expect("the loop in the background goes on");
    }
}
