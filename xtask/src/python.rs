//! Python packages of others, each set in a folder of its own below cargo's.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::command::{succeed, target};

/// Sees that there is an interpreter with these packages, and gives its path. `folder` is the set's name.
///
/// # Errors
/// When they cannot be had: no Python, no network.
pub fn provide(root: &Path, folder: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = target(root).join(folder);
    let python = folder.join("bin/python");
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&folder);
    succeed(make)?;
    // What is there already is left alone.
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
    succeed(install)?;
    Ok(python)
}
