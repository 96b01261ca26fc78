//! The fake EC2 judged by Amazon's own client for Python, in an environment of its own below `target`.

use std::path::Path;
use std::process::Command;

use rehearsal_fake_ec2::FakeEc2;

use crate::asking::quiet;
use crate::python::{interpreter_with, said};

/// The client and the version that the questions are written for.
const CLIENT: &str = "boto3==1.44.5";

#[test]
fn boto3_finds_nothing_wrong() {
    let python = match interpreter_with(CLIENT) {
        Ok(python) => python,
        Err(why) => {
            eprintln!("SKIPPED: boto3_finds_nothing_wrong: {CLIENT} cannot be had: {why}");
            return;
        }
    };
    let fake = FakeEc2::start(quiet()).unwrap();
    let questions = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ec2/judge.py");
    let judged = Command::new(python).arg(questions).arg(fake.url()).output().unwrap();
    assert!(judged.status.success(), "{}", said(&judged));
    // One that asked nothing would find nothing, too.
    let answered = String::from_utf8_lossy(&judged.stdout).lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(answered, 13, "{}", said(&judged));
}
