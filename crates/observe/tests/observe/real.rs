//! Real programs on free ports: installed if they can be, started by the test, ended with it.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

/// Only one package manager at a time.
static INSTALLING: Mutex<()> = Mutex::new(());

/// A program that ends with the test.
pub struct Program(Child);

impl Program {
    /// Starts a program, unless it cannot be had on this machine: then the test has to say so and stop.
    pub fn start(name: &str, package: &str, arguments: &[&str]) -> Option<Program> {
        if !is_installed(name) {
            let _one = INSTALLING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            install(package);
        }
        if !is_installed(name) {
            eprintln!("SKIPPED: {name} cannot be had (as root, `apt-get install {package}` was tried)");
            return None;
        }
        let mut command = Command::new(name);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Some(Program(command.spawn().unwrap()))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Gives a port of loopback that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn is_installed(name: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {name}")]).stdout(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

fn install(package: &str) {
    for arguments in [&["update"][..], &["install", "--no-install-recommends", package]] {
        let mut command = Command::new("apt-get");
        command.args(["-q", "-y"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}
