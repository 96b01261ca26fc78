//! The pages of the coordinator: types, their own tests and the bundle; and the browser that end-to-end tests drive.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::command::{shown, succeed};
use crate::packages;

/// What end-to-end tests with a browser look for when there is none: they fail unless it is set.
pub const SKIP_BROWSER: &str = "REHEARSAL_SKIP_BROWSER";
/// Debian's packages of it.
const BROWSER: [&str; 2] = ["chromium", "chromium-driver"];

/// Checks the pages' types, runs their tests, bundles them.
pub fn check(root: &Path) -> Result<()> {
    ensure!(is_there("npm"), "npm is missing: install Node 20 or newer (a build without it has no dashboard)");
    for arguments in [&["ci", "--ignore-scripts", "--no-audit", "--no-fund"][..], &["run", "check"], &["run", "build"]]
    {
        let mut npm = Command::new("npm");
        npm.args(arguments).current_dir(root.join("coordinator/web"));
        succeed(npm)?;
    }
    Ok(())
}

/// Sees that the browser is there; false, said loudly, if it cannot be had.
pub fn provide_browser() -> Result<bool> {
    if is_there("chromium") && is_there("chromedriver") {
        return Ok(true);
    }
    if let Err(error) = packages::install(&BROWSER) {
        println!("SKIPPED: chromium with chromium-driver: {error:#}");
        return Ok(false);
    }
    Ok(true)
}

fn is_there(program: &str) -> bool {
    let mut version = Command::new(program);
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    version.status().with_context(|| shown(&version)).is_ok_and(|status| status.success())
}
