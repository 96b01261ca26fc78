//! One tunnel at the relay: idle, until a visitor claims it and hands itself over.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval_at, timeout};

use super::House;
use crate::census::Present;
use crate::handshake::Session;
use crate::wire::{BEAT, Header, REFUSED, TAKEN, VISITOR};

/// A connection of a coordinator that has proved itself.
#[derive(Debug)]
pub(super) struct Tunnel {
    pub(super) stream: TcpStream,
    pub(super) session: Session,
    /// Counted for as long as there is something at the other end.
    pub(super) _present: Present,
}

/// What the coordinator does with a visitor.
pub(super) enum Answer {
    Taken,
    Refused,
}

/// Keeps a tunnel in the lobby until it is claimed or dead.
pub(super) async fn wait(mut tunnel: Tunnel, house: Arc<House>) {
    let mut claimed = house.lobby.offer();
    let timing = house.timing;
    let mut heard = Instant::now();
    let mut beats = interval_at(heard + timing.beat, timing.beat);
    let mut said = [0; 64];
    loop {
        tokio::select! {
            // A visitor wants it, or did: then it is dropped with him.
            claim = &mut claimed => {
                if let Ok(visitor) = claim {
                    let _ = visitor.send(tunnel);
                }
                return;
            }
            // The coordinator says something.
            read = tunnel.stream.read(&mut said) => match read {
                Ok(length @ 1..) if said[..length].iter().all(|&byte| byte == BEAT) => heard = Instant::now(),
                _ => return,
            },
            // Time to look whether it is alive.
            _ = beats.tick() => {
                if heard.elapsed() > timing.silence || !beat(&mut tunnel.stream, &house).await {
                    return;
                }
            }
        }
    }
}

async fn beat(stream: &mut TcpStream, house: &House) -> bool {
    matches!(timeout(house.timing.takeover, stream.write_all(&[BEAT])).await, Ok(Ok(())))
}

impl Tunnel {
    /// Tells the coordinator of a visitor; once he is taken, what else there is to read is for him.
    pub(super) async fn hand_over(&mut self, door: u8, peer: SocketAddr) -> io::Result<Answer> {
        let header = Header { door, peer }.encode(&self.session);
        self.stream.write_all(&[[VISITOR].as_slice(), &header].concat()).await?;
        loop {
            // Byte by byte: what follows the answer is the visitor's.
            match self.stream.read_u8().await? {
                BEAT => {} // sent before the header was there
                TAKEN => return Ok(Answer::Taken),
                REFUSED => return Ok(Answer::Refused),
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }
}
