//! One instance of the show: the demo in a process of its own.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::process::{Account, Process, ready};

/// How long it may take to listen.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A running instance.
#[derive(Debug)]
pub struct Instance {
    pub name: String,
    /// The slot of the balancer that it fills.
    pub slot: u32,
    pub port: u16,
    pub process: Process,
    pub started: Instant,
    /// By which the monitor knows it, while it does.
    pub host: Option<String>,
    pub leaving: Option<Leaving>,
}

/// The end of an instance.
#[derive(Debug)]
pub struct Leaving {
    pub since: Instant,
    /// In how many looks since then nothing was open there.
    pub idle_looks: u32,
}

impl Instance {
    /// Starts one and waits until it listens; its number was never used before.
    ///
    /// # Errors
    /// When it does not start, with the end of its log.
    pub async fn start(program: &Path, folder: &Path, number: u32, slot: u32) -> Result<Self> {
        let name = format!("web-{number}");
        let mut command = Account::ourselves().command(program);
        command.args(["demo", "--listen", "127.0.0.1:0"]);
        let mut process = Process::start(&name, folder, command)?;
        let log = folder.join(format!("{name}.log"));
        let port = || port(&std::fs::read_to_string(&log).unwrap_or_default());
        ready(&mut process, folder, READY_WITHIN, async || port().is_some()).await?;
        let port = port().context("an instance forgot where it listens")?;
        Ok(Self { name, slot, port, process, started: Instant::now(), host: None, leaving: None })
    }

    /// Begins its end.
    pub fn leave(&mut self) {
        self.leaving = Some(Leaving { since: Instant::now(), idle_looks: 0 });
    }
}

/// Reads the port of the address that the demo says first.
fn port(said: &str) -> Option<u16> {
    let (address, _) = said.split_once('\n')?;
    address.strip_prefix("http://")?.rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_once_the_line_is_complete() {
        assert_eq!(port("http://127.0.0.1:4321\n"), Some(4321));
        assert_eq!(port("http://127.0.0.1:43"), None);
        assert_eq!(port(""), None);
    }
}
