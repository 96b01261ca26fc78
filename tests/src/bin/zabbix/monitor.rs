//! The Zabbix server and its frontend, which has the API.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::database::{self, Database};
use crate::process::{Account, Process, free_port, free_port_below, ready, run};
use crate::rpc::Rpc;

/// How long each of them may take to answer.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Debian's frontend, and the file in it that says where its configuration is.
const FRONTEND: &str = "/usr/share/zabbix";
const FRONTEND_READS: &str = "include/classes/core/CConfigFile.php";
const DEBIAN_PLACE: &str = "'/etc/zabbix/zabbix.conf.php'";

/// The server takes lower ports only.
const FIRST_PORT_REFUSED: u16 = 32_768;

/// A running Zabbix.
#[derive(Debug)]
pub struct Monitor {
    /// The address of its API.
    pub url: String,
    /// The port for values that are sent to it.
    pub port: u16,
    // What needs the other is dropped first.
    _frontend: Process,
    _server: Process,
    _database: Database,
}

impl Monitor {
    /// Starts a Zabbix that knows nothing yet, in a folder.
    ///
    /// # Errors
    /// When anything does not start, with the end of its log.
    pub async fn start(account: Account, folder: &Path) -> Result<Self> {
        let database = Database::start(account, folder).await?;
        let port = free_port_below(FIRST_PORT_REFUSED)?;
        let mut server = start_server(account, folder, &database, port)?;
        let listens = async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok();
        ready(&mut server, folder, READY_WITHIN, listens).await?;
        let http_port = free_port()?;
        let url = format!("http://127.0.0.1:{http_port}/api_jsonrpc.php");
        let mut frontend = start_frontend(account, folder, &database, port, http_port)?;
        let api = Rpc::anonymous(&url)?;
        let answers = async || api.call("apiinfo.version", json!([])).await.is_ok();
        ready(&mut frontend, folder, READY_WITHIN, answers).await?;
        Ok(Self { url, port, _frontend: frontend, _server: server, _database: database })
    }
}

fn start_server(account: Account, folder: &Path, database: &Database, port: u16) -> Result<Process> {
    let own = account.folder(&folder.join("monitor"))?;
    let (own_path, socket, name) = (own.display(), database.socket.display(), database::NAME);
    // One worker of each kind. New hosts are known within a second, as their first values would be refused until then.
    let configuration = format!(
        "ListenIP=127.0.0.1\nListenPort={port}\nLogType=console\nPidFile={own_path}/server.pid\nSocketDir={own_path}\n\
         DBHost={socket}\nDBName={name}\nDBUser={name}\nCacheUpdateFrequency=1\nHousekeepingFrequency=0\nCacheSize=16M\n\
         StartPollers=0\nStartHistoryPollers=1\nStartTrappers=2\nStartPollersUnreachable=0\nStartDiscoverers=0\nStartHTTPPollers=0\n\
         StartPingers=0\nStartEscalators=1\nStartAlerters=1\nStartPreprocessors=1\nStartLLDProcessors=1\nStartDBSyncers=1\n"
    );
    let file = own.join("server.conf");
    std::fs::write(&file, configuration).context("configuring the Zabbix server")?;
    let mut command = account.command("/usr/sbin/zabbix_server");
    command.arg("--foreground").arg("--config").arg(file);
    Process::start("monitor", folder, command)
}

/// The frontend by PHP's own server: a copy, because Debian's reads its configuration from one place for all.
fn start_frontend(account: Account, folder: &Path, database: &Database, server: u16, port: u16) -> Result<Process> {
    let site = account.folder(&folder.join("frontend"))?;
    run(account.command("cp").args(["-r", "--no-preserve=mode"]).arg(format!("{FRONTEND}/.")).arg(&site))?;
    let place = format!("'{}'", site.join("conf/zabbix.conf.php").display());
    let reader = site.join(FRONTEND_READS);
    let code = std::fs::read_to_string(&reader).context("reading the frontend")?;
    ensure!(code.contains(DEBIAN_PLACE), "this frontend does not read {DEBIAN_PLACE}");
    std::fs::write(&reader, code.replace(DEBIAN_PLACE, &place)).context("writing the frontend")?;
    let (socket, name) = (database.socket.display(), database::NAME);
    let configuration = format!(
        "<?php\n$DB = ['TYPE' => 'POSTGRESQL', 'SERVER' => '{socket}', 'PORT' => '0', 'DATABASE' => '{name}', 'USER' => '{name}',\n\
         'PASSWORD' => '', 'SCHEMA' => '', 'ENCRYPTION' => false, 'DOUBLE_IEEE754' => true];\n\
         $ZBX_SERVER = '127.0.0.1'; $ZBX_SERVER_PORT = '{server}'; $IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;\n"
    );
    std::fs::write(site.join("conf/zabbix.conf.php"), configuration).context("configuring the frontend")?;
    let mut command: Command = account.command("php");
    command.args(["-d", "max_execution_time=300", "-d", "date.timezone=UTC", "-S", &format!("127.0.0.1:{port}"), "-t"]);
    command.arg(&site);
    Process::start("frontend", folder, command)
}
