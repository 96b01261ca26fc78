//! The coordinator's side of the bootstrap: brings the program to an instance that boots, again and again until the
//! instance has it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::LARGEST;
use crate::handshake::{HandshakeError, Stage};
use crate::secret::Secret;
use crate::timing::Timing;
use crate::tunnels::{DialError, Dialer, told};

/// How long between two attempts. Instances boot for twenty seconds or so.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How much is sent before progress is told.
const PIECE: usize = 64 * 1024;
/// How long one piece may take: 2 KiB/s is hopeless.
const PIECE_WITHIN: Duration = Duration::from_secs(30);
/// How long the instance may take to check and write it.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The instance does not listen yet, or an attempt failed; there will be another.
    Waiting {
        /// What happened.
        why: String,
    },
    /// So many bytes have been sent in this attempt.
    Sent {
        /// This many.
        bytes: usize,
        /// Of so many.
        of: usize,
    },
}

/// Why an instance did not become a relay.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// What is pushed could not have been accepted.
    #[error("pushing the agent to the relay: {0} bytes are more than the {LARGEST} that it takes; strip the program")]
    TooLarge(usize),
    /// The instance wants another program.
    #[error("pushing the agent to the relay at {0}: its user data has the checksum of another program; launch it anew")]
    OtherProgram(SocketAddr),
    /// Time is up.
    #[error("pushing the agent to the relay at {address}: not done after {} s; last: {why}", .after.as_secs())]
    GaveUp {
        /// Where.
        address: SocketAddr,
        /// How long it was tried.
        after: Duration,
        /// What went wrong last.
        why: String,
    },
}

/// What one attempt came to, if it did not fail.
enum Outcome {
    /// The instance has it, now or for some time.
    Done,
    OtherProgram,
}

/// Brings `program` to the instance whose control port this is, and tries until `within` is over. When this returns, the
/// relay starts or runs already.
///
/// # Errors
/// If the instance refuses this program, or does not have it in time.
pub async fn push(
    address: SocketAddr,
    secret: &Secret,
    program: &[u8],
    within: Duration,
    progress: impl Fn(Progress),
) -> Result<(), PushError> {
    if program.len() > LARGEST {
        return Err(PushError::TooLarge(program.len()));
    }
    let dialer = Dialer::new(vec![address], secret.clone(), Timing::default());
    let deadline = Instant::now() + within;
    let mut last = "there was no time for an attempt".to_owned();
    loop {
        match timeout_at(deadline, attempt(&dialer, program, &progress)).await {
            Ok(Ok(Outcome::Done)) => return Ok(()),
            Ok(Ok(Outcome::OtherProgram)) => return Err(PushError::OtherProgram(address)),
            Ok(Err(error)) => {
                last = told(&error);
                progress(Progress::Waiting { why: last.clone() });
            }
            // The last attempt was under way; the one before it says more.
            Err(_) => {}
        }
        if timeout_at(deadline, sleep(AGAIN_AFTER)).await.is_err() || Instant::now() >= deadline {
            return Err(PushError::GaveUp { address, after: within, why: last });
        }
    }
}

async fn attempt(dialer: &Dialer, program: &[u8], progress: &impl Fn(Progress)) -> Result<Outcome, DialError> {
    let (address, mut stream, stage, _) = dialer.reach().await?;
    match stage {
        // An attempt of before came through and its answer did not.
        Stage::Relay => Ok(Outcome::Done),
        Stage::Bootstrap => send(&mut stream, program, progress).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::TimedOut => DialError::Silent(address),
            _ => DialError::Handshake(address, HandshakeError::Broken(error)),
        }),
    }
}

async fn send(stream: &mut TcpStream, program: &[u8], progress: &impl Fn(Progress)) -> std::io::Result<Outcome> {
    let length = u32::try_from(program.len()).expect("bounded before");
    stream.write_all(&length.to_be_bytes()).await?;
    let mut bytes = 0;
    for piece in program.chunks(PIECE) {
        timeout(PIECE_WITHIN, stream.write_all(piece)).await??;
        bytes += piece.len();
        progress(Progress::Sent { bytes, of: program.len() });
    }
    let mut answer = [0; 2];
    timeout(ANSWER_WITHIN, stream.read_exact(&mut answer)).await??;
    match &answer {
        b"ok" => Ok(Outcome::Done),
        b"no" => Ok(Outcome::OtherProgram),
        _ => Err(std::io::ErrorKind::InvalidData.into()),
    }
}
