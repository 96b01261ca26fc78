//! `cargo xtask aws`: what needs Amazon's libraries. They take minutes to build, so that nothing else builds them.
//!
//! The replay of Amazon is judged by Amazon's own client for Python, the observers by that replay and by an emulator that
//! others wrote. Both Python packages are put into a folder of their own below cargo's.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::command::{cargo, succeed, target};

/// The packages, at the versions whose answers the tests know.
const PACKAGES: [&str; 2] = ["boto3==1.44.5", "moto[server]==5.2.5"];
/// What the tests look for: an interpreter that has the packages, or leave to go without.
const PYTHON: &str = "REHEARSAL_AWS_PYTHON";
const SKIP: &str = "REHEARSAL_SKIP_AWS_PYTHON";
/// Everything that needs Amazon's libraries, and the replay that does not. The coordinator that has them is among it,
/// since nothing else ever builds it.
const CRATES: [&str; 10] = [
    "-p",
    "rehearsal-observe-aws",
    "-p",
    "rehearsal-fake-aws",
    "-p",
    "rehearsal-coordinator",
    "-p",
    "rehearsal-ec2",
    "--features",
    "rehearsal-coordinator/aws,rehearsal-ec2/sdk",
];

/// Checks and tests it; returns what was skipped, to be said again at the end.
pub fn run(root: &Path, test: &[&str]) -> Result<Option<String>> {
    succeed(cargo(root, &[&["clippy", "--all-targets"], &CRATES[..], &["--", "-D", "warnings"]].concat()))?;
    let mut tests = cargo(root, &[test, &CRATES].concat());
    let skipped = match provide_python(root) {
        Ok(python) => {
            tests.env(PYTHON, python);
            None
        }
        Err(error) => {
            tests.env(SKIP, "1");
            let text = format!("SKIPPED: all tests with boto3 and moto, which could not be installed: {error:#}");
            println!("{text}");
            Some(text)
        }
    };
    succeed(tests)?;
    Ok(skipped)
}

/// Sees that there is an interpreter with the packages, and gives its path.
fn provide_python(root: &Path) -> Result<PathBuf> {
    let folder = target(root).join("python-aws");
    let python = folder.join("bin/python");
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&folder);
    succeed(make)?;
    // What is there already is left alone.
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
    succeed(install)?;
    Ok(python)
}
