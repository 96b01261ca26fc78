//! `cargo xtask aws`: what needs Amazon's libraries. They take minutes to build, so that nothing else builds them.
//!
//! The replay of Amazon is judged by Amazon's own client for Python, the observers by that replay and by an emulator that
//! others wrote, and so is a fleet on EC2. Whole fleets are launched by the coordinator's own program against the fake of EC2. Both Python packages are put into a folder of their own below cargo's.

use std::path::Path;

use anyhow::Result;

use crate::agent;
use crate::command::{cargo, succeed};
use crate::python;

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
    "rehearsal-coordinator/aws,rehearsal-coordinator/ec2,rehearsal-ec2/sdk",
];
/// Whole fleets, which wait for more than a minute each, side by side.
const FLEETS: [&str; 5] = ["--ignore-default-filter", "-E", "binary(fleet)", "--test-threads", "9"];
/// Where tests of fleets find the agent that instances download.
const AGENT: &str = "REHEARSAL_TEST_AGENT";

/// Checks and tests it; returns what was skipped, to be said again at the end.
pub fn run(root: &Path, test: &[&str]) -> Result<Option<String>> {
    succeed(cargo(root, &[&["clippy", "--all-targets"], &CRATES[..], &["--", "-D", "warnings"]].concat()))?;
    let agent = agent::build(root, agent::FOR_TESTS)?;
    let mut tests = cargo(root, &[test, &CRATES].concat());
    tests.env(AGENT, &agent);
    let skipped = match python::provide(root, "python-aws", &PACKAGES) {
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
    // Others than nextest have run them already.
    if test.contains(&"nextest") {
        let mut fleets = cargo(root, &[test, &CRATES, &FLEETS].concat());
        fleets.env(AGENT, &agent);
        succeed(fleets)?;
    }
    Ok(skipped)
}
