//! A coordinator that nobody can dial: it is reached through an instance that relays, which ends with the fleet.

use crate::stage::{CALM, Stage, agent};

#[test]
fn a_show_is_played_by_way_of_a_relay() {
    let stage = Stage::of(CALM, "3s", "3s");
    let words = ["start", "show.rhai", "--dashboard", "off", "--yes", "--coordinator", "ec2", "--agents", "ec2:2"];
    let (status, said) = stage.call("start", &[&words[..], &["--agent", agent()]].concat()).ended(300);
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("launching a relay in eu-west-1"), "{said}");
    assert_eq!(stage.summary()["users"]["finished"], 120);
    let blobs: Vec<String> =
        stage.fake.instances().iter().map(|one| String::from_utf8(one.user_data.clone()).unwrap()).collect();
    assert_eq!(blobs.len(), 3, "two agents and the relay");
    assert_eq!(
        blobs.iter().filter(|script| script.contains("REHEARSAL_JOIN")).count(),
        2,
        "the relay has no join blob"
    );
    assert_eq!(stage.fake.alive(), 0, "the relay has ended with them");
}
