//! One command: launched in five regions, played through an interruption, ended.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::stage::{CALM, Stage, TROUBLES};

#[test]
fn a_show_is_played_from_five_regions_and_one_instance_is_taken_back() {
    let stage = Stage::of(TROUBLES, "15s", "10s");
    let named = "sa-east-1=subnet-0000000000000cafe";
    let mut called = stage.start("start", &["--agents", "ec2:5", "--subnet", named]);
    // All have joined and users arrive.
    crate::stage::until("the run to go on", 120, || {
        assert!(!called.has_ended(), "{}", called.said());
        called.said().contains("running")
    });
    let running = stage.fake.instances();
    let regions: BTreeSet<String> = running.iter().map(|one| one.region.clone()).collect();
    assert!(regions.len() >= 4, "agents are spread over regions: {regions:?}");
    let taken = &running[0].id;
    assert!(stage.fake.interrupt(taken, Duration::from_secs(40)));
    let (status, said) = called.ended(300);
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("agents") && said.contains("/h"), "it tells the cost before: {said}");
    assert!(said.contains("preemption"), "people are told why an agent went: {said}");
    assert!(said.contains("the fleet has cost"), "and what it came to: {said}");

    let summary = stage.summary();
    let told: BTreeSet<&str> =
        summary["agents"].as_array().unwrap().iter().map(|one| one["region"].as_str().unwrap()).collect();
    assert_eq!(told, regions.iter().map(String::as_str).collect(), "each agent is told with its region");
    assert_eq!(summary["users"]["planned"], 120);
    let ended: u64 =
        ["finished", "cancelled", "lost"].iter().map(|state| summary["users"][state].as_u64().unwrap()).sum();
    assert_eq!(ended, 120, "{}", summary["users"]);
    assert_eq!(stage.fake.alive(), 0, "nothing runs any more");
}

#[test]
fn what_cannot_be_launched_costs_nothing_and_says_why() {
    let stage = Stage::of(TROUBLES, "2s", "2s");
    let (status, said) =
        stage.start("many", &["--agents", "ec2:900", "--min-agents", "900", "--max-price", "0.0001"]).ended(120);
    assert!(!status.success(), "{said}");
    assert!(said.contains("no machine with 2 vCPUs for"), "{said}");
    let (status, said) = stage.call("nowhere", &["start", "show.rhai", "--agents", "ec2", "--yes"]).ended(60);
    assert!(!status.success() && said.contains("--advertise"), "{said}");
    let words = ["start", "show.rhai", "--agents", "ec2", "--advertise", "127.0.0.1", "--agent", crate::stage::agent()];
    let (status, said) = stage.call("unasked", &words).ended(60);
    assert_eq!(status.code(), Some(2), "nobody agreed: {said}");
    assert!(said.contains("--yes"), "{said}");
    assert_eq!(stage.fake.instances().len(), 0);
}

#[test]
fn more_instances_than_were_ordered_are_ended_and_the_show_goes_on() {
    // Those that are too many boot and knock while the other region has not answered yet.
    let late = "[[faults]]\naction = \"CreateFleet\"\nregion = \"eu-west-1\"\ndelay = 6\n";
    let world = format!(
        "[machines]\nboot = 0.2\n[regions.eu-west-1]\n[regions.us-east-1]\nprice = 0.5\nsurplus = 2\nhidden = 1\n{late}"
    );
    let stage = Stage::of(&world, "3s", "3s");
    let (status, said) = stage.start("start", &["--agents", "ec2:4"]).ended(300);
    assert_eq!(status.code(), Some(0), "{said}");
    let summary = stage.summary();
    let mut regions: Vec<&str> =
        summary["agents"].as_array().unwrap().iter().map(|one| one["region"].as_str().unwrap()).collect();
    regions.sort_unstable();
    assert_eq!(regions, ["eu-west-1", "eu-west-1", "us-east-1", "us-east-1"], "agents stay spread: {said}");
    assert!(!said.contains("agents came"), "nobody is missing: {said}");
    assert_eq!((stage.fake.instances().len(), stage.fake.alive()), (7, 0));
}

/// The others have joined, or boot, when Amazon takes one back: the run is played by those who are there.
#[test]
fn whoever_leaves_before_the_start_is_done_without() {
    let late = "[[faults]]\naction = \"CreateFleet\"\nregion = \"us-east-1\"\ndelay = 3\n";
    let stage = Stage::of(&format!("{CALM}{late}"), "3s", "3s");
    let called = stage.start("start", &["--agents", "ec2:3", "--min-agents", "2"]);
    stage.until("the first to run", 60, |fake| fake.alive() > 0);
    stage.fake.change(|world| world.machines.boot = 15.0).unwrap();
    let first = stage.fake.instances()[0].id.clone();
    let runs = stage.folder().join("runs");
    let has_joined = || {
        let run = std::fs::read_dir(&runs).ok()?.next()?.ok()?.path();
        Some(std::fs::read_to_string(run.join("authority.json")).ok()?.contains(&first))
    };
    crate::stage::until("the first to join", 60, || has_joined() == Some(true));
    assert!(stage.fake.interrupt(&first, Duration::from_secs(4)));
    stage.until("it to be gone while another boots", 12, |fake| {
        fake.instances().len() == 3 && fake.instances().iter().any(|one| one.id == first && !one.state().is_alive())
    });
    let (status, said) = called.ended(300);
    assert_eq!(status.code(), Some(0), "{said}");
    let summary = stage.summary();
    assert_eq!(summary["users"]["finished"], 120, "{said}");
    assert!(said.contains("plays no part"), "{said}");
}
