//! Building and running programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A cargo command in the workspace.
pub fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(arguments);
    command
}

/// Where cargo puts what it builds.
pub fn target(root: &Path) -> PathBuf {
    let chosen = std::env::var_os("CARGO_TARGET_DIR");
    root.join(chosen.map_or("target".into(), PathBuf::from))
}

/// Runs a command to its end.
pub fn succeed(mut command: Command) -> Result<()> {
    let status = command.status().with_context(|| format!("running {}", shown(&command)))?;
    ensure!(status.success(), "{}: {status}", shown(&command));
    Ok(())
}

/// A command as people would type it.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
