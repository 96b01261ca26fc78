//! The normal evening: a fleet is launched before the show, plays twice, and is ended.

use std::collections::BTreeSet;

use crate::stage::{CALM, Stage, agent};

#[test]
fn a_fleet_serves_several_runs_and_outlives_its_coordinator() {
    let stage = Stage::of(CALM, "3s", "3s");
    let up =
        ["fleet", "up", "--agents", "3", "--name", "friday", "--advertise", "127.0.0.1", "--yes", "--agent", agent()];
    let (status, said) = stage.call("up", &up).ended(120);
    assert!(status.success() && said.contains("fleet friday is up: 3 of 3 agents have joined"), "{said}");
    assert_eq!(stage.fake.alive(), 3);

    for (run, agents) in [("first", 3), ("second", 2)] {
        if run == "second" {
            // Between two runs Amazon takes one back; the others play without it.
            let taken = stage.fake.instances()[0].id.clone();
            stage.fake.interrupt(&taken, std::time::Duration::from_secs(2));
            stage.until("one to be taken back", 60, |fake| fake.alive() == 2);
        }
        let (status, said) =
            stage.call(run, &["start", "show.rhai", "--dashboard", "off", "--agents", "join"]).ended(120);
        assert_eq!(status.code(), Some(0), "{run}: {said}");
        let summary = stage.summary();
        assert_eq!(summary["users"]["finished"], 120, "{run}");
        assert_eq!(summary["agents"].as_array().unwrap().len(), agents, "{run}");
        assert_eq!(stage.fake.alive(), agents, "agents wait for the next run");
        let is_told = said.contains("2 of 3 agents came: each plays 1.50 times");
        assert_eq!(is_told, run == "second", "{said}");
    }
    let (_, listed) = stage.call("list", &["fleet", "list", "--json"]).ended(60);
    assert_eq!(listed.matches("\"fleet\": \"friday\"").count(), 2, "{listed}");

    let (status, said) = stage.call("down", &["fleet", "down", "friday"]).ended(240);
    assert!(status.success(), "{said}");
    assert_eq!(stage.fake.alive(), 0);
    assert!(!stage.folder().join("fleets/friday").exists(), "it is forgotten");
    let (status, said) = stage.call("late", &["start", "show.rhai", "--agents", "join"]).ended(60);
    assert!(!status.success() && said.contains("`coordinator fleet up` launches one"), "{said}");
}

#[test]
fn a_name_that_is_taken_is_refused_and_nothing_of_the_other_fleet_is_touched() {
    let stage = Stage::of(CALM, "3s", "3s");
    let up = |folder: &str| {
        let words = ["fleet", "up", "--agents", "1", "--name", "friday", "--advertise", "127.0.0.1", "--yes"];
        let more = ["--agent", agent(), "--fleets", folder];
        stage.call(folder, &[&words[..], &more].concat()).ended(120)
    };
    let (status, said) = up("anns");
    assert!(status.success(), "{said}");
    let (status, said) = up("bobs");
    assert!(!status.success() && said.contains("under this name already"), "{said}");
    assert_eq!(stage.fake.alive(), 1);
}

#[test]
fn agents_that_cannot_reach_their_coordinator_are_ended_again() {
    let stage = Stage::of(CALM, "3s", "3s");
    // A port at which nobody listens for downloads: user data gives up, and the instances switch themselves off.
    let pinned = format!("https://127.0.0.1:9/agent#x86_64={}", "0".repeat(64));
    let up =
        ["fleet", "up", "--agents", "2", "--name", "lost", "--advertise", "127.0.0.1", "--yes", "--agent-url", &pinned];
    let called = stage.call("up", &up);
    stage.until("both to be launched", 60, |fake| fake.instances().len() == 2);
    stage.until("both to switch themselves off", 120, |fake| fake.alive() == 0);
    let (status, said) = called.ended(240);
    assert!(!status.success() && said.contains("0 of 2 agents joined, 2 ended before"), "{said}");
}

#[test]
fn a_probe_finds_out_whether_agents_get_through_and_leaves_nothing() {
    let stage = Stage::of(CALM, "3s", "3s");
    let doctor =
        ["fleet", "doctor", "--agents", "2", "--advertise", "127.0.0.1", "--probe", "--yes", "--agent", agent()];
    let (status, said) = stage.call("probe", &doctor).ended(240);
    assert!(status.success(), "{said}");
    assert!(said.contains("an agent outside has reached this coordinator at 127.0.0.1"), "{said}");
    assert!(said.contains("room for 2 of 2 agents"), "what is asked about is the fleet, not the probe: {said}");
    assert_eq!((stage.fake.instances().len(), stage.fake.alive()), (1, 0));

    let poor = ["fleet", "doctor", "--agents", "2", "--budget", "0.001", "--agent", agent()];
    let (status, said) = stage.call("poor", &poor).ended(60);
    assert_eq!(status.code(), Some(99), "{said}");
    assert!(said.contains("a launch would fail") && said.contains("raise the budget"), "{said}");
    let lost = ["fleet", "doctor", "--agents", "2", "--advertise", "nosuch.invalid", "--agent", agent()];
    let (status, said) = stage.call("unknown", &lost).ended(60);
    assert_eq!(status.code(), Some(99), "{said}");
    assert!(said.contains("looking up nosuch.invalid"), "{said}");
}

/// Or somebody else's account would pay.
#[test]
fn the_profile_that_is_named_is_meant_whatever_keys_are_in_the_environment() {
    let stage = Stage::of(CALM, "3s", "3s");
    let profile = "[prod]\naws_access_key_id = AKIAPROD\naws_secret_access_key = fake\n";
    std::fs::write(stage.folder().join("credentials"), profile).unwrap();
    let keys = |words: &[&str]| {
        let before = stage.fake.calls().len();
        let (status, said) = stage.call("list", words).ended(60);
        let calls = stage.fake.calls();
        let keys: BTreeSet<String> = calls[before..].iter().map(|logged| logged.call.access_key.clone()).collect();
        (status.success(), keys, said)
    };
    let of = |key: &str| BTreeSet::from([key.to_owned()]);
    let (is_fine, asked, said) = keys(&["fleet", "list", "--profile", "prod"]);
    assert_eq!((is_fine, asked), (true, of("AKIAPROD")), "{said}");
    assert_eq!(keys(&["fleet", "list"]).1, of("AKIAFAKE"));
    let (is_fine, asked, said) = keys(&["fleet", "list", "--profile", "nosuch"]);
    assert_eq!((is_fine, asked), (false, BTreeSet::new()), "{said}");
}
