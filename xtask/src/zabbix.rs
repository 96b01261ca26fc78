//! `cargo xtask zabbix`: a real Zabbix scales real instances behind a real HAProxy, and rehearsals judge it.
//!
//! Here programs are installed and built; what is done with them is in `tests/src/bin/zabbix`.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::command::{cargo, succeed, target};
use crate::packages;

/// Debian's packages of what it needs.
const PACKAGES: [&str; 6] =
    ["zabbix-server-pgsql", "zabbix-frontend-php", "postgresql", "php-cli", "php-pgsql", "haproxy"];

#[derive(clap::Args, Default)]
pub struct Options {
    /// What is played: healthy, frozen, harsh; without, all of it
    #[arg(long, value_name = "RUN,…", value_delimiter = ',')]
    runs: Vec<String>,
    /// Leaves the runs' folders, also when all is well
    #[arg(long)]
    keep: bool,
}

/// Installs, builds and runs it; false, said loudly, if what it needs cannot be had.
pub fn run(root: &Path, options: &Options) -> Result<bool> {
    if let Err(error) = packages::provide(&PACKAGES) {
        println!("SKIPPED: the loop with Zabbix, for which {} are needed: {error:#}", PACKAGES.join(", "));
        return Ok(false);
    }
    // With a test, cargo takes the libraries as `cargo nextest run --workspace` has built them.
    succeed(cargo(root, &["build", "--quiet", "--workspace", "--bins", "--test", "language"]))?;
    let mut zabbix = Command::new(target(root).join("debug/zabbix"));
    zabbix.current_dir(root);
    if !options.runs.is_empty() {
        zabbix.args(["--runs", &options.runs.join(",")]);
    }
    if options.keep {
        zabbix.arg("--keep");
    }
    succeed(zabbix).map(|()| true)
}
