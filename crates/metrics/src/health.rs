//! How well an agent itself was in one second: what tells a slow generator from a slow system.

use serde::{Deserialize, Serialize};

/// The worst that an agent, one of its threads or a whole fleet saw of itself in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Longest that a timer fired late, in microseconds.
    pub lag_max_micros: u64,
    /// CPU used, in thousandths of one core, of the busiest.
    pub cpu_milli: u32,
    /// CPU that the hypervisor gave to others, in thousandths of one core.
    pub steal_milli: u32,
    /// Open file descriptors of the process.
    pub open_files: u64,
    /// Planned starts that could not be made.
    pub dropped_starts: u64,
    /// How far the agent's run time may be off, in microseconds.
    pub clock_bound_micros: u64,
}

impl Health {
    /// Takes the worse of each, and the sum of dropped starts. Associative and commutative.
    pub fn merge(&mut self, other: &Health) {
        self.lag_max_micros = self.lag_max_micros.max(other.lag_max_micros);
        self.cpu_milli = self.cpu_milli.max(other.cpu_milli);
        self.steal_milli = self.steal_milli.max(other.steal_milli);
        self.open_files = self.open_files.max(other.open_files);
        self.dropped_starts = self.dropped_starts.saturating_add(other.dropped_starts);
        self.clock_bound_micros = self.clock_bound_micros.max(other.clock_bound_micros);
    }
}
