//! The line between an agent and the coordinator: it carries bytes, or does not.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It carries.
    Open,
    /// It carries nothing for now, and tells nobody: what was sent arrives later.
    Silent,
    /// Connections end, and new ones end at once.
    Cut,
}

/// A line of one agent, to both addresses of the coordinator. Dropping it cuts it for good.
#[derive(Debug)]
pub struct Line {
    condition: watch::Sender<Condition>,
    /// Where the agent joins, and where it dials.
    pub addresses: [SocketAddr; 2],
    carrying: [JoinHandle<()>; 2],
}

impl Line {
    /// Lays a line to the addresses at which the coordinator listens, in all its lives.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn to(coordinator: [SocketAddr; 2]) -> io::Result<Self> {
        let (condition, watched) = watch::channel(Condition::Open);
        let [join, link] = coordinator;
        let ends = [listen().await?, listen().await?];
        let addresses = [ends[0].local_addr()?, ends[1].local_addr()?];
        let [joining, linking] = ends;
        let carrying =
            [tokio::spawn(carry(joining, join, watched.clone())), tokio::spawn(carry(linking, link, watched))];
        Ok(Self { condition, addresses, carrying })
    }

    /// Makes it better or worse.
    pub fn set(&self, condition: Condition) {
        self.condition.send_replace(condition);
    }

    /// How it is now.
    pub fn condition(&self) -> Condition {
        *self.condition.borrow()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.carrying.iter().for_each(JoinHandle::abort);
    }
}

async fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

/// Owns all connections of one end: they end with it.
async fn carry(listener: TcpListener, to: SocketAddr, condition: watch::Receiver<Condition>) {
    let mut connections = JoinSet::new();
    while let Ok((agent, _)) = listener.accept().await {
        let mut watched = condition.clone();
        connections.spawn(async move {
            let mut cut = watched.clone();
            tokio::select! {
                // Whichever end closes, or that the coordinator is not there, the other one notices by this end's closing.
                _ = connect(agent, to, &mut watched) => {}
                _ = cut.wait_for(|condition| *condition == Condition::Cut) => {}
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn connect(agent: TcpStream, to: SocketAddr, condition: &mut watch::Receiver<Condition>) -> io::Result<()> {
    until_open(condition).await;
    let coordinator = TcpStream::connect(to).await?;
    agent.set_nodelay(true)?;
    coordinator.set_nodelay(true)?;
    let ((from_agent, to_agent), (from_coordinator, to_coordinator)) = (agent.into_split(), coordinator.into_split());
    tokio::select! {
        ended = pass(from_agent, to_coordinator, condition.clone()) => ended,
        ended = pass(from_coordinator, to_agent, condition.clone()) => ended,
    }
}

/// Passes bytes on until one end closes.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut condition: watch::Receiver<Condition>,
) -> io::Result<()> {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut bytes).await?;
        until_open(&mut condition).await;
        if count == 0 {
            return Ok(());
        }
        to.write_all(&bytes[..count]).await?;
    }
}

async fn until_open(condition: &mut watch::Receiver<Condition>) {
    // An error says that the line is gone, and with it this connection.
    let _ = condition.wait_for(|condition| *condition != Condition::Silent).await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A coordinator that says everything again, at both addresses.
    async fn echo() -> SocketAddr {
        let listener = listen().await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        address
    }

    async fn said_again(stream: &mut TcpStream) -> io::Result<u8> {
        stream.write_u8(7).await?;
        stream.read_u8().await
    }

    #[tokio::test]
    async fn what_is_sent_into_silence_arrives_later_and_a_cut_ends_connections() {
        let address = echo().await;
        let line = Line::to([address, address]).await.unwrap();
        for end in line.addresses {
            line.set(Condition::Open);
            let mut stream = TcpStream::connect(end).await.unwrap();
            assert_eq!(said_again(&mut stream).await.unwrap(), 7);
            line.set(Condition::Silent);
            let silence = tokio::time::timeout(Duration::from_millis(200), said_again(&mut stream)).await;
            assert!(silence.is_err(), "it hears {silence:?}");
            line.set(Condition::Open);
            assert_eq!(stream.read_u8().await.unwrap(), 7);
            line.set(Condition::Cut);
            assert!(stream.read_u8().await.is_err());
            let mut again = TcpStream::connect(end).await.unwrap();
            assert!(said_again(&mut again).await.is_err());
            line.set(Condition::Open);
            let mut healed = TcpStream::connect(end).await.unwrap();
            assert_eq!(said_again(&mut healed).await.unwrap(), 7);
        }
    }
}
