//! The fake Consul judged by somebody else's client: py-consul, in an environment of its own below `target`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rehearsal_fakes::FakeConsul;
use rehearsal_fakes::consul::Options;

/// The client and the version that the questions are written for.
const CLIENT: &str = "py-consul==1.8.0";

#[test]
fn py_consul_finds_nothing_wrong() {
    let python = match client() {
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

/// Sees that the client is installed, and gives the interpreter that has it.
fn client() -> Result<PathBuf, String> {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (environment, lock) = (target.join("py-consul"), target.join("py-consul.lock"));
    let python = environment.join("bin/python");
    // Another run of these tests may install it, too.
    let lock = File::create(lock).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let version = CLIENT.replace("==", " ");
    let is_there =
        format!("import importlib.metadata as m; assert 'py-consul ' + m.version('py-consul') == '{version}'");
    if run(&python, &["-c", &is_there]).is_err() {
        run(Path::new("python3"), &["-m", "venv", &environment.to_string_lossy()])?;
        run(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", CLIENT])?;
    }
    Ok(python)
}

fn run(program: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    if output.status.success() { Ok(()) } else { Err(said(&output)) }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
