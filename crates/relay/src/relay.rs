//! The relay: what the instance does. Agents come in at its doors, the coordinator's tunnels at its control port.
//!
//! It is open to the whole internet, so everything that somebody may take of it is bounded, in number and in time: how
//! many strangers stand at the control port, how many connections wait at the doors, from one address and in all, and
//! how many are open. It reads nothing of what goes through.
//!
//! It ends when nobody has held a tunnel for its lease, and then its instance ends: who forgets it pays minutes.

mod control;
mod doors;
mod lobby;
mod tunnel;
mod waiting;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::census::Census;
use crate::options::RelayOptions;
use crate::secret::Secret;
use crate::timing::Timing;
use lobby::Lobby;
use tunnel::Tunnel;
use waiting::Waiting;

/// A relay that listens.
#[derive(Debug)]
pub struct Relay {
    control: TcpListener,
    doors: Vec<TcpListener>,
    mirror: Option<TcpListener>,
    addresses: Addresses,
    lease: Duration,
    house: Arc<House>,
}

/// Where a relay listens, ports that were free for the choosing included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// For tunnels.
    pub control: SocketAddr,
    /// For agents, by the number of the door.
    pub doors: Vec<SocketAddr>,
    /// For those who download the agent's program.
    pub mirror: Option<SocketAddr>,
}

/// Where a relay cannot listen: every port with the reason.
#[derive(Debug, thiserror::Error)]
#[error("opening the relay's ports: {}", .0.join("; "))]
pub struct BindError(pub Vec<String>);

/// Why a relay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Asked,
    /// Nobody held a tunnel for the time of its lease.
    LeaseOver,
}

/// What all parts of a relay share.
#[derive(Debug)]
struct House {
    secret: Secret,
    timing: Timing,
    /// The tunnels, idle and taken.
    tunnels: Census,
    lobby: Lobby<Tunnel>,
    waiting: Waiting,
}

/// Relays until `shutdown` is there or the lease is over; then every connection is closed.
///
/// # Errors
/// If it cannot listen on one of its ports.
pub async fn run(options: &RelayOptions, shutdown: impl Future<Output = ()>) -> Result<Ended, BindError> {
    Ok(Relay::bind(options).await?.run(shutdown).await)
}

impl Relay {
    /// Listens on all ports; serves nobody yet.
    ///
    /// # Errors
    /// If that cannot be had, with all ports for which it cannot.
    pub async fn bind(options: &RelayOptions) -> Result<Relay, BindError> {
        let mut failed = Vec::new();
        let control = bind(options.listen, options.control, "tunnels", &mut failed).await;
        let mut doors = Vec::new();
        for &port in &options.doors {
            doors.extend(bind(options.listen, port, "agents", &mut failed).await);
        }
        let mirror = match options.mirror {
            Some(port) => bind(options.listen, port, "downloads", &mut failed).await,
            None => None,
        };
        let Some((control, control_address)) = control.filter(|_| failed.is_empty()) else {
            return Err(BindError(failed));
        };
        let (doors, door_addresses) = doors.into_iter().unzip();
        let (mirror, mirror_address) = mirror.unzip();
        let addresses = Addresses { control: control_address, doors: door_addresses, mirror: mirror_address };
        let house = House {
            secret: options.secret.clone(),
            timing: options.timing,
            tunnels: Census::new(),
            lobby: Lobby::default(),
            waiting: Waiting::default(),
        };
        Ok(Relay { control, doors, mirror, addresses, lease: options.lease, house: Arc::new(house) })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The listener for downloads, for a server of the agent's program. The relay leaves it alone: what the port serves
    /// is public and has nothing to do with tunnels.
    pub fn take_mirror(&mut self) -> Option<TcpListener> {
        self.mirror.take()
    }

    /// Relays until `shutdown` is there or the lease is over.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Ended {
        // Dropped at the end, and with it everything that came in at the doors.
        let mut serving = JoinSet::new();
        for (door, listener) in (0..=u8::MAX).zip(self.doors) {
            serving.spawn(doors::serve(listener, door, self.house.clone()));
        }
        tokio::select! {
            // Told to end.
            () = shutdown => Ended::Asked,
            // Nobody is there any more.
            () = unheld(self.house.tunnels.watch(), self.lease) => Ended::LeaseOver,
            // Tunnels arrive.
            never = control::serve(self.control, self.house) => match never {},
        }
    }
}

/// A listener and where it is, or one more reason in `failed`.
async fn bind(listen: IpAddr, port: u16, purpose: &str, failed: &mut Vec<String>) -> Option<(TcpListener, SocketAddr)> {
    let at = |address| async move {
        let listener = TcpListener::bind(SocketAddr::new(address, port)).await?;
        let address = listener.local_addr()?;
        Ok::<_, io::Error>((listener, address))
    };
    let bound = match at(listen).await {
        // A kernel without IPv6.
        Err(error) if listen == Ipv6Addr::UNSPECIFIED && error.kind() != io::ErrorKind::AddrInUse => {
            at(Ipv4Addr::UNSPECIFIED.into()).await
        }
        bound => bound,
    };
    bound.map_err(|error| failed.push(format!("{} for {purpose}: {error}", SocketAddr::new(listen, port)))).ok()
}

/// Returns when there was no tunnel for as long as the lease.
async fn unheld(mut tunnels: watch::Receiver<usize>, lease: Duration) {
    loop {
        // The house has the sender, and lives as long as who waits here.
        let _ = tunnels.wait_for(|&count| count == 0).await;
        if timeout(lease, tunnels.wait_for(|&count| count > 0)).await.is_err() {
            return;
        }
    }
}

/// Something that goes on until it is dropped.
type Forever = Infallible;
