//! Why a call got no answer: a small closed set of kinds, because each kind becomes the value of a metric's tag.

use std::error::Error;
use std::fmt;
use std::io;

/// Names the reason for which there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// The host's name could not be resolved.
    Dns,
    /// The host is a service that is followed, and none of its instances takes connections.
    NoInstance,
    /// Nobody listens at the address.
    Refused,
    /// No connection could be opened for another reason, such as no route or no free local port.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The exchange did not end within its timeout.
    Timeout,
    /// The peer reset the connection.
    Reset,
    /// The peer closed the connection before its answer was complete.
    Closed,
    /// The peer's bytes were not what the protocol allows.
    Protocol,
    /// The body was larger than allowed, or its content encoding was broken.
    Body,
    /// The answer redirected more often than the request allows.
    Redirects,
    /// The allow list does not permit the address.
    Denied,
    /// The URL cannot be requested.
    Url,
}

impl FailureKind {
    /// Returns the name under which the kind is counted.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::NoInstance => "no_instance",
            Self::Refused => "refused",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
            Self::Body => "body",
            Self::Redirects => "redirects",
            Self::Denied => "denied",
            Self::Url => "url",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Describes a call or an opening that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Failure {
    pub kind: FailureKind,
    /// What we were doing and what went wrong, for people.
    pub message: String,
    /// The HTTP status that refused a socket, if the server gave one; always absent for calls.
    pub status: Option<u16>,
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), status: None }
    }

    pub(crate) fn timeout(doing: &str) -> Self {
        Self::new(FailureKind::Timeout, format!("{doing}: no answer within the timeout"))
    }

    /// Classifies an error that a library raised on an open connection by what lies at its root.
    pub(crate) fn from_connection(doing: &str, error: &(dyn Error + 'static)) -> Self {
        let mut message = format!("{doing}: {error}");
        let mut kind = None;
        let mut cause = Some(error);
        while let Some(error) = cause {
            kind = kind.or_else(|| kind_of(error));
            cause = error.source();
            if let Some(cause) = cause {
                message = format!("{message}: {cause}");
            }
        }
        Self::new(kind.unwrap_or(FailureKind::Protocol), message)
    }
}

/// Says what kind of failure one error of a chain is, if it tells.
fn kind_of(error: &(dyn Error + 'static)) -> Option<FailureKind> {
    if let Some(error) = error.downcast_ref::<hyper::Error>()
        && (error.is_incomplete_message() || error.is_canceled() || error.is_closed())
    {
        return Some(FailureKind::Closed);
    }
    let error = error.downcast_ref::<io::Error>()?;
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::NotConnected => Some(FailureKind::Closed),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            Some(FailureKind::Reset)
        }
        io::ErrorKind::TimedOut => Some(FailureKind::Timeout),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_errors_become_kinds() {
        let check = |kind: io::ErrorKind, expected: FailureKind| {
            let failure = Failure::from_connection("reading", &io::Error::from(kind));
            assert_eq!(failure.kind, expected, "{kind:?}");
            assert!(failure.message.starts_with("reading: "), "{}", failure.message);
        };
        check(io::ErrorKind::ConnectionReset, FailureKind::Reset);
        check(io::ErrorKind::BrokenPipe, FailureKind::Reset);
        check(io::ErrorKind::UnexpectedEof, FailureKind::Closed);
        check(io::ErrorKind::InvalidData, FailureKind::Protocol);
    }
}
