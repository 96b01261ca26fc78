//! What goes through.

use std::time::Duration;

use proptest::prelude::*;
use rehearsal_relay::{Ended, State, push};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::world::{LONG, World, converse, knock, soon};

/// Something that differs at every place.
fn bytes(length: usize) -> Vec<u8> {
    (0_u32..).map(|place| (place.wrapping_mul(2_654_435_761) >> 13) as u8).take(length).collect()
}

#[tokio::test]
async fn a_crowd_of_three_hundred_comes_through_both_doors() {
    let world = World::new().await;
    let coordinator = world.coordinator();
    let mut crowd = JoinSet::new();
    for agent in 0..300_u16 {
        let door = usize::from(agent % 2);
        let address = world.doors[door];
        // Sixty of each host: no more may wait at a time.
        let host = 2 + (agent / 60) as u8;
        crowd.spawn(async move {
            let agent = knock(address, host).await;
            converse(agent, &bytes(20_000), [0x00, 0xff][door]).await;
        });
    }
    soon("a crowd", crowd.join_all()).await;
    assert!(matches!(coordinator.tunnels.state(), State::Connected { .. }));
    assert_eq!(world.end().await, Ended::Asked);
}

#[tokio::test]
async fn one_side_may_have_said_its_last_and_still_listen() {
    let world = World::new().await;
    let _coordinator = world.coordinator();
    let mut agent = knock(world.doors[0], 1).await;
    let mut heard = [0; 5];
    // First both speak in turns.
    for _ in 0..3 {
        agent.write_all(b"hello").await.unwrap();
        soon("an echo", agent.read_exact(&mut heard)).await.unwrap();
        assert_eq!(&heard, b"hello");
    }
    converse(agent, b"my last", 0).await;
}

#[tokio::test]
async fn tunnels_that_idle_for_long_are_good() {
    let world = World::new().await;
    let coordinator = world.coordinator();
    coordinator.connected().await;
    let since = coordinator.tunnels.state();
    // Both ends give each other up after 5 s without a beat.
    let mut state = coordinator.tunnels.watch();
    let change = tokio::time::timeout(Duration::from_millis(5_500), state.wait_for(|now| *now != since)).await;
    assert!(change.is_err(), "the tunnels were lost: {:?}", coordinator.tunnels.state());
    converse(knock(world.doors[1], 1).await, b"after a while", 0xff).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn bytes_arrive_as_they_were(lengths in proptest::collection::vec(0..300_000_usize, 1..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let _coordinator = world.coordinator();
            let mut agents = JoinSet::new();
            for length in lengths {
                let door = world.doors[length % 2];
                // Those who say nothing at all are not let in.
                agents.spawn(async move {
                    converse(knock(door, 1).await, &bytes(1 + length), [0x00, 0xff][length % 2]).await;
                });
            }
            soon("some agents", agents.join_all()).await;
        });
    }
}

/// The answer to a push that came through may be lost; the next attempt finds the relay at work.
#[tokio::test]
async fn a_relay_that_runs_need_not_be_pushed_again() {
    let world = World::new().await;
    let pushed = push(world.control, &world.secret, b"the agent", LONG, |told| panic!("{told:?}")).await;
    assert!(pushed.is_ok(), "{pushed:?}");
    let _coordinator = world.coordinator();
    converse(knock(world.doors[0], 1).await, b"it still relays", 0).await;
}
