//! A relay, a coordinator that echoes, and agents that look whether the echo is right.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use rehearsal_relay::{Ended, Incoming, Relay, RelayOptions, Secret, State, Timing, Tunneled, Tunnels};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

/// The bound of every wait in these tests. Nothing takes so long unless it hangs.
pub const LONG: Duration = Duration::from_secs(60);

/// Figures of people without patience. The silence is long enough for a busy machine.
pub fn hasty() -> Timing {
    Timing {
        handshake: Duration::from_secs(2),
        beat: Duration::from_millis(100),
        silence: Duration::from_secs(5),
        wait: Duration::from_secs(1),
        takeover: Duration::from_millis(500),
    }
}

/// Runs with tests' patience, or says what hung.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(LONG, future).await.unwrap_or_else(|_| panic!("{what}: not within {LONG:?}"))
}

/// A relay with two doors.
pub struct World {
    pub secret: Secret,
    pub control: SocketAddr,
    pub doors: Vec<SocketAddr>,
    pub relay: JoinHandle<Ended>,
    shutdown: oneshot::Sender<()>,
}

pub fn options(secret: &Secret) -> RelayOptions {
    RelayOptions {
        listen: Ipv4Addr::LOCALHOST.into(),
        timing: hasty(),
        ..RelayOptions::new(secret.clone(), 0, vec![0, 0])
    }
}

impl World {
    pub async fn new() -> World {
        World::with(options(&Secret::random())).await
    }

    pub async fn with(options: RelayOptions) -> World {
        let relay = Relay::bind(&options).await.unwrap();
        let addresses = relay.addresses().clone();
        let (shutdown, until) = oneshot::channel();
        let relay = tokio::spawn(relay.run(async {
            let _ = until.await;
        }));
        World { secret: options.secret, control: addresses.control, doors: addresses.doors, relay, shutdown }
    }

    pub fn tunnels(&self) -> (Tunnels, Vec<Incoming>) {
        Tunnels::open(vec![self.control], self.secret.clone(), 2, hasty())
    }

    /// A coordinator whose doors echo, the first as it is, the second with every byte turned over.
    pub fn coordinator(&self) -> Coordinator {
        let (tunnels, incoming) = self.tunnels();
        let serving =
            incoming.into_iter().zip([0x00, 0xff]).map(|(door, mask)| tokio::spawn(serve(door, mask))).collect();
        Coordinator { tunnels, serving }
    }

    pub async fn end(self) -> Ended {
        self.shutdown.send(()).unwrap();
        soon("ending the relay", self.relay).await.unwrap()
    }
}

pub struct Coordinator {
    pub tunnels: Tunnels,
    serving: Vec<JoinHandle<()>>,
}

impl Coordinator {
    pub async fn connected(&self) {
        connected(&self.tunnels).await;
    }

    /// As when its process ends: every socket is closed.
    pub async fn die(self) {
        drop(self.tunnels);
        for serving in self.serving {
            serving.abort();
            let _ = serving.await;
        }
    }
}

pub async fn connected(tunnels: &Tunnels) {
    let mut state = tunnels.watch();
    let is_there = state.wait_for(|state| matches!(state, State::Connected { .. }));
    soon("reaching the relay", is_there).await.unwrap();
}

async fn serve(mut door: Incoming, mask: u8) {
    let mut serving = JoinSet::new();
    while let Some(arrival) = door.next().await {
        serving.spawn(echo(arrival.unwrap(), mask));
    }
    serving.join_all().await;
}

/// Echoes until the agent has said its last, then says in four bytes from which port it came.
async fn echo(mut arrival: Tunneled, mask: u8) {
    let mut bytes = vec![0; 4_096];
    while let Ok(length @ 1..) = arrival.read(&mut bytes).await {
        bytes[..length].iter_mut().for_each(|byte| *byte ^= mask);
        if arrival.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
    let port = arrival.peer().port();
    let _ = arrival.write_all(&u32::from(port).to_be_bytes()).await;
    let _ = arrival.shutdown().await;
}

/// An agent at this door, of a host of its own: 127.0.0.`host`.
pub async fn knock(door: SocketAddr, host: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, host], 0))).unwrap();
    soon("connecting to a door", socket.connect(door)).await.unwrap()
}

/// Says it all, says its last, and hears what the echo should be, with its own port behind.
pub async fn converse(agent: TcpStream, said: &[u8], mask: u8) {
    let port = agent.local_addr().unwrap().port();
    let (mut reading, mut writing) = agent.into_split();
    let mut heard = Vec::new();
    let speaking = async {
        writing.write_all(said).await.unwrap();
        writing.shutdown().await.unwrap();
    };
    soon("a conversation", async { tokio::join!(speaking, reading.read_to_end(&mut heard)).1 }).await.unwrap();
    let port_heard = heard.split_off(heard.len().checked_sub(4).expect("nothing was heard"));
    assert_eq!(port_heard, u32::from(port).to_be_bytes(), "the coordinator knows who it was");
    assert_eq!(heard.len(), said.len());
    assert!(heard.iter().zip(said).all(|(heard, said)| *heard == said ^ mask), "the echo is another");
}

/// Whether the other side hangs up within the tests' patience.
pub async fn hung_up_on(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // An error is a hang-up, too.
    let _ = soon("being hung up on", stream.read_to_end(&mut rest)).await;
}
