//! The program as people run it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rehearsal_fake_ec2::World;
use rustix::process::{Pid, Signal, kill_process};

use crate::asking::{PATIENCE, awaited, call_in, marked, texts};

fn world() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/five-regions.toml")
}

/// Ends the program with the test: politely, so that it removes its folder.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended and was waited for has no number any more that is its own.
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        }
        let began = Instant::now();
        while began.elapsed() < PATIENCE && matches!(self.0.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start() -> (Running, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fake-ec2"));
    command.arg(world()).args(["--listen", "127.0.0.1:0"]);
    let mut program = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut url = String::new();
    BufReader::new(program.0.stdout.take().unwrap()).read_line(&mut url).unwrap();
    (program, url.trim().to_owned())
}

/// Starts an instance that never ends by itself, and gives its folder.
async fn instance(url: &str) -> PathBuf {
    // "#!/bin/sh\nsetsid sleep 1000 &\nsleep 1001\n"
    let user_data = "IyEvYmluL3NoCnNldHNpZCBzbGVlcCAxMDAwICYKc2xlZXAgMTAwMQo=".replace('=', "%3D");
    let run = format!(
        "ImageId=resolve:ssm:/aws/service/ami-amazon-linux-latest/x-arm64&InstanceType=c7g.large&MinCount=1&MaxCount=1\
         &UserData={user_data}"
    );
    let (status, told) = call_in(url, "ap-northeast-1", "RunInstances", &run).await;
    assert_eq!(status, 200, "{told}");
    let began = Instant::now();
    loop {
        let told =
            reqwest::get(format!("{url}/fake/instances")).await.unwrap().json::<serde_json::Value>().await.unwrap();
        let folder = PathBuf::from(told[0]["folder"].as_str().unwrap());
        // The leader, the shell, and two that sleep.
        if marked(&folder).len() == 4 {
            return folder;
        }
        assert!(began.elapsed() < PATIENCE, "it does not run: {told}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_example_has_five_regions_with_a_trouble_each() {
    World::parse(&std::fs::read_to_string(world()).unwrap()).unwrap();
    let (_program, url) = start();
    let (_, told) = call_in(&url, "us-east-1", "DescribeRegions", "").await;
    let expected = ["ap-northeast-1", "eu-central-1", "me-south-1", "sa-east-1", "us-east-1"];
    assert_eq!(texts(&told, "regionName"), expected);
    assert_eq!(call_in(&url, "me-south-1", "DescribeVpcs", "").await.0, 401);
    let (_, told) = call_in(&url, "sa-east-1", "DescribeVpcs", "Filter.1.Name=is-default&Filter.1.Value.1=true").await;
    assert_eq!(texts(&told, "vpcId").len(), 0);
}

#[tokio::test]
async fn its_instances_end_with_it_when_it_is_asked_to_end() {
    let (mut program, url) = start();
    let folder = instance(&url).await;
    kill_process(Pid::from_child(&program.0), Signal::TERM).unwrap();
    assert!(program.0.wait().unwrap().success());
    assert_eq!(marked(&folder), [""; 0]);
    assert!(!folder.exists());
}

/// Nobody is left to end them: they have to notice by themselves.
#[tokio::test]
async fn its_instances_end_with_it_when_it_is_killed() {
    let (mut program, url) = start();
    let folder = instance(&url).await;
    program.0.kill().unwrap();
    program.0.wait().unwrap();
    awaited("the end of all", || marked(&folder).is_empty().then_some(())).await;
    // It could not remove what it left.
    std::fs::remove_dir_all(folder.parent().unwrap()).unwrap();
}

#[test]
fn what_is_no_world_is_told_with_its_line() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fake-ec2"));
    let ended = command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && told.contains("at line ") && told.contains("unknown field `"), "{told}");
}
