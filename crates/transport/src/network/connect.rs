//! Opening a connection: look the name up, ask the allow list, connect, and shake hands if TLS is wanted.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rehearsal_plan::Endpoint;
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use super::service::Service;
use super::{Network, Origin, Stream};
use crate::failure::{Failure, FailureKind};

/// How many addresses of one name are tried before giving up; a record with hundreds of dead ones must not cost hundreds of timeouts.
const MAX_ADDRESSES: usize = 4;

/// A fresh connection and what opening it took.
pub(crate) struct Opened {
    pub stream: Stream,
    /// Name lookup and TCP handshake.
    pub connect: Duration,
    pub tls: Option<Duration>,
    /// The instance at its other end, if the origin is a service that is followed.
    pub instance: Option<Arc<Endpoint>>,
}

impl Network {
    /// Opens a connection to `origin`. The caller bounds the time.
    pub(crate) async fn open(&self, origin: &Origin) -> Result<Opened, Failure> {
        let began = Instant::now();
        let (tcp, instance) = match self.service.as_ref().filter(|service| service.is_at(origin)) {
            Some(service) => self.open_to_instance(service, origin).await?,
            None => (self.open_tcp(origin, &origin.host, origin.port).await?, None),
        };
        let connected = Instant::now();
        let connect = connected - began;
        if !origin.secure {
            return Ok(Opened { stream: Stream::Plain(tcp), connect, tls: None, instance });
        }
        let refuse = |error: &dyn std::fmt::Display| {
            Failure::new(FailureKind::Tls, format!("shaking hands with {}: {error}", origin.host))
        };
        let bare = origin.host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|error| refuse(&error))?;
        let session = self.tls.connect(name, tcp).await.map_err(|error| refuse(&error))?;
        Ok(Opened { stream: Stream::Tls(Box::new(session)), connect, tls: Some(connected.elapsed()), instance })
    }

    /// Connects to the first instance that answers, as a browser does with the addresses of a name: one that has just died is
    /// listed until its check fails.
    async fn open_to_instance(
        &self,
        service: &Service,
        origin: &Origin,
    ) -> Result<(TcpStream, Option<Arc<Endpoint>>), Failure> {
        let mut last = None;
        for instance in service.deal(MAX_ADDRESSES)? {
            match self.open_tcp(origin, &instance.host, instance.port).await {
                Ok(stream) => return Ok((stream, Some(instance))),
                Err(failure) => last = Some(failure),
            }
        }
        Err(last.expect("at least one instance is dealt"))
    }

    /// Connects to the first address of a host that answers.
    async fn open_tcp(&self, origin: &Origin, host: &str, port: u16) -> Result<TcpStream, Failure> {
        let addresses = self.names.addresses(host).await?;
        let mut last = None;
        for address in addresses.into_iter().take(MAX_ADDRESSES) {
            self.check_allowed(host, address)?;
            let to = SocketAddr::new(address, port);
            match self.connect_from_next_source(to).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(connect_failure(origin, to, &error)),
            }
        }
        Err(last.expect("a lookup gives at least one address"))
    }

    fn check_allowed(&self, host: &str, address: IpAddr) -> Result<(), Failure> {
        let Some(allow) = &self.allow else {
            return Ok(());
        };
        allow(host, address)
            .map_err(|why| Failure::new(FailureKind::Denied, format!("connecting to {host} ({address}): {why}")))
    }

    async fn connect_from_next_source(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(source) = self.next_source(to) {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = socket.connect(to).await?;
        // A request is one write; waiting for an acknowledgement before sending it would be measured as the server's time.
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Returns the next local address of the destination's family.
    fn next_source(&self, to: SocketAddr) -> Option<IpAddr> {
        let count = self.sources.len();
        let start = self.next_source.get();
        let found = (0..count)
            .map(|step| (start + step) % count)
            .find(|&place| self.sources[place].is_ipv4() == to.is_ipv4())?;
        self.next_source.set((found + 1) % count);
        Some(self.sources[found])
    }
}

fn connect_failure(origin: &Origin, to: SocketAddr, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::ConnectionRefused => FailureKind::Refused,
        _ => FailureKind::Connect,
    };
    Failure::new(kind, format!("connecting to {} ({to}): {error}", origin.host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::NetworkOptions;

    #[test]
    fn sources_take_turns_within_the_family_of_the_destination() {
        let sources = ["127.0.0.2", "::1", "127.0.0.3"].map(|text| text.parse().unwrap()).to_vec();
        let network = Network::new(NetworkOptions { sources: sources.clone(), ..NetworkOptions::default() }).unwrap();
        let to = SocketAddr::from(([127, 0, 0, 1], 80));
        let taken: Vec<_> = (0..4).map(|_| network.next_source(to).unwrap()).collect();
        assert_eq!(taken, [sources[0], sources[2], sources[0], sources[2]]);
    }

    #[test]
    fn without_a_source_of_that_family_the_kernel_chooses() {
        let sources = vec!["::1".parse().unwrap()];
        let network = Network::new(NetworkOptions { sources, ..NetworkOptions::default() }).unwrap();
        assert_eq!(network.next_source(SocketAddr::from(([127, 0, 0, 1], 80))), None);
    }
}
