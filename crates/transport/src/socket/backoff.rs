//! How long to wait before polling again after a failure, so that a hundred thousand users do not trample a server that comes back.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::SplitMix64;

const FIRST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(30);

/// The pauses between retries: 1 s, doubled with each failure up to 30 s, and of that a random part of at least a half.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    random: SplitMix64,
}

impl Backoff {
    pub fn new(seed: u64) -> Self {
        Self { failures: 0, random: SplitMix64::seed_from_u64(seed) }
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Returns the pause after one more failure.
    pub fn next(&mut self) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        doubled.min(MOST).mul_f64(self.random.random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_stay_within_bounds_and_start_over() {
        let mut backoff = Backoff::new(1);
        for doubled in [1, 2, 4, 8, 16, 30, 30, 30] {
            let pause = backoff.next().as_secs_f64();
            assert!((f64::from(doubled) / 2.0..=f64::from(doubled)).contains(&pause), "{pause} for {doubled}");
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }

    #[test]
    fn users_do_not_retry_in_step() {
        assert_ne!(Backoff::new(1).next(), Backoff::new(2).next());
    }
}
