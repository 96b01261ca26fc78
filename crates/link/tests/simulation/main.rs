//! Thousands of small worlds, each from a seed: connections break, processes crash, disks are slow, clocks are wrong.
//!
//! After each world it must hold that every interval was stored exactly once and in order, that what is missing is
//! exactly what died with a process, that no arrival was started twice, and that each arrival that nobody started is
//! explained. Worlds that are wrong on purpose must be found out: otherwise the checks check nothing.

mod engine;
mod network;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use rehearsal_link::agent::Exit;
use rehearsal_plan::{AgentNumber, Load, RunTime, Spacing, Stay, Versions};

use world::{Mutation, Process, USERS, World};

pub fn load() -> Load {
    Load::Arrive { users: USERS, over: Duration::from_secs(16), spacing: Spacing::Even, stay: Stay::UntilDone }
}

/// Everything that is wrong with a world after its end.
fn wrongs(world: &World) -> Vec<String> {
    let mut wrongs = world.faults.clone();
    check_intervals(world, &mut wrongs);
    check_starts(world, &mut wrongs);
    wrongs
}

fn check_intervals(world: &World, wrongs: &mut Vec<String>) {
    for process in &world.processes {
        let stored = world.disk.committed.get(&process.incarnation).map_or(&[][..], |stored| stored);
        let started: Vec<u64> = stored.iter().flat_map(|interval| interval.started.clone()).collect();
        let seconds: Vec<i64> = stored.iter().flat_map(|interval| interval.seconds.clone()).collect();
        let recorded = &process.engine.recorded;
        let all_started: Vec<u64> = recorded.iter().flat_map(|interval| interval.started.clone()).collect();
        let all_seconds: Vec<i64> = recorded.iter().flat_map(|interval| interval.seconds.clone()).collect();
        if !all_started.starts_with(&started) || !all_seconds.starts_with(&seconds) {
            wrongs.push(format!("agent {}: stored {seconds:?}, recorded {all_seconds:?}", process.agent));
        }
        match &process.exit {
            Some(Exit::Done) if started != all_started || seconds != all_seconds => {
                wrongs.push(format!("agent {} said goodbye with something unstored", process.agent));
            }
            Some(Exit::Abandoned { .. }) => wrongs.push(format!("agent {} gave up", process.agent)),
            Some(Exit::Done) | None => {}
        }
        if process.exit.is_none() && process.is_alive() {
            wrongs.push(format!("agent {} never came to its end", process.agent));
        }
    }
}

fn check_starts(world: &World, wrongs: &mut Vec<String>) {
    let Some(versions) = world.disk.history() else {
        return if world.processes.iter().any(Process::lasted) {
            wrongs.push("the run never started".into())
        };
    };
    for (index, starters) in world.starts.0.iter().filter(|(_, starters)| starters.len() > 1) {
        wrongs.push(format!("arrival {index} was started by each of {starters:?}"));
    }
    let dropped: BTreeSet<u64> = world.processes.iter().flat_map(|process| process.engine.dropped.clone()).collect();
    for index in (0..USERS).filter(|index| !world.starts.0.contains_key(index) && !dropped.contains(index)) {
        if !is_explained(world, &versions, index) {
            let arrival = versions.arrival(0, index);
            wrongs.push(format!(
                "arrival {index} is missing: {arrival:?} of {:?}, losses {:?}",
                versions.owner(0, index),
                world.losses
            ));
        }
    }
}

/// Whether a loss was reported for an arrival, or nobody was left to make it.
fn is_explained(world: &World, versions: &Versions, index: u64) -> bool {
    let (Some(arrival), Some(owner)) = (versions.arrival(0, index), versions.owner(0, index)) else {
        return true;
    };
    // Not from the reported second on: before its death an agent may have delivered seconds in which it could not start.
    let lost = |&(agent, _, to): &(AgentNumber, i64, RunTime)| agent == owner && arrival.at < to;
    let nobody_is_left = !world.processes.iter().any(Process::lasted);
    world.losses.iter().any(lost) || nobody_is_left
}

/// Lives through `seeds` worlds and fails with the first seed whose world went wrong.
fn check(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let world = World::live(seed, Mutation::None);
        let wrongs = wrongs(&world);
        let few = &wrongs[..wrongs.len().min(5)];
        assert!(
            wrongs.is_empty(),
            "seed {seed}: {} wrongs\n{}\n{}",
            wrongs.len(),
            few.join("\n"),
            world.story.join("\n")
        );
    }
}

/// Fails unless a world that is wrong on purpose is found out within 2,000 seeds, with the words expected.
fn check_found_out(mutation: Mutation, expected: &str) {
    let found =
        (0..2_000).find(|seed| wrongs(&World::live(*seed, mutation)).iter().any(|wrong| wrong.contains(expected)));
    assert!(found.is_some(), "{mutation:?} was never found out");
}

#[test]
fn nothing_is_lost_and_nothing_twice_in_worlds_0_to_499() {
    check(0..500);
}

#[test]
fn nothing_is_lost_and_nothing_twice_in_worlds_500_to_999() {
    check(500..1_000);
}

#[test]
fn nothing_is_lost_and_nothing_twice_in_worlds_1000_to_1499() {
    check(1_000..1_500);
}

#[test]
fn nothing_is_lost_and_nothing_twice_in_worlds_1500_to_1999() {
    check(1_500..2_000);
}

#[test]
fn acknowledging_before_storing_is_found_out() {
    check_found_out(Mutation::AcknowledgesBeforeStoring, "never came to its end");
}

#[test]
fn counting_the_lease_from_receiving_is_found_out() {
    check_found_out(Mutation::LeaseFromReceiving, "was started by each of");
}

#[test]
fn eager_takeover_makes_double_load() {
    check_found_out(Mutation::EagerTakeover, "was started by each of");
}
