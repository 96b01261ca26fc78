//! Somebody else's client for Python, in an environment of its own below `target`: the judge of a fake. Tests of other
//! crates have this file, too.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Sees that a package, such as `py-consul==1.8.0`, is installed, and gives the interpreter that has it.
pub fn interpreter_with(package: &str) -> Result<PathBuf, String> {
    let (name, version) = package.split_once("==").ok_or("a package has a version")?;
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (environment, lock) = (target.join(name), target.join(format!("{name}.lock")));
    let python = environment.join("bin/python");
    // Another run of these tests may install it, too.
    let lock = File::create(lock).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let is_there = format!("import importlib.metadata as m; assert m.version('{name}') == '{version}'");
    if run(&python, &["-c", &is_there]).is_err() {
        run(Path::new("python3"), &["-m", "venv", &environment.to_string_lossy()])?;
        run(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", package])?;
    }
    Ok(python)
}

fn run(program: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    if output.status.success() { Ok(()) } else { Err(said(&output)) }
}

/// All that a program said.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
