//! Whatever dies, the others notice, within a bound, and go on or end.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use rehearsal_relay::{Ended, RelayOptions, Secret, State, Tunnels};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::world::{World, connected, converse, hasty, hung_up_on, knock, options, soon};

#[tokio::test]
async fn agents_are_hung_up_on_when_the_coordinator_dies() {
    let world = World::new().await;
    let coordinator = world.coordinator();
    let mut agent = knock(world.doors[0], 1).await;
    agent.write_all(b"x").await.unwrap();
    soon("an echo", agent.read_exact(&mut [0])).await.unwrap();
    coordinator.die().await;
    hung_up_on(&mut agent).await;
    // Those who come now wait for a while, and no longer.
    let mut late = knock(world.doors[0], 1).await;
    late.write_all(b"x").await.unwrap();
    hung_up_on(&mut late).await;
    // And those who come when there is another find it.
    let _coordinator = world.coordinator();
    converse(knock(world.doors[0], 1).await, b"again", 0).await;
}

#[tokio::test]
async fn an_agent_that_waits_is_served_when_a_coordinator_comes() {
    let patient = RelayOptions { timing: rehearsal_relay::Timing::default(), ..options(&Secret::random()) };
    let world = World::with(patient).await;
    let door = world.doors[0];
    let waiting = tokio::spawn(async move { converse(knock(door, 1).await, b"early", 0).await });
    let _coordinator = world.coordinator();
    soon("one that waited", waiting).await.unwrap();
}

#[tokio::test]
async fn a_relay_without_tunnels_ends_after_its_lease_and_not_before() {
    let secret = Secret::random();
    let lease = Duration::from_millis(300);
    let world = World::with(RelayOptions { lease, ..options(&secret) }).await;
    let coordinator = world.coordinator();
    coordinator.connected().await;
    let agent = knock(world.doors[0], 1).await;
    // Idle tunnels hold it for longer than its lease: their beats are what makes time pass here.
    let mut state = coordinator.tunnels.watch();
    let ended = tokio::time::timeout(3 * lease, state.wait_for(|state| matches!(state, State::Lost { .. }))).await;
    assert!(ended.is_err() && !world.relay.is_finished(), "it is held");
    let released = std::time::Instant::now();
    coordinator.die().await;
    assert_eq!(soon("the end of the lease", world.relay).await.unwrap(), Ended::LeaseOver);
    assert!(released.elapsed() >= lease);
    hung_up_on(&mut { agent }).await;
}

#[tokio::test]
async fn a_relay_that_nobody_ever_finds_ends() {
    let lease = Duration::from_millis(100);
    let world = World::with(RelayOptions { lease, ..options(&Secret::random()) }).await;
    assert_eq!(soon("the end of the lease", world.relay).await.unwrap(), Ended::LeaseOver);
}

/// A network between coordinator and relay.
struct Network {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Weather {
    Fine,
    /// What goes through ends, and nothing begins.
    Cut,
    /// What goes through stands still, and neither end is told.
    Frozen,
}

impl Network {
    async fn to(relay: SocketAddr) -> Network {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let weather = watch::Sender::new(Weather::Fine);
        let watched = weather.subscribe();
        tokio::spawn(async move {
            let mut ways = JoinSet::new();
            loop {
                let (mut here, _) = listener.accept().await.unwrap();
                let mut weather = watched.clone();
                ways.spawn(async move {
                    let mut there = TcpStream::connect(relay).await.unwrap();
                    tokio::select! {
                        _ = weather.wait_for(|weather| *weather != Weather::Fine) => {}
                        _ = copy_bidirectional(&mut here, &mut there) => {}
                    }
                    // Both are open until it is cut.
                    let _ = weather.wait_for(|weather| *weather != Weather::Frozen).await;
                });
            }
        });
        Network { address, weather }
    }
}

#[tokio::test]
async fn tunnels_come_back_when_the_network_does() {
    let world = World::new().await;
    let network = Network::to(world.control).await;
    let (tunnels, _incoming) = Tunnels::open(vec![network.address], world.secret.clone(), 2, hasty());
    let mut state = tunnels.watch();
    for _ in 0..3 {
        connected(&tunnels).await;
        network.weather.send(Weather::Cut).unwrap();
        let lost = soon("losing the relay", state.wait_for(|state| matches!(state, State::Lost { .. }))).await;
        let State::Lost { why, .. } = lost.unwrap().clone() else { unreachable!("just waited for") };
        assert!(why.contains("relay"), "it says why: {why}");
        network.weather.send(Weather::Fine).unwrap();
    }
    connected(&tunnels).await;
}

#[tokio::test]
async fn the_second_address_is_tried_when_the_first_is_dead() {
    let world = World::new().await;
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let (tunnels, _incoming) = Tunnels::open(vec![nobody, world.control], world.secret.clone(), 2, hasty());
    connected(&tunnels).await;
    let (homeless, _incoming) = Tunnels::open(vec![], world.secret.clone(), 2, hasty());
    let has_no_address = |state: &State| matches!(state, State::Lost { why, .. } if why.contains("no address"));
    soon("a word about it", homeless.watch().wait_for(has_no_address)).await.unwrap();
}

/// The relay once gave a visitor up with the first tunnel that did not answer: half-dead ones are common after a laptop
/// has changed its network.
#[tokio::test]
async fn a_tunnel_that_is_dead_without_knowing_costs_a_visitor_only_time() {
    let patient = rehearsal_relay::Timing { wait: Duration::from_secs(30), ..hasty() };
    let world = World::with(RelayOptions { timing: patient, ..options(&Secret::random()) }).await;
    let coordinator = world.coordinator();
    coordinator.connected().await;
    // Younger tunnels, which are tried first, and stand still.
    let network = Network::to(world.control).await;
    let (frozen, _incoming) = Tunnels::open(vec![network.address], world.secret.clone(), 2, hasty());
    connected(&frozen).await;
    network.weather.send(Weather::Frozen).unwrap();
    let mut agents = JoinSet::new();
    let door = world.doors[0];
    for _ in 0..20 {
        agents.spawn(async move { converse(knock(door, 1).await, b"patience", 0).await });
    }
    soon("visitors among dead tunnels", agents.join_all()).await;
}

#[tokio::test]
async fn a_door_that_nobody_serves_refuses_and_the_others_do_not() {
    let patient = rehearsal_relay::Timing { wait: Duration::from_secs(600), ..hasty() };
    let world = World::with(RelayOptions { timing: patient, ..options(&Secret::random()) }).await;
    let (tunnels, mut incoming) = world.tunnels();
    connected(&tunnels).await;
    drop(incoming.remove(0));
    let mut refused = knock(world.doors[0], 1).await;
    refused.write_all(b"x").await.unwrap();
    hung_up_on(&mut refused).await;
    let mut agent = knock(world.doors[1], 1).await;
    agent.write_all(b"x").await.unwrap();
    let mut door = incoming.remove(0);
    let arrival = soon("an arrival", door.next()).await.unwrap().unwrap();
    assert_eq!(arrival.peer(), agent.local_addr().unwrap());
    // Without its tunnels a door ends, and who has come through stays.
    drop(tunnels);
    assert!(soon("the end of a door", door.next()).await.is_none());
    let mut arrival = arrival;
    arrival.write_all(b"stay").await.unwrap();
    soon("a word", agent.read_exact(&mut [0; 4])).await.unwrap();
}
