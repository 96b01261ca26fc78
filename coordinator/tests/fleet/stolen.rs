//! What somebody can do who has read an instance's user data: nothing but be refused.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use rehearsal_fake_ec2::Instance;

use crate::stage::{CALM, Stage, agent, until};

/// The join blob in the user data of an instance: its metadata service gives it to every process there.
fn stolen(instance: &Instance) -> String {
    let script = String::from_utf8(instance.user_data.clone()).unwrap();
    let line = script.lines().find(|line| line.starts_with("j=")).unwrap();
    line["j=".len()..].to_owned()
}

/// Runs an agent with a stolen blob; gives what it says until it gives up, or is killed.
fn try_to_join(stage: &Stage, blob: &str, instance: &str, until_it_says: &str) -> String {
    let log = stage.folder().join(format!("thief-{instance}.log"));
    let mut thief = Command::new(agent())
        .args(["--instance", instance])
        .env("REHEARSAL_JOIN", blob)
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9")
        .stdin(Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let said = || fs::read_to_string(&log).unwrap();
    until(&format!("the thief to be told `{until_it_says}`"), 60, || {
        said().contains(until_it_says) || thief.try_wait().unwrap().is_some()
    });
    let _ = thief.kill(); // it may have given up
    thief.wait().unwrap();
    said()
}

#[test]
fn a_stolen_blob_admits_nobody() {
    let stage = Stage::of(CALM, "20s", "20s");
    let mut called = stage.start("start", &["--agents", "ec2:2"]);
    until("the run to go on", 120, || {
        assert!(!called.has_ended(), "{}", called.said());
        called.said().contains("running")
    });
    let instances = stage.fake.instances();
    let blob = stolen(&instances[0]);
    // On the instance itself, or under its name: it has an agent.
    let twice = try_to_join(&stage, &blob, &instances[0].id, "has agent");
    assert!(twice.contains("uses it a second time"), "{twice}");
    // Under a name that nobody launched: never vouched for.
    let unknown = try_to_join(&stage, &blob, "i-0badbadbadbadbad0", "not known yet");
    assert!(unknown.contains("not known yet as one of the fleet's"), "{unknown}");
    let (status, said) = called.ended(300);
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(stage.summary()["agents"].as_array().unwrap().len(), 2, "nobody else has ever played");
}

#[test]
fn user_data_holds_nothing_but_the_blob() {
    let stage = Stage::of(CALM, "2s", "60s");
    let called = stage.start("start", &["--agents", "ec2:1"]);
    stage.until("an instance", 60, |fake| !fake.instances().is_empty());
    let script = String::from_utf8(stage.fake.instances()[0].user_data.clone()).unwrap();
    assert!(script.len() <= 2_048, "{} bytes", script.len());
    for secret in ["AWS_", "AKIA", "/api/heartbeat", "fn plan"] {
        assert!(!script.contains(secret), "{secret} in {script}");
    }
    // Ctrl-C ends it all.
    let pid = rustix::process::Pid::from_raw(i32::try_from(called.id()).unwrap()).unwrap();
    for _ in 0..2 {
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        std::thread::sleep(Duration::from_millis(300));
    }
    let _ = called.ended(300);
    assert_eq!(stage.fake.alive(), 0);
}
