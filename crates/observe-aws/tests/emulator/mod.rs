//! What others wrote about Amazon, in Python: its own client, and an emulator of it. Tests of other crates have this file,
//! too; they need tokio's processes.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Where the interpreter is that has the packages; `cargo xtask aws` puts them there and says so.
const PYTHON: &str = "REHEARSAL_AWS_PYTHON";
/// Set where the packages cannot be had; without it, their lack is a failure.
const SKIP: &str = "REHEARSAL_SKIP_AWS_PYTHON";
/// How long the emulator may take to start on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Finds the interpreter, or says loudly which test goes without.
pub fn python(test: &str) -> Option<PathBuf> {
    if std::env::var_os(SKIP).is_some() {
        eprintln!("SKIPPED: {test}: the Python packages boto3 and moto could not be had");
        return None;
    }
    let python = std::env::var_os(PYTHON);
    Some(python.unwrap_or_else(|| panic!("{PYTHON} is not set: run `cargo xtask aws`")).into())
}

/// Runs a script of this crate to its end, and gives what it printed.
pub async fn run(python: &Path, script: &str, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let mut command = Command::new(python);
    command.arg(script).args(arguments).kill_on_drop(true).stdin(Stdio::null());
    let ended = command.output().await.unwrap();
    let (told, complained) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{told}\n{complained}");
    told.into_owned()
}

/// Starts the emulator on a free port, and gives its URL. It ends with the value.
pub async fn emulator(python: &Path) -> (Child, String) {
    let mut command = Command::new(python.with_file_name("moto_server"));
    command.args(["-H", "127.0.0.1", "-p", "0"]).env("MOTO_EC2_LOAD_DEFAULT_AMIS", "false");
    let mut server = command.kill_on_drop(true).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
    let url = tokio::time::timeout(PATIENCE, async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, url)) = line.split_once("Running on ") {
                return url.trim().to_owned();
            }
        }
        panic!("the emulator ended without saying where it answers");
    });
    let url = url.await.expect("the emulator says where it answers");
    // It goes on saying things, and would wait for somebody to listen.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (server, url)
}
