//! Programs of others, by Debian's packages of them.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::command::succeed;

/// Sees that packages are installed.
///
/// # Errors
/// When they cannot be had: no Debian, no rights, no network.
pub fn provide(packages: &[&str]) -> Result<()> {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}\\n"]).args(packages).stderr(Stdio::null());
    let is_there = query.output().is_ok_and(|output| {
        let states = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success()
            && states.lines().count() == packages.len()
            && states.lines().all(|it| it == "installed")
    });
    if is_there { Ok(()) } else { install(packages) }
}

/// Installs packages, as root or by `sudo` without a question.
///
/// # Errors
/// When they cannot be had.
pub fn install(packages: &[&str]) -> Result<()> {
    println!("installing {}", packages.join(", "));
    apt(&["update"])?;
    apt(&[&["install", "-y", "--no-install-recommends"], packages].concat())
}

fn apt(arguments: &[&str]) -> Result<()> {
    let has_sudo = || Command::new("sudo").arg("--version").stdout(Stdio::null()).status().is_ok();
    let mut apt = match !rustix::process::geteuid().is_root() && has_sudo() {
        true => {
            let mut sudo = Command::new("sudo");
            sudo.args(["-n", "apt-get"]);
            sudo
        }
        false => Command::new("apt-get"),
    };
    apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
    succeed(apt)
}
