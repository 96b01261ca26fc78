//! The control port: strangers prove that they are the coordinator, and become tunnels that wait in the lobby.
//!
//! A few strangers are heard at a time. When one more comes the oldest has to go, not the newest: the coordinator is
//! done within two journeys of a packet, so who wants to keep it out has to come with dozens in that time, again and
//! again, and not just to stand there.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::tunnel::{self, Tunnel};
use super::{Forever, House};
use crate::{handshake, sockets};

/// Strangers at a time.
const STRANGERS: usize = 64;
/// Idle tunnels at a time. Twice what a coordinator keeps: those of its former life are found out only after a while.
const IDLE: usize = 512;

pub(super) async fn serve(listener: TcpListener, house: Arc<House>) -> Forever {
    let mut strangers = JoinSet::new();
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    let mut idle = JoinSet::new();
    loop {
        tokio::select! {
            // Somebody knocks.
            (stream, _) = sockets::accept(&listener) => {
                if oldest_first.len() >= STRANGERS && let Some(oldest) = oldest_first.pop_front() {
                    oldest.abort();
                }
                oldest_first.push_back(strangers.spawn(admit(stream, house.clone())));
            }
            // A stranger is known, or gone.
            Some(outcome) = strangers.join_next() => {
                oldest_first.retain(|stranger| !stranger.is_finished());
                if let Ok(Some(tunnel)) = outcome && idle.len() < IDLE {
                    idle.spawn(tunnel::wait(tunnel, house.clone()));
                }
            }
            // A tunnel is idle no longer.
            Some(_) = idle.join_next() => {}
        }
    }
}

async fn admit(mut stream: TcpStream, house: Arc<House>) -> Option<Tunnel> {
    let admitted = timeout(house.timing.handshake, handshake::admit(&mut stream, &house.secret)).await;
    let session = admitted.ok()?.ok()?;
    Some(Tunnel { stream, session, _present: house.tunnels.enter() })
}
