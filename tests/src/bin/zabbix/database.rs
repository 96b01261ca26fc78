//! A PostgreSQL of our own with Zabbix's tables: on a Unix socket alone, in a folder that goes with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::process::{Account, Process, ready, run};

/// How long it may take to answer.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// The name of the database and of its owner.
pub const NAME: &str = "zabbix";
/// Zabbix's tables and first rows, in the only order in which they fit.
const TABLES: [&str; 3] = ["schema", "images", "data"];
const TABLES_FOLDER: &str = "/usr/share/zabbix-server-pgsql";
/// Where Debian puts the programs of each version.
const PROGRAMS: &str = "/usr/lib/postgresql";

/// A running database.
#[derive(Debug)]
pub struct Database {
    /// The folder of its socket.
    pub socket: PathBuf,
    _process: Process,
}

impl Database {
    /// Makes a cluster, starts it and fills it.
    ///
    /// # Errors
    /// When any of that fails.
    pub async fn start(account: Account, folder: &Path) -> Result<Self> {
        let socket = account.folder(&folder.join("database"))?;
        let programs = newest_version()?;
        let data = socket.join("data");
        let initialise = ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-U", NAME, "-D"];
        run(account.command(programs.join("initdb")).args(initialise).arg(&data))?;
        // Killed, this program leaves a Zabbix server that does not end without its database: which then waits for it.
        let mut server = account.command_told(programs.join("postgres"), "TERM");
        server.arg("-D").arg(&data).arg("-k").arg(&socket);
        // Nobody needs the data tomorrow.
        for setting in ["listen_addresses=", "fsync=off", "synchronous_commit=off", "full_page_writes=off"] {
            server.arg("-c").arg(setting);
        }
        let mut process = Process::start("database", folder, server)?;
        let answers = || run(Command::new(programs.join("pg_isready")).arg("-q").arg("-h").arg(&socket)).is_ok();
        ready(&mut process, folder, READY_WITHIN, async || answers()).await?;
        let createdb = ["-U", NAME, NAME, "-h"];
        run(Command::new(programs.join("createdb")).args(createdb).arg(&socket))?;
        fill(&programs, &socket)?;
        Ok(Self { socket, _process: process })
    }
}

/// The programs of the newest version.
fn newest_version() -> Result<PathBuf> {
    let versions = std::fs::read_dir(PROGRAMS).with_context(|| format!("looking for PostgreSQL in {PROGRAMS}"))?;
    let numbers = versions.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let newest = numbers.max().with_context(|| format!("no version of PostgreSQL in {PROGRAMS}"))?;
    Ok(Path::new(PROGRAMS).join(newest.to_string()).join("bin"))
}

fn fill(programs: &Path, socket: &Path) -> Result<()> {
    let files = TABLES.map(|name| Path::new(TABLES_FOLDER).join(format!("{name}.sql.gz")));
    let mut unpack = Command::new("zcat").args(files).stdout(Stdio::piped()).spawn().context("unpacking the tables")?;
    let text = unpack.stdout.take().context("unpacking the tables")?;
    let mut psql = Command::new(programs.join("psql"));
    psql.args(["--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "-U", NAME, NAME, "-h"]).arg(socket);
    let output = psql.stdin(text).output().context("filling the database")?;
    let unpacked = unpack.wait().context("unpacking the tables")?;
    ensure!(output.status.success(), "filling the database: {}", String::from_utf8_lossy(&output.stderr));
    ensure!(unpacked.success(), "unpacking the tables: {unpacked}");
    Ok(())
}
