//! Those who have no business here: they get nothing, cost little, and keep nobody out.

use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;
use rehearsal_relay::{Relay, RelayOptions, Secret, State, Timing, Tunnels};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::world::{World, connected, converse, hasty, hung_up_on, knock, options, soon};

async fn call(address: SocketAddr) -> TcpStream {
    soon("calling", TcpStream::connect(address)).await.unwrap()
}

#[tokio::test]
async fn another_secret_opens_nothing() {
    let world = World::new().await;
    let (tunnels, _incoming) = Tunnels::open(vec![world.control], Secret::random(), 2, hasty());
    let is_refused = |state: &State| matches!(state, State::Lost { why, .. } if why.contains("another secret"));
    soon("being refused", tunnels.watch().wait_for(is_refused)).await.unwrap();
    let mut agent = knock(world.doors[0], 1).await;
    agent.write_all(b"x").await.unwrap();
    hung_up_on(&mut agent).await;
    assert!(matches!(tunnels.state(), State::Lost { .. }));
}

/// What a coordinator said once is of no use to who overheard it.
#[tokio::test]
async fn a_replayed_handshake_is_cut() {
    let world = World::new().await;
    // In the middle between a coordinator and the relay, listening.
    let middle = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_tunnels, _incoming) = Tunnels::open(vec![middle.local_addr().unwrap()], world.secret.clone(), 2, hasty());
    let (mut coordinator, _) = soon("a coordinator", middle.accept()).await.unwrap();
    let mut relay = call(world.control).await;
    let (mut greeting, mut answer, mut proof) = ([0; 36], [0; 64], [0; 32]);
    relay.read_exact(&mut greeting).await.unwrap();
    coordinator.write_all(&greeting).await.unwrap();
    soon("an answer", coordinator.read_exact(&mut answer)).await.unwrap();
    relay.write_all(&answer).await.unwrap();
    soon("a proof", relay.read_exact(&mut proof)).await.expect("it was right the first time");
    let mut again = call(world.control).await;
    again.read_exact(&mut greeting).await.unwrap();
    again.write_all(&answer).await.unwrap();
    let mut rest = Vec::new();
    let _ = soon("being cut", again.read_to_end(&mut rest)).await;
    assert_eq!(rest.len(), 0, "not a word more");
}

#[tokio::test]
async fn silent_strangers_are_cut_at_every_port() {
    let world = World::new().await;
    let _coordinator = world.coordinator();
    for address in [world.control, world.doors[0], world.doors[1]] {
        hung_up_on(&mut call(address).await).await;
    }
}

#[tokio::test]
async fn a_crowd_at_the_control_port_does_not_keep_the_coordinator_out() {
    let patient = RelayOptions {
        timing: Timing { handshake: Duration::from_secs(600), ..hasty() },
        ..options(&Secret::random())
    };
    let world = World::with(patient).await;
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(call(world.control).await);
    }
    let (tunnels, _incoming) = world.tunnels();
    connected(&tunnels).await;
    // Those who had to go to make room are told, though their time is not up.
    for stranger in &mut crowd[..100] {
        hung_up_on(stranger).await;
    }
}

#[tokio::test]
async fn one_host_cannot_take_every_place_at_a_door() {
    let patient = Timing { wait: Duration::from_secs(600), ..hasty() };
    let world = World::with(RelayOptions { timing: patient, ..options(&Secret::random()) }).await;
    let mut greedy = JoinSet::new();
    for _ in 0..100 {
        let mut stream = knock(world.doors[0], 9).await;
        greedy.spawn(async move { hung_up_on(&mut stream).await });
    }
    for _ in 0..36 {
        soon("the greedy one being hung up on", greedy.join_next()).await.unwrap().unwrap();
    }
    let _coordinator = world.coordinator();
    converse(knock(world.doors[0], 10).await, b"another host", 0).await;
    assert_eq!(greedy.len(), 64, "the others wait");
}

#[tokio::test]
async fn ports_that_are_taken_are_all_told() {
    let world = World::new().await;
    let taken = RelayOptions {
        control: world.control.port(),
        doors: vec![world.doors[0].port(), 0],
        mirror: Some(world.doors[1].port()),
        ..options(&world.secret)
    };
    let told = Relay::bind(&taken).await.unwrap_err().to_string();
    for (address, purpose) in [(world.control, "tunnels"), (world.doors[0], "agents"), (world.doors[1], "downloads")] {
        assert!(told.contains(&format!("{address} for {purpose}")), "{told}");
    }
    let mut relay = Relay::bind(&RelayOptions { mirror: Some(0), ..options(&world.secret) }).await.unwrap();
    let address = relay.addresses().mirror.unwrap();
    assert_eq!(relay.take_mirror().unwrap().local_addr().unwrap(), address);
    assert!(relay.take_mirror().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn garbage_breaks_nothing(
        garbage in proptest::collection::vec((0..3_usize, proptest::collection::vec(any::<u8>(), 0..300)), 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let _coordinator = world.coordinator();
            let ports = [world.control, world.doors[0], world.doors[1]];
            for (port, bytes) in garbage {
                let mut stream = call(ports[port]).await;
                // The relay may hang up before it has heard it all.
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                hung_up_on(&mut stream).await;
            }
            converse(knock(world.doors[0], 1).await, b"good as ever", 0).await;
            assert!(!world.relay.is_finished());
        });
    }

    /// What passes for a relay can say what it likes to a coordinator.
    #[test]
    fn a_mad_relay_breaks_nothing(said in proptest::collection::vec(any::<u8>(), 0..300), starts_well: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (tunnels, _incoming) = Tunnels::open(vec![address], Secret::random(), 1, hasty());
            for _ in 0..3 {
                let (mut stream, _) = soon("being dialed again", listener.accept()).await.unwrap();
                let greeting: &[u8] = if starts_well { b"RHR1" } else { b"" };
                let _ = stream.write_all(&[greeting, &said].concat()).await;
            }
            let is_told = |state: &State| matches!(state, State::Lost { why, .. } if !why.contains("not reached yet"));
            let told = soon("a reason", tunnels.watch().wait_for(is_told)).await.unwrap().clone();
            prop_assert!(!format!("{told:?}").contains("panic"), "{told:?}");
            Ok(())
        })?;
    }
}
