//! One attempt to reach the relay.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::handshake::{self, HandshakeError, Session, Stage};
use crate::secret::Secret;
use crate::sockets;
use crate::timing::Timing;

/// Why the relay was not reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nobody said where it is.
    #[error("dialing the relay: it has no address")]
    NoAddress,
    /// There is no way, or nobody listens.
    #[error("dialing the relay at {0}")]
    Connect(SocketAddr, #[source] io::Error),
    /// It did not answer.
    #[error("dialing the relay at {0}: no answer in time; is its control port open in its security group?")]
    Silent(SocketAddr),
    /// Something answered that is not our relay.
    #[error("greeting the relay at {0}")]
    Handshake(SocketAddr, #[source] HandshakeError),
    /// It is one of ours that has not come so far.
    #[error("the instance at {0} still waits for its program")]
    NotYet(SocketAddr),
}

/// Whom to dial, and how.
#[derive(Debug)]
pub(crate) struct Dialer {
    addresses: Vec<SocketAddr>,
    /// The address that was good last, or the one after the one that was not.
    next: AtomicUsize,
    secret: Secret,
    pub(crate) timing: Timing,
}

impl Dialer {
    pub(crate) fn new(addresses: Vec<SocketAddr>, secret: Secret, timing: Timing) -> Self {
        Dialer { addresses, next: AtomicUsize::new(0), secret, timing }
    }

    /// A tunnel; within the time for handshakes, or twice that.
    pub(super) async fn tunnel(&self) -> Result<(TcpStream, Session), DialError> {
        match self.reach().await? {
            (_, stream, Stage::Relay, session) => Ok((stream, session)),
            (address, _, Stage::Bootstrap, _) => Err(DialError::NotYet(address)),
        }
    }

    /// Whatever there is of the relay, with its address.
    pub(crate) async fn reach(&self) -> Result<(SocketAddr, TcpStream, Stage, Session), DialError> {
        let turn = self.next.load(Ordering::Relaxed);
        let count = self.addresses.len().max(1);
        let address = *self.addresses.get(turn % count).ok_or(DialError::NoAddress)?;
        let reached = self.greet(address).await;
        if reached.is_err() {
            // Only one of many that failed together turns to the next address; if one did, the others follow.
            let _ = self.next.compare_exchange(turn, turn.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed);
        }
        let (stream, stage, session) = reached?;
        Ok((address, stream, stage, session))
    }

    async fn greet(&self, address: SocketAddr) -> Result<(TcpStream, Stage, Session), DialError> {
        let within = self.timing.handshake;
        let silent = |_| DialError::Silent(address);
        let connecting = async {
            let stream = TcpStream::connect(address).await?;
            sockets::tune(&stream)?;
            Ok(stream)
        };
        let connected = timeout(within, connecting).await.map_err(silent)?;
        let mut stream = connected.map_err(|error| DialError::Connect(address, error))?;
        let met = timeout(within, handshake::introduce(&mut stream, &self.secret)).await.map_err(silent)?;
        let (stage, session) = met.map_err(|error| DialError::Handshake(address, error))?;
        Ok((stream, stage, session))
    }
}
