//! How long each end waits for what. Both ends have the same figures, because one counts on the other's.

use std::time::Duration;

/// Bounds of every wait. The default is what fleets use; tests have less patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long a stranger at the control port has to prove that it is the coordinator, and the other way round.
    pub handshake: Duration,
    /// How often each end of an idle tunnel gives a sign of life. Routers forget silent connections, some after a minute.
    pub beat: Duration,
    /// After how long without one an end gives the tunnel up.
    pub silence: Duration,
    /// How long an agent's connection may wait for its own first byte and for a tunnel, together.
    pub wait: Duration,
    /// How long the coordinator has to take a connection that it is handed. Then the relay tries another tunnel.
    pub takeover: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            handshake: Duration::from_secs(5),
            beat: Duration::from_secs(15),
            silence: Duration::from_secs(45),
            wait: Duration::from_secs(10),
            takeover: Duration::from_secs(3),
        }
    }
}
