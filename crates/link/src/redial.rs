//! When to dial again: exponential backoff with full jitter, so that a thousand agents that lost the coordinator in
//! one instant do not come back in one instant.

use std::time::Duration;

/// The span from which the first redial is drawn; small beside the 2 s after which a closed connection is shown.
const FIRST: Duration = Duration::from_millis(500);
/// The longest span: a cue that waits for agents waits no longer than that, and a thousand agents that come back within it
/// are taken in as they come (`cargo xtask bench swarm`).
const LONGEST: Duration = Duration::from_secs(2);

/// Counts attempts and gives each its delay, uniform in `[0, min(cap, 0.5 s × 2^attempt))`; made anew after a success.
#[derive(Debug, Clone, Copy)]
pub struct Redial {
    cap: Duration,
    attempt: u32,
}

impl Redial {
    /// A backoff whose delays stay below 2 s, and below half the lease, so that one failed attempt does not cost it.
    pub fn new(lease: Duration) -> Self {
        Self::within(LONGEST.min(lease / 2))
    }

    /// A backoff whose delays stay below a span: for whoever holds no lease, and may have to wait long.
    pub fn within(cap: Duration) -> Self {
        Redial { cap, attempt: 0 }
    }

    /// The delay before the next attempt; `random` is uniform over all of `u64`.
    pub fn next_delay(&mut self, random: u64) -> Duration {
        let span = FIRST.saturating_mul(2u32.saturating_pow(self.attempt)).min(self.cap);
        self.attempt = self.attempt.saturating_add(1);
        let micros = (u128::from(random) * span.as_micros()) >> 64;
        Duration::from_micros(u64::try_from(micros).expect("a span below the lease fits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_and_use_the_whole_span() {
        let mut redial = Redial::new(Duration::from_secs(20));
        let longest: Vec<u128> = (0..4).map(|_| redial.next_delay(u64::MAX).as_millis() + 1).collect();
        assert_eq!(longest, [500, 1_000, 2_000, 2_000]);
        assert_eq!(redial.next_delay(0), Duration::ZERO);
        assert_eq!(redial.next_delay(1 << 63), Duration::from_secs(1));
        let mut hurried = Redial::new(Duration::from_millis(1_500));
        assert_eq!([(); 3].map(|()| hurried.next_delay(u64::MAX).as_millis() + 1), [500, 750, 750]);
    }

    #[test]
    fn thousands_of_attempts_do_not_overflow() {
        let mut redial = Redial::new(Duration::from_secs(20));
        assert!((0..5_000).all(|_| redial.next_delay(u64::MAX) < LONGEST));
    }
}
