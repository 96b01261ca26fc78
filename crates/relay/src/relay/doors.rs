//! A door: agents come in, get a tunnel, and are connected to whoever is at its other end.
//!
//! Nobody gets a tunnel before he has said something, since agents speak first. So those who only look whether a port
//! is open never reach the coordinator.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::tunnel::{Answer, Tunnel};
use super::{Forever, House};
use crate::sockets;

/// Connections at one door that are open or wait. Each takes two files and 16 KiB.
const OPEN: usize = 16_384;

pub(super) async fn serve(listener: TcpListener, door: u8, house: Arc<House>) -> Forever {
    let mut visitors = JoinSet::new();
    loop {
        tokio::select! {
            // Somebody comes in; if there is no room he is hung up on, and comes again.
            (stream, peer) = sockets::accept(&listener) => {
                if visitors.len() < OPEN && let Some(place) = house.waiting.admit(peer.ip()) {
                    let house = house.clone();
                    visitors.spawn(async move {
                        let found = find_tunnel(&stream, peer, door, &house).await;
                        drop(place);
                        if let Some(tunnel) = found {
                            connect(stream, tunnel).await;
                        }
                    });
                }
            }
            // Somebody leaves.
            Some(_) = visitors.join_next() => {}
        }
    }
}

/// A tunnel whose other end expects this visitor; none, if he says nothing, is refused, or there is none in time.
async fn find_tunnel(stream: &TcpStream, peer: SocketAddr, door: u8, house: &House) -> Option<Tunnel> {
    let deadline = Instant::now() + house.timing.wait;
    if timeout_at(deadline, stream.peek(&mut [0])).await.ok()?.ok()? == 0 {
        return None; // he left without a word
    }
    loop {
        let mut tunnel = timeout_at(deadline, house.lobby.claim()).await.ok()?;
        match timeout(house.timing.takeover, tunnel.hand_over(door, peer)).await {
            Ok(Ok(Answer::Taken)) => return Some(tunnel),
            Ok(Ok(Answer::Refused)) => return None,
            // Tunnels that have died unnoticed are used up here, one after the other.
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

/// Copies both ways until both have ended, or one has failed. When one end has said its last, the other is told.
async fn connect(mut visitor: TcpStream, mut tunnel: Tunnel) {
    // Whatever failed, both are closed now, and both ends notice.
    let _ = copy_bidirectional(&mut visitor, &mut tunnel.stream).await;
}
