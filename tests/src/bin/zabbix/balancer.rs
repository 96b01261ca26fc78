//! A HAProxy in front of the instances, with slots that are filled and emptied while it runs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::process::{Account, Process, free_port, ready};

/// How long it may take to answer.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long it may take to find an instance well, of which it asks twice a second.
const CHECKED_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The name of the backend.
pub const BACKEND: &str = "web";

/// A running HAProxy.
#[derive(Debug)]
pub struct Balancer {
    /// Where viewers go.
    pub url: String,
    /// The socket on which one may only look.
    pub statistics: PathBuf,
    control: PathBuf,
    _process: Process,
}

impl Balancer {
    /// Starts one with as many free slots; they are numbered from 1.
    ///
    /// # Errors
    /// When it does not start, with the end of its log.
    pub async fn start(account: Account, folder: &Path, slots: u32) -> Result<Self> {
        let own = account.folder(&folder.join("balancer"))?;
        let port = free_port()?;
        let (control, statistics) = (own.join("control.sock"), own.join("statistics.sock"));
        let configuration = configuration(port, &control, &statistics, slots);
        let file = own.join("haproxy.cfg");
        std::fs::write(&file, configuration).context("configuring HAProxy")?;
        let mut command = account.command("haproxy");
        command.arg("-db").arg("-f").arg(file);
        let mut process = Process::start("balancer", folder, command)?;
        let answers = async || ask(&control, "show info").await.is_ok();
        ready(&mut process, folder, READY_WITHIN, answers).await?;
        Ok(Self { url: format!("http://127.0.0.1:{port}"), statistics, control, _process: process })
    }

    /// Puts an instance that listens on a port of loopback into a slot, where it gets work, and waits until it has passed
    /// its check.
    ///
    /// # Errors
    /// When HAProxy does not do it.
    pub async fn fill(&self, slot: u32, port: u16) -> Result<()> {
        ask(&self.control, &format!("set server {BACKEND}/s{slot} addr 127.0.0.1 port {port}")).await?;
        self.order(&format!("enable health {BACKEND}/s{slot}")).await?;
        self.order(&format!("set server {BACKEND}/s{slot} state ready")).await?;
        let until = Instant::now() + CHECKED_WITHIN;
        while !self.sessions().await?.is_checked(slot) {
            ensure!(Instant::now() < until, "HAProxy does not find the instance at port {port} well");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Sends nobody new to a slot; those whose session is there go on.
    ///
    /// # Errors
    /// When HAProxy does not do it.
    pub async fn drain(&self, slot: u32) -> Result<()> {
        self.order(&format!("set server {BACKEND}/s{slot} state drain")).await
    }

    /// Empties a slot.
    ///
    /// # Errors
    /// When HAProxy does not do it.
    pub async fn empty(&self, slot: u32) -> Result<()> {
        self.order(&format!("set server {BACKEND}/s{slot} state maint")).await
    }

    /// Counts what is open between HAProxy and each slot.
    ///
    /// # Errors
    /// When HAProxy does not tell.
    pub async fn sessions(&self) -> Result<Sessions> {
        ask(&self.control, "show stat").await.map(Sessions)
    }

    /// Gives an order, to which the answer is silence.
    async fn order(&self, order: &str) -> Result<()> {
        let answer = ask(&self.control, order).await?;
        ensure!(answer.trim().is_empty(), "`{order}`: HAProxy says {answer}");
        Ok(())
    }
}

/// The table of `show stat`.
#[derive(Debug)]
pub struct Sessions(String);

impl Sessions {
    /// What is open now between HAProxy and a slot: the sockets of its viewers, and their requests in hand.
    ///
    /// # Errors
    /// When the table does not have it.
    pub fn of(&self, slot: u32) -> Result<u64> {
        let sessions = self.find(slot, "scur").and_then(|sessions| sessions.parse().ok());
        sessions.with_context(|| format!("no sessions of slot {slot} in {}", self.0))
    }

    /// Whether a slot is up and in full health: not only let in.
    fn is_checked(&self, slot: u32) -> bool {
        self.find(slot, "status") == Some("UP")
            && self.find(slot, "check_status").is_some_and(|last| last.contains("OK"))
    }

    fn find(&self, slot: u32, cell: &str) -> Option<&str> {
        let mut lines = self.0.trim_start_matches("# ").lines();
        let header = lines.next()?;
        let column = |name: &str| header.split(',').position(|column| column == name);
        let (backend, name, wanted) = (column("pxname")?, column("svname")?, column(cell)?);
        let server = format!("s{slot}");
        let mut rows = lines.map(|line| line.split(',').collect::<Vec<_>>());
        let row = rows.find(|row| row.get(backend) == Some(&BACKEND) && row.get(name) == Some(&server.as_str()))?;
        row.get(wanted).copied()
    }
}

fn configuration(port: u16, control: &Path, statistics: &Path, slots: u32) -> String {
    let (control, statistics) = (control.display(), statistics.display());
    // Sessions live in one instance each, so viewers stay with theirs: also while it drains.
    format!(
        "global\n  stats socket {control} mode 600 level admin\n  stats socket {statistics} mode 600 level user\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  timeout tunnel 1h\n\
         \x20 option redispatch\n\
         frontend show\n  bind 127.0.0.1:{port}\n  default_backend {BACKEND}\n\
         backend {BACKEND}\n  balance leastconn\n  cookie instance insert indirect nocache dynamic\n\
         \x20 dynamic-cookie-key show\n  option httpchk GET /\n  default-server check inter 500ms rise 1 fall 2\n\
         \x20 server-template s 1-{slots} 127.0.0.1:1 disabled\n"
    )
}

async fn ask(socket: &Path, question: &str) -> Result<String> {
    let asking = || format!("asking HAProxy `{question}`");
    let mut stream = UnixStream::connect(socket).await.with_context(asking)?;
    stream.write_all(format!("{question}\n").as_bytes()).await.with_context(asking)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.with_context(asking)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_those_of_the_server() {
        let table =
            "# pxname,svname,qcur,scur,\nshow,FRONTEND,,9,\nother,s1,0,8,\nweb,s1,0,3,\nweb,s2,0,,\nweb,BACKEND,0,3,\n";
        let table = Sessions(table.into());
        assert_eq!(table.of(1).unwrap(), 3);
        assert!(table.of(2).is_err(), "empty is no zero");
        assert!(table.of(3).is_err());
        assert!(Sessions(String::new()).of(1).is_err());
    }
}
