//! Both ends of the link between agents and coordinator, as state machines without I/O and without a clock.
//!
//! Nothing may be lost and nothing counted twice, whatever dies and reconnects; a slot never has two owners at one
//! instant. Those promises are kept here, by pure functions `(state, event, now) -> effects`, so that a simulation can
//! break connections, clocks and processes ten thousand times a second and look whether they still hold. The
//! binaries only perform the effects.
//!
//! Read [`message`] first: it is what the ends say. Then [`outbox`] and [`inbox`] (intervals), [`lease`] and
//! [`presence`] (who may start load), and last the two machines that compose them, [`agent`] and [`coordinator`].
#![forbid(unsafe_code)]
#![warn(missing_docs)]

// What is said, and by whom.
pub mod identity;
pub mod message;

// Intervals and time.
pub mod clock;
pub mod inbox;
pub mod outbox;

// Who may start load.
pub mod fence;
pub mod lease;
pub mod presence;
pub mod redial;

// The two ends.
pub mod agent;
pub mod coordinator;

#[cfg(test)]
mod fake;

pub use agent::AgentEnd;
pub use clock::{ClockFilter, Probe, RunClock};
pub use coordinator::CoordinatorEnd;
pub use identity::{Epoch, Incarnation, MonoTime, Session};
pub use inbox::{Inbox, Receipt};
pub use lease::{AgentLease, LeaseTerms};
pub use message::{
    Applied, Assignment, CueAnnouncement, Hello, Leaving, Readiness, StopKind, Stopping, ToAgent, ToCoordinator,
    Welcome,
};
pub use outbox::{Coarsen, Outbox};
pub use presence::{AgentPresence, PresenceState};
