//! How coordinator and relay prove to each other that they know the secret, without sending it.
//!
//! ```text
//! relay        RHR1, 32 random bytes A           (RHU1: an instance that waits for its program, see `bootstrap`)
//! coordinator  32 random bytes B, HMAC-SHA256(secret, "coordinator" A B)
//! relay        HMAC-SHA256(secret, "relay" A B)
//! ```
//!
//! Both draw anew for each connection, so nothing that was overheard is of use again. The three words, the third being
//! that of the headers' key, keep an answer from being taken for another. Comparing takes the same time whatever differs.

use std::io;

use ring::hmac;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::secret::Secret;

const RELAYS: [u8; 4] = *b"RHR1";
const WANTS_ITS_PROGRAM: [u8; 4] = *b"RHU1";
const NONCE: usize = 32;
const PROOF: usize = 32;

/// How far the other end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It waits for the program to be pushed.
    Bootstrap,
    /// It relays.
    Relay,
}

/// Why two ends did not become acquainted.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The connection broke, which is also what a relay does with those that have another secret.
    #[error("the connection ended before both sides had proved who they are (a relay with another secret does that)")]
    Broken(#[source] io::Error),
    /// Something else listens there.
    #[error("what listens there is no relay of this version")]
    Foreign,
    /// The other end does not know the secret.
    #[error("the other side could not prove that it knows the secret")]
    Unproven,
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        HandshakeError::Broken(error)
    }
}

/// What two ends have in common after the handshake: a key of this one connection, for the headers.
#[derive(Debug)]
pub(crate) struct Session(hmac::Key);

impl Session {
    pub(crate) const TAG: usize = 32;

    pub(crate) fn tag(&self, message: &[u8]) -> [u8; Session::TAG] {
        bytes_of(&hmac::sign(&self.0, message))
    }

    pub(crate) fn accepts(&self, message: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.0, message, tag).is_ok()
    }
}

/// Both nonces, and what follows from them and the secret.
struct Exchange {
    key: hmac::Key,
    nonces: [u8; 2 * NONCE],
}

impl Exchange {
    fn new(secret: &Secret, relays: [u8; NONCE], coordinators: [u8; NONCE]) -> Self {
        let mut nonces = [0; 2 * NONCE];
        nonces[..NONCE].copy_from_slice(&relays);
        nonces[NONCE..].copy_from_slice(&coordinators);
        Exchange { key: secret.key(), nonces }
    }

    fn proof(&self, word: &str) -> [u8; PROOF] {
        bytes_of(&hmac::sign(&self.key, &self.said(word)))
    }

    fn check(&self, word: &str, proof: &[u8; PROOF]) -> Result<(), HandshakeError> {
        hmac::verify(&self.key, &self.said(word), proof).map_err(|_| HandshakeError::Unproven)
    }

    fn said(&self, word: &str) -> Vec<u8> {
        [word.as_bytes(), &self.nonces].concat()
    }

    fn session(&self) -> Session {
        Session(hmac::Key::new(hmac::HMAC_SHA256, &self.proof("header")))
    }
}

fn bytes_of(tag: &hmac::Tag) -> [u8; 32] {
    tag.as_ref().try_into().expect("HMAC-SHA256 has 32 bytes")
}

/// The relay's side.
pub(crate) async fn admit(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    secret: &Secret,
) -> Result<Session, HandshakeError> {
    let nonce: [u8; NONCE] = rand::random();
    stream.write_all(&[RELAYS.as_slice(), &nonce].concat()).await?;
    let (mut theirs, mut proof) = ([0; NONCE], [0; PROOF]);
    stream.read_exact(&mut theirs).await?;
    stream.read_exact(&mut proof).await?;
    let exchange = Exchange::new(secret, nonce, theirs);
    exchange.check("coordinator", &proof)?;
    stream.write_all(&exchange.proof("relay")).await?;
    Ok(exchange.session())
}

/// The coordinator's side; says what it has reached.
pub(crate) async fn introduce(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    secret: &Secret,
) -> Result<(Stage, Session), HandshakeError> {
    let (mut magic, mut theirs) = ([0; RELAYS.len()], [0; NONCE]);
    stream.read_exact(&mut magic).await?;
    let stage = match magic {
        RELAYS => Stage::Relay,
        WANTS_ITS_PROGRAM => Stage::Bootstrap,
        _ => return Err(HandshakeError::Foreign),
    };
    stream.read_exact(&mut theirs).await?;
    let nonce: [u8; NONCE] = rand::random();
    let exchange = Exchange::new(secret, theirs, nonce);
    stream.write_all(&[nonce, exchange.proof("coordinator")].concat()).await?;
    let mut proof = [0; PROOF];
    stream.read_exact(&mut proof).await?;
    exchange.check("relay", &proof)?;
    Ok((stage, exchange.session()))
}

#[cfg(test)]
#[path = "handshake/tests.rs"]
mod tests;
