//! Starting programs on a core of their own, and what the kernel says about them.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::command::shown;

/// How often something that is awaited is looked at.
pub const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long a server may take to listen.
const START_WITHIN: Duration = Duration::from_secs(10);
/// The kernel's unit for CPU time in `/proc`, USER_HZ: 100 on every platform that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// A command that runs on one core.
pub fn pinned(cpu: u32, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &cpu.to_string()]).arg(program);
    command
}

/// A server in a process of its own, killed when this goes.
pub struct Server(Child);

impl Server {
    /// Starts it and waits until it listens.
    pub fn start(mut command: Command, address: SocketAddr) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("starting {}", shown(&command)))?;
        let mut server = Self(child);
        let deadline = Instant::now() + START_WITHIN;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.0.try_wait().context("waiting for the server")? {
                bail!("{} ended at once: {status}", shown(&command));
            }
            ensure!(Instant::now() < deadline, "{} does not listen on {address}", shown(&command));
            sleep(LOOK_AGAIN);
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only for a process that is gone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A loopback address where nobody listens now.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    listener.local_addr().context("looking for a free port")
}

/// Lets the programs that are started from here open as many files as the system allows.
pub fn allow_many_files() -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).context("raising the limit of open files")
}

/// CPU time, user and system, of all ended children and their children, in seconds.
pub fn children_cpu() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("reading CPU times")?;
    children_ticks(&stat).map(|ticks| ticks as f64 / TICKS_PER_SECOND).context("reading CPU times")
}

/// Fields 16 and 17 of proc_pid_stat(5). The second is a name in parentheses that may hold anything.
fn children_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(13);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Resident memory of a process, in bytes.
pub fn resident(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/smaps_rollup");
    let rollup = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    resident_bytes(&rollup).with_context(|| format!("no resident size in {path}"))
}

fn resident_bytes(rollup: &str) -> Option<u64> {
    let size = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kib: u64 = size.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// How many files and sockets a process has open.
pub fn open_files(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/fd");
    let files = std::fs::read_dir(&path).with_context(|| format!("reading {path}"))?;
    Ok(files.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_times_are_read_past_any_name() {
        let stat = "12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 110 120 130 140 20 0 1";
        assert_eq!(children_ticks(stat), Some(130 + 140));
        assert_eq!(children_ticks("12 (short) S 1"), None);
        assert!(children_cpu().is_ok(), "this kernel's form is understood");
    }

    #[test]
    fn resident_memory_is_read_in_bytes() {
        let rollup = "00400000-7fff ---p 00000000 00:00 0    [rollup]\nRss:                3600 kB\nPss: 1 kB\n";
        assert_eq!(resident_bytes(rollup), Some(3600 * 1024));
        assert_eq!(resident_bytes("Pss: 1 kB\n"), None);
        assert!(resident(std::process::id()).is_ok_and(|bytes| bytes > 0));
    }
}
