//! Programs in the foreground: each ends with this one, whichever way this one ends.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// How often something that is awaited is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a program may take to end in order; then it is killed.
const END_WITHIN: Duration = Duration::from_secs(10);
/// The account that Debian's packages bring along for Zabbix.
const ACCOUNT: &str = "zabbix";

/// As whom programs run that refuse to be root: PostgreSQL and the Zabbix server.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    is_root: bool,
}

impl Account {
    /// Whoever we are or, as root, the account of Zabbix.
    pub fn unprivileged() -> Self {
        Self { is_root: rustix::process::geteuid().is_root() }
    }

    /// Whoever we are.
    pub fn ourselves() -> Self {
        Self { is_root: false }
    }

    /// Makes a folder that belongs to it and is closed to others.
    ///
    /// # Errors
    /// When it cannot be made, or the account does not get there.
    pub fn folder(self, path: &Path) -> Result<PathBuf> {
        std::fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))?;
        if self.is_root {
            run(Command::new("chown").arg(format!("{ACCOUNT}:{ACCOUNT}")).arg(path))?;
        }
        run(Command::new("chmod").arg("700").arg(path))?;
        let reaches = self.command("test").arg("-w").arg(path).status().context("trying a folder")?;
        ensure!(reaches.success(), "the account {ACCOUNT} does not get to {}", path.display());
        Ok(path.to_owned())
    }

    /// A program as this account, which is interrupted when the thread that started it is gone.
    pub fn command(self, program: impl AsRef<OsStr>) -> Command {
        self.command_told(program, "INT")
    }

    /// A program as this account, which gets a signal when the thread that started it is gone.
    pub fn command_told(self, program: impl AsRef<OsStr>, signal: &str) -> Command {
        let mut command = Command::new("setpriv");
        if self.is_root {
            command.args(["--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups"]);
        }
        command.args(["--pdeathsig", signal, "--"]).arg(program);
        command
    }
}

/// A program that runs; ended in order, by its own number, when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts it. What it says goes into `NAME.log` in the folder.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, folder: &Path, mut command: Command) -> Result<Self> {
        let log = File::create(folder.join(format!("{name}.log"))).with_context(|| format!("making {name}.log"))?;
        let output = log.try_clone().with_context(|| format!("making {name}.log"))?;
        command.stdin(Stdio::null()).stdout(output).stderr(log);
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn ended(&mut self) -> Result<Option<std::process::ExitStatus>> {
        self.child.try_wait().with_context(|| format!("looking after {}", self.name))
    }

    /// Does what `kill -9` does.
    pub fn kill(&mut self) {
        // Both fail only for a process that is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end.
    pub fn interrupt(&mut self) {
        if let Ok(None) = self.child.try_wait()
            && let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
        {
            // It is not waited for yet, so its number is still its own.
            let _ = kill_process(pid, Signal::INT);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.interrupt();
        let asked = Instant::now();
        while asked.elapsed() < END_WITHIN {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        eprintln!("{} does not end when it is asked to", self.name);
        self.kill();
    }
}

/// Waits until a program is ready, by trying.
///
/// # Errors
/// When it ended, or is not ready in time; with the last lines of its log.
pub async fn ready(
    process: &mut Process,
    folder: &Path,
    within: Duration,
    mut is_ready: impl AsyncFnMut() -> bool,
) -> Result<()> {
    let began = Instant::now();
    while !is_ready().await {
        let ended = process.ended()?;
        if ended.is_some() || began.elapsed() > within {
            let end = ended.map_or(format!("is not ready after {within:?}"), |status| format!("ended: {status}"));
            bail!("{} {end}\n{}", process.name, last_lines(&folder.join(format!("{}.log", process.name))));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Runs a command to its end.
///
/// # Errors
/// When it fails, with what it said.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("running {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(said)
}

/// A port of loopback where nobody listens now.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener.local_addr().context("looking for a free port")?.port())
}

/// Such a port below a bound: those that the system hands out lie higher.
///
/// # Errors
/// When there is none.
pub fn free_port_below(bound: u16) -> Result<u16> {
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (bound / 2..bound).rev().find(is_free).with_context(|| format!("looking for a free port below {bound}"))
}

/// The end of a log, for people.
pub fn last_lines(path: &Path) -> String {
    let mut text = String::new();
    // A log that cannot be read is shown as none.
    let _ = File::open(path).and_then(|mut log| log.read_to_string(&mut text));
    let lines: Vec<&str> = text.lines().rev().take(15).collect();
    lines.into_iter().rev().map(|line| format!("    {line}\n")).collect()
}
