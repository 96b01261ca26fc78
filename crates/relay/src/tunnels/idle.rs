//! One tunnel at the coordinator: dialed, idle with a beat now and then, and at last somebody's connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, interval_at, timeout};

use super::dial::{DialError, Dialer};
use super::incoming::Tunneled;
use crate::census::{Census, Present};
use crate::handshake::Session;
use crate::timing::Timing;
use crate::wire::{BEAT, Header, REFUSED, TAKEN, VISITOR};

/// What all tunnels of a coordinator share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) dialer: Dialer,
    /// How many may be on their way: fewer than the strangers that a relay listens to.
    pub(super) dialing: Semaphore,
    /// Those that are there, idle or taken.
    pub(super) tunnels: Census,
    /// Where connections go, by their door.
    pub(super) ways: Vec<mpsc::Sender<Tunneled>>,
}

/// What became of a tunnel.
#[derive(Debug)]
pub(super) enum Ending {
    /// Somebody came through, whatever became of him.
    Used,
    /// There was none.
    Undialed(DialError),
    /// It ended with nobody in it.
    Lost { after: Duration, why: Lost },
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("the relay closed a tunnel")]
    Closed(#[source] io::Error),
    #[error("the relay was silent for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("what came through a tunnel was not the relay's")]
    Garbled,
}

/// The life of one tunnel.
pub(super) async fn live(shared: Arc<Shared>) -> Ending {
    let dialed = {
        let _turn = shared.dialing.acquire().await.expect("it is never closed");
        shared.dialer.tunnel().await
    };
    let (mut stream, session) = match dialed {
        Ok(dialed) => dialed,
        Err(error) => return Ending::Undialed(error),
    };
    let present = shared.tunnels.enter();
    let since = Instant::now();
    let timing = shared.dialer.timing;
    match visitor(&mut stream, &session, timing).await {
        Ok(header) => {
            let way = shared.ways.get(usize::from(header.door));
            receive(stream, header, present, way, timing).await;
            Ending::Used
        }
        Err(why) => Ending::Lost { after: since.elapsed(), why },
    }
}

/// Waits for a visitor.
async fn visitor(stream: &mut TcpStream, session: &Session, timing: Timing) -> Result<Header, Lost> {
    let mut heard = Instant::now();
    let mut beats = interval_at(heard + timing.beat, timing.beat);
    loop {
        tokio::select! {
            // The relay says something.
            said = stream.read_u8() => match said.map_err(Lost::Closed)? {
                BEAT => heard = Instant::now(),
                VISITOR => break,
                _ => return Err(Lost::Garbled),
            },
            // Time to look whether it is alive.
            _ = beats.tick() => {
                if heard.elapsed() > timing.silence {
                    return Err(Lost::Silent(timing.silence));
                }
                bounded(timing, stream.write_all(&[BEAT])).await?;
            }
        }
    }
    let mut header = [0; Header::LENGTH];
    bounded(timing, stream.read_exact(&mut header)).await?;
    Header::decode(&header, session).ok_or(Lost::Garbled)
}

async fn bounded<T>(timing: Timing, what: impl Future<Output = io::Result<T>>) -> Result<T, Lost> {
    match timeout(timing.takeover, what).await {
        Ok(done) => done.map_err(Lost::Closed),
        Err(_) => Err(Lost::Silent(timing.takeover)),
    }
}

/// Takes the visitor, if somebody serves his door. When there is no room for him for a while nothing is said, and the
/// relay tries again with another tunnel. A tunnel that breaks here is nobody's loss but the visitor's.
async fn receive(
    mut stream: TcpStream,
    header: Header,
    present: Present,
    way: Option<&mpsc::Sender<Tunneled>>,
    timing: Timing,
) {
    let room = match way {
        Some(way) => timeout(timing.takeover, way.reserve()).await.map(Result::ok),
        None => Ok(None),
    };
    match room {
        Ok(Some(room)) => {
            if bounded(timing, stream.write_all(&[TAKEN])).await.is_ok() {
                room.send(Tunneled { stream, peer: header.peer, _present: present });
            }
        }
        Ok(None) => {
            let _ = bounded(timing, stream.write_all(&[REFUSED])).await;
        }
        Err(_) => {}
    }
}
