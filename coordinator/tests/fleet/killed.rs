//! The coordinator is killed at random moments of a launch and of a run; then everything is found and ended, by tags alone.

use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::stage::{Stage, TROUBLES};

/// Moments after which it is killed, in milliseconds: from the first call to users that play.
const LATEST: u64 = 8_000;

fn killed_after(delay: Duration) {
    let stage = Stage::of(TROUBLES, "15s", "10s");
    let began = Instant::now();
    let mut called = stage.start("start", &["--agents", "ec2:4"]);
    while began.elapsed() < delay && !called.has_ended() {
        sleep(Duration::from_millis(5));
    }
    called.kill();
    let before = stage.fake.instances().len();
    let (status, said) = stage.call("sweep", &["fleet", "sweep", "--yes"]).ended(300);
    // One region knows our credentials as little as ever: the sweep says so, and nothing of ours can be there.
    assert!(!status.success() && said.contains("me-south-1 may have something left"), "{said}");
    assert_eq!(stage.fake.alive(), 0, "after {delay:?}, with {before} launched: {said}");
    let (_, listed) = stage.call("list", &["fleet", "list"]).ended(60);
    assert!(listed.contains("0 instances of ours"), "{listed}");
}

#[test]
fn nothing_is_left_of_a_launch_whose_coordinator_was_killed() {
    let seed = std::env::var("FLEET_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random::<u64>);
    println!("FLEET_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let delays = [0; 6].map(|_: i32| Duration::from_millis(random.random_range(0..LATEST)));
    let kills = delays.map(|delay| spawn(move || killed_after(delay)));
    kills.into_iter().for_each(|kill| kill.join().unwrap());
}
