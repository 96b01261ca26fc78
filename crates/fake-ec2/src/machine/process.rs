//! The processes of one instance, none of which outlives it.
//!
//! They hang on a leader: a shell that starts the user data and then only waits for the end of its standard input. The
//! other end of that is ours, so when the fake is gone, however it went, the leader kills them all and itself. As long as
//! we have not waited for the leader, its number belongs to nobody else, and signals to its group hit no strangers.
//! Processes that left the group are known by a variable of their environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, getpgid, kill_process_group, pidfd_open, pidfd_send_signal};

/// The leader. The user data's shell has the ordinary signals; its own are set when that has started. When its input
/// ends, nobody is left to end the others, so it does: first those that left its group, then the group and itself.
const LEADER: &str = r#""$@" </dev/null &
trap '' HUP INT TERM
read -r _
for environment in /proc/[0-9]*/environ; do
    pid=${environment#/proc/}
    pid=${pid%/environ}
    [ "$pid" = $$ ] && continue
    grep -qzxF "FAKE_EC2_FOLDER=$FAKE_EC2_FOLDER" "$environment" && kill -KILL "$pid"
done 2>/dev/null
kill -KILL 0
"#;

/// The variable by which all processes of an instance are known: its folder, which no other has.
const MARK: &str = "FAKE_EC2_FOLDER";

/// How often at the most a kill is repeated for processes that were born meanwhile.
const ROUNDS: u32 = 200;

/// What an instance is started with.
#[derive(Clone, Debug)]
pub(super) struct Start<'a> {
    pub id: &'a str,
    pub folder: &'a Path,
    pub user_data: &'a [u8],
    pub environment: BTreeMap<String, String>,
}

/// The processes of an instance. Dropping it kills them all.
#[derive(Debug)]
pub(super) struct Processes {
    leader: Child,
    mark: Vec<u8>,
}

impl Processes {
    /// Runs user data. What is no script is not run, as with cloud-init, and the console says so.
    pub(super) fn start(start: &Start<'_>) -> io::Result<Processes> {
        let folder = start.folder;
        let cloud = folder.join("cloud");
        let script = install(&cloud, start)?;
        let (home, temporary) = (folder.join("root"), folder.join("tmp"));
        fs::create_dir_all(&home)?;
        fs::create_dir_all(&temporary)?;
        let console = File::create(folder.join("console.log"))?;
        let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
        let mut commands = folder.join("bin").into_os_string();
        commands.push(":");
        commands.push(path);
        let leader = Command::new("/bin/sh")
            .args(["-c", LEADER, "fake-ec2"])
            .args(interpreter(start.user_data))
            .arg(&script)
            .env_clear()
            .envs(&start.environment)
            .env(MARK, folder)
            .env("CLOUD_DIR", &cloud)
            .env("HOME", &home)
            .env("TMPDIR", &temporary)
            .env("PATH", commands)
            .current_dir(&home)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(console.try_clone()?)
            .stderr(console)
            .spawn()?;
        let mark = format!("{MARK}={}", folder.display()).into_bytes();
        Ok(Processes { leader, mark })
    }

    /// The leader's number, which is its group's.
    pub(super) fn leader(&self) -> u32 {
        self.leader.id()
    }

    /// Ends them: politely first, after `grace` by force.
    pub(super) async fn end(self, grace: Duration) {
        self.signal(Signal::TERM);
        let (began, mut pause) = (Instant::now(), Duration::from_millis(10));
        while !self.members().is_empty() && began.elapsed() < grace {
            tokio::time::sleep(pause).await;
            // Looking at all processes is not for nothing.
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.leader.id()).ok()?)
    }

    /// All that are alive, but the leader.
    fn members(&self) -> Vec<Pid> {
        let Ok(folders) = fs::read_dir("/proc") else { return Vec::new() };
        let names = folders.filter_map(|folder| folder.ok()?.file_name().to_str()?.parse().ok());
        let pids = names.filter_map(Pid::from_raw).filter(|pid| Some(*pid) != self.pid());
        pids.filter(|pid| self.is_member(*pid)).collect()
    }

    fn is_member(&self, pid: Pid) -> bool {
        // What has ended and was not waited for has no environment any more.
        let Ok(environment) = fs::read(PathBuf::from(format!("/proc/{pid}/environ"))) else { return false };
        let is_marked = environment.split(|byte| *byte == 0).any(|variable| variable == self.mark);
        let is_grouped = || self.pid().is_some_and(|leader| getpgid(Some(pid)) == Ok(leader));
        is_marked || (!environment.is_empty() && is_grouped())
    }

    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.pid() {
            let _ = kill_process_group(leader, signal); // fails only if all have ended
        }
        for pid in self.members() {
            // The handle comes before the last look: else a number that changed its owner would hit a stranger.
            if let Ok(handle) = pidfd_open(pid, PidfdFlags::empty())
                && self.is_member(pid)
            {
                let _ = pidfd_send_signal(handle, signal); // it may have ended
            }
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for _ in 0..ROUNDS {
            self.signal(Signal::KILL);
            if self.members().is_empty() {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.leader.wait(); // it was killed with its group
    }
}

/// Leaves user data where cloud-init leaves it, below a folder that stands for `/var/lib/cloud`, and gives the file
/// that is run.
fn install(cloud: &Path, start: &Start<'_>) -> io::Result<PathBuf> {
    let (data, instance) = (cloud.join("data"), cloud.join("instances").join(start.id));
    let scripts = instance.join("scripts");
    fs::create_dir_all(&data)?;
    fs::create_dir_all(&scripts)?;
    fs::write(data.join("instance-id"), format!("{}\n", start.id))?;
    fs::write(instance.join("user-data.txt"), start.user_data)?;
    let script = scripts.join("part-001");
    fs::write(&script, start.user_data)?;
    Ok(script)
}

/// What runs user data: what its first line names, with the one argument that a kernel passes on.
fn interpreter(user_data: &[u8]) -> Vec<String> {
    let line = user_data.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let Some(named) = line.strip_prefix("#!") else {
        let said = "echo 'the user data is not run: it does not begin with #!'";
        return ["/bin/sh", "-c", said].map(String::from).into();
    };
    named.trim().splitn(2, char::is_whitespace).map(|part| part.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_the_interpreter() {
        assert_eq!(interpreter(b"#!/bin/sh\ntrue"), ["/bin/sh"]);
        assert_eq!(interpreter(b"#! /usr/bin/env  python3 -u\n"), ["/usr/bin/env", "python3 -u"]);
        assert_eq!(interpreter(b"#cloud-config\n")[..2], ["/bin/sh", "-c"]);
        assert_eq!(interpreter(b"")[..2], ["/bin/sh", "-c"]);
    }
}
