//! The fake Consul judged by somebody else's client: py-consul, in an environment of its own below `target`.

use std::path::Path;
use std::process::Command;

use rehearsal_fakes::FakeConsul;
use rehearsal_fakes::consul::Options;

use crate::python::{interpreter_with, said};

/// The client and the version that the questions are written for.
const CLIENT: &str = "py-consul==1.8.0";

#[test]
fn py_consul_finds_nothing_wrong() {
    let python = match interpreter_with(CLIENT) {
        Ok(python) => python,
        Err(why) => {
            eprintln!("SKIPPED: py_consul_finds_nothing_wrong: {CLIENT} cannot be had: {why}");
            return;
        }
    };
    let open = FakeConsul::start().unwrap();
    let closed = FakeConsul::start_with(Options { token: Some("secret".into()), ..Options::default() }).unwrap();
    let questions = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/consul/judge.py");
    let ports = [&open, &closed].map(|consul| consul.address().port().to_string());
    let judged = Command::new(python).arg(questions).args(ports).output().unwrap();
    assert!(judged.status.success(), "{}", said(&judged));
    // One that asked nothing would find nothing, too.
    let answered = String::from_utf8_lossy(&judged.stdout).lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(answered, 9, "{}", said(&judged));
}
