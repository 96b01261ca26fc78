//! What comes out of tunnels: connections of agents, one stream of them for each door.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::census::Present;

/// The connections that come in at one door. It ends with its [`crate::Tunnels`]; when it is dropped, the door refuses.
#[derive(Debug)]
pub struct Incoming(mpsc::Receiver<Tunneled>);

impl Incoming {
    pub(super) fn new(arrivals: mpsc::Receiver<Tunneled>) -> Self {
        Incoming(arrivals)
    }
}

impl Stream for Incoming {
    /// Never an error. Servers expect that accepting may fail.
    type Item = io::Result<Tunneled>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|arrival| arrival.map(Ok))
    }
}

/// An agent's connection that came through a tunnel.
#[derive(Debug)]
pub struct Tunneled {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    /// For as long as this is used, the relay is there.
    pub(super) _present: Present,
}

impl Tunneled {
    /// Where the agent is, as the relay saw it. The relay may lie: a hint, no proof of who is there.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }
}

impl AsyncRead for Tunneled {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Tunneled {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// So that `Request::remote_addr` gives the agent's address, as with a listener of one's own.
#[cfg(feature = "tonic")]
impl tonic::transport::server::Connected for Tunneled {
    type ConnectInfo = tonic::transport::server::TcpConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        Self::ConnectInfo { local_addr: self.stream.local_addr().ok(), remote_addr: Some(self.peer) }
    }
}
