//! How our sockets are set: without delay, and so that a peer that vanished is found.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// The kernel asks a silent peer after this, and again each time it has passed. Beats do the same for idle tunnels.
const ASK_AFTER: Duration = Duration::from_secs(15);
/// After how long without an answer, to a question or to data, a connection is broken.
#[cfg(target_os = "linux")]
const GIVE_UP_AFTER: Duration = Duration::from_secs(45);
/// How long accepting rests after it failed, which it does when the process is out of files: trying again at once would
/// take a whole core and free none.
const ACCEPT_REST: Duration = Duration::from_millis(20);

/// Sets what every socket of ours has.
pub(crate) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(ASK_AFTER).with_interval(ASK_AFTER))?;
    // Keepalive asks only when nothing is on the way.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(GIVE_UP_AFTER))?;
    Ok(())
}

/// The next connection; what fails is left out.
pub(crate) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            // One that cannot be set has ended already.
            Ok((stream, peer)) if tune(&stream).is_ok() => {
                return (stream, SocketAddr::new(peer.ip().to_canonical(), peer.port()));
            }
            Ok(_) => {}
            Err(_) => sleep(ACCEPT_REST).await,
        }
    }
}
