//! What the ends of a tunnel say after the handshake, until the tunnel is an agent's.
//!
//! Idle, both send a byte now and then, a beat. The relay hands a connection over with a byte and a header; the
//! coordinator takes or refuses it with a byte. From then on the bytes are the agent's and the coordinator's. Until the
//! coordinator has taken it, nothing of the agent's has been read: a tunnel that turns out to be dead costs nothing but
//! time.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::handshake::Session;

/// A sign of life, from both.
pub(crate) const BEAT: u8 = 0;
/// A header follows, from the relay.
pub(crate) const VISITOR: u8 = 1;
/// What follows is for the agent, from the coordinator.
pub(crate) const TAKEN: u8 = 1;
/// Nobody serves this door, from the coordinator. Trying another tunnel would not help.
pub(crate) const REFUSED: u8 = 2;

/// Whose connection is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// At which door it came in.
    pub(crate) door: u8,
    /// Where it came from.
    pub(crate) peer: SocketAddr,
}

impl Header {
    const BODY: usize = 1 + 16 + 2;
    /// On the wire: the door, the address as IPv6, the port, the tag of these.
    pub(crate) const LENGTH: usize = Header::BODY + Session::TAG;

    pub(crate) fn encode(self, session: &Session) -> [u8; Header::LENGTH] {
        let address = match self.peer.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let mut bytes = [0; Header::LENGTH];
        bytes[0] = self.door;
        bytes[1..17].copy_from_slice(&address.octets());
        bytes[17..Header::BODY].copy_from_slice(&self.peer.port().to_be_bytes());
        let tag = session.tag(&bytes[..Header::BODY]);
        bytes[Header::BODY..].copy_from_slice(&tag);
        bytes
    }

    /// Nothing, if the relay at the other end did not write it.
    pub(crate) fn decode(bytes: &[u8; Header::LENGTH], session: &Session) -> Option<Header> {
        let (body, tag) = bytes.split_at(Header::BODY);
        if !session.accepts(body, tag) {
            return None;
        }
        let address: [u8; 16] = body[1..17].try_into().expect("sixteen bytes");
        let port = u16::from_be_bytes([body[17], body[18]]);
        Some(Header { door: body[0], peer: SocketAddr::new(Ipv6Addr::from(address).to_canonical(), port) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::duplex;

    use super::*;
    use crate::handshake;
    use crate::secret::Secret;

    fn session() -> Session {
        let secret = Secret::random();
        let (mut here, mut there) = duplex(1_024);
        let both =
            async { tokio::join!(handshake::admit(&mut here, &secret), handshake::introduce(&mut there, &secret)) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(both).0.unwrap()
    }

    proptest! {
        #[test]
        fn reading_undoes_writing_and_what_was_changed_is_not_read(
            door: u8,
            ip: IpAddr,
            port: u16,
            place in 0..Header::LENGTH,
            change in 1..=u8::MAX,
        ) {
            let session = session();
            let header = Header { door, peer: SocketAddr::new(ip.to_canonical(), port) };
            let mut bytes = header.encode(&session);
            prop_assert_eq!(Header::decode(&bytes, &session), Some(header));
            bytes[place] ^= change;
            prop_assert_eq!(Header::decode(&bytes, &session), None);
        }
    }
}
