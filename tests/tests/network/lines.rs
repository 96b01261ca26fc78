//! TCP and UDP from one host to the other, over lines of all kinds.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rehearsal_tests::{Conditions, Direction, Network, Side, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);
const MS: Duration = Duration::from_millis(1);

/// Does something on a host, in a task of its own.
async fn on<T: Send + 'static>(network: &Network, side: Side, work: impl Future<Output = T> + Send + 'static) -> T {
    let task = network.host(side).within(|| tokio::spawn(work));
    timeout(PATIENCE, task).await.expect("it ends in time").expect("it does not panic")
}

/// Listens on host B.
async fn listen(network: &Network) -> (TcpListener, SocketAddr) {
    let any_port = (network.host(Side::B).address(), 0);
    let listener = on(network, Side::B, TcpListener::bind(any_port)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Starts a server on host B that sends back what it gets.
async fn echo(network: &Network) -> SocketAddr {
    let (listener, address) = listen(network).await;
    let serve = async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = connection.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    };
    network.host(Side::B).within(|| tokio::spawn(serve));
    address
}

/// Sends a word over a connection to the echo and waits until it is back.
async fn exchange(connection: &mut TcpStream, word: &[u8; 4]) {
    connection.write_all(word).await.unwrap();
    let mut back = [0; 4];
    connection.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, word);
}

/// Sends bytes from A to B, and returns how long it took from the first to the last that arrived.
async fn transfer(network: &Network, bytes: usize) -> Duration {
    let (listener, address) = listen(network).await;
    let receive = network.host(Side::B).within(|| {
        tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            let (mut buffer, mut received) = (vec![0; 65_536], 0);
            let mut began = None;
            while let count @ 1.. = connection.read(&mut buffer).await.unwrap() {
                began.get_or_insert_with(Instant::now);
                received += count;
            }
            (received, began.unwrap().elapsed())
        })
    });
    on(network, Side::A, async move {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(&vec![7; bytes]).await.unwrap();
    })
    .await;
    let (received, took) = timeout(PATIENCE, receive).await.unwrap().unwrap();
    assert_eq!(received, bytes);
    took
}

/// Sends datagrams each way, one at a time, and returns the shortest time to A and to B.
async fn one_way_times(network: &Network) -> [Duration; 2] {
    let mut sockets = Vec::new();
    for side in [Side::A, Side::B] {
        let address = (network.host(side).address(), 0);
        sockets.push(on(network, side, UdpSocket::bind(address)).await.unwrap());
    }
    let time = async |from: &UdpSocket, to: &UdpSocket| {
        let mut shortest = Duration::MAX;
        for _ in 0..10 {
            let sent = Instant::now();
            from.send_to(b"x", to.local_addr().unwrap()).await.unwrap();
            timeout(PATIENCE, to.recv(&mut [0; 4])).await.unwrap().unwrap();
            shortest = shortest.min(sent.elapsed());
        }
        shortest
    };
    [time(&sockets[1], &sockets[0]).await, time(&sockets[0], &sockets[1]).await]
}

#[tokio::test]
async fn a_perfect_network_carries_all_and_drops_nothing() {
    let Some(network) = Network::for_test() else { return };
    transfer(&network, 10_000_000).await;
    for direction in [Direction::AToB, Direction::BToA] {
        let traffic = network.traffic(direction);
        assert!(traffic.sent > 0 && traffic.dropped == 0, "{direction:?}: {traffic:?}");
    }
}

#[tokio::test]
async fn tcp_gets_through_loss_and_delay() {
    let Some(network) = Network::for_test() else { return };
    let address = echo(&network).await;
    network.set_both(Conditions { loss: 0.3, delay: 300 * MS, ..Conditions::default() });
    let began = Instant::now();
    let mut exchanges = JoinSet::new();
    for _ in 0..30 {
        exchanges.spawn(network.host(Side::A).within(|| {
            tokio::spawn(async move { exchange(&mut TcpStream::connect(address).await.unwrap(), b"word").await })
        }));
    }
    // The unlucky ones retry for long; a third of them is enough to show that they get through.
    for done in 1..=10 {
        timeout(PATIENCE, exchanges.join_next()).await.expect("it ends in time").unwrap().unwrap().unwrap();
        assert!(done > 1 || began.elapsed() >= 1200 * MS, "two round trips took {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn loss_is_counted() {
    let Some(network) = Network::for_test() else { return };
    network.set(Direction::AToB, Conditions { loss: 0.3, ..Conditions::default() });
    let to = (network.host(Side::B).address(), 9);
    let from = (network.host(Side::A).address(), 0);
    let packets = 4000;
    on(&network, Side::A, async move {
        let socket = UdpSocket::bind(from).await.unwrap();
        for _ in 0..packets {
            socket.send_to(b"x", to).await.unwrap();
        }
    })
    .await;
    until("all were sent", PATIENCE, || network.traffic(Direction::AToB).sent == packets).await;
    let dropped = network.traffic(Direction::AToB).dropped;
    // Four standard deviations.
    assert!(dropped.abs_diff(1200) < 116, "{dropped} of {packets}");
}

#[tokio::test]
async fn a_connection_goes_on_after_the_network_was_down() {
    let Some(network) = Network::for_test() else { return };
    let address = echo(&network).await;
    let mut connection = on(&network, Side::A, TcpStream::connect(address)).await.unwrap();
    timeout(PATIENCE, exchange(&mut connection, b"once")).await.unwrap();
    network.set_both(Conditions::DOWN);
    let before = network.traffic(Direction::AToB).dropped;
    let repair = async {
        let dropped = || network.traffic(Direction::AToB).dropped;
        until("it was sent in vain, and again", PATIENCE, || dropped() >= before + 2).await;
        network.set_both(Conditions::default());
        Instant::now()
    };
    let arrive = async {
        exchange(&mut connection, b"more").await;
        Instant::now()
    };
    let (repaired, arrived) = timeout(PATIENCE, async { tokio::join!(repair, arrive) }).await.unwrap();
    assert!(arrived >= repaired, "it cannot arrive before");
}

#[tokio::test]
async fn delay_is_that_of_one_direction() {
    let Some(network) = Network::for_test() else { return };
    network.set(Direction::AToB, Conditions { delay: 80 * MS, ..Conditions::default() });
    let [to_a, to_b] = one_way_times(&network).await;
    assert!((80 * MS..110 * MS).contains(&to_b), "{to_b:?}");
    assert!(to_a < 30 * MS, "{to_a:?}");
}

#[tokio::test]
async fn a_rate_is_kept() {
    let Some(network) = Network::for_test() else { return };
    let (rate, bytes) = (500_000, 1_000_000);
    network.set(Direction::AToB, Conditions { rate: Some(rate), ..Conditions::default() });
    let took = transfer(&network, bytes).await;
    let measured = bytes as f64 / took.as_secs_f64() / rate as f64;
    assert!((0.8..=1.05).contains(&measured), "{measured:.2} of the rate");
}
