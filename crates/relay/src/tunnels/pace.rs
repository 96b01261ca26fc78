//! How many tunnels there should be, and when to dial: arithmetic, without sockets and without a clock.
//!
//! A few tunnels wait for agents, more when agents come in crowds. Each that is taken is replaced at once; each that
//! failed costs a pause, which grows until the relay has shown that it works: by an agent, or by a tunnel that lasted.
//! While there is no tunnel at all one dial at a time tries, and the others wait for what becomes of it.

use std::collections::VecDeque;
use std::time::Duration;

use rehearsal_link::redial::Redial;
use tokio::time::Instant;

/// Idle tunnels when nothing happens.
const USUAL: usize = 8;
/// Idle tunnels at the most, those that are being dialed included.
const MOST: usize = 256;
/// How far back agents count.
const RECENT: Duration = Duration::from_secs(1);
/// The pauses between dials are drawn from spans up to a tenth of this, or what [`Redial`] allows at the most.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Pace {
    /// When agents came lately; no more than are needed for the most tunnels.
    taken: VecDeque<Instant>,
    /// The pause after a failure.
    not_before: Option<Instant>,
    redial: Redial,
    /// How long a tunnel has to last to count as one that works.
    lasts: Duration,
}

impl Pace {
    pub(super) fn new(lasts: Duration) -> Self {
        Pace { taken: VecDeque::new(), not_before: None, redial: Redial::new(PATIENCE), lasts }
    }

    /// How many to dial now, if `there` are idle or being dialed.
    pub(super) fn missing(&mut self, now: Instant, there: usize, is_connected: bool) -> usize {
        if self.not_before.is_some_and(|not_before| now < not_before) {
            return 0;
        }
        self.taken.retain(|&taken| now.duration_since(taken) < RECENT);
        let wanted = match (is_connected, self.not_before) {
            (false, Some(_)) => 1,
            _ => (USUAL + self.taken.len()).min(MOST),
        };
        wanted.saturating_sub(there)
    }

    /// An agent came through a tunnel.
    pub(super) fn taken(&mut self, now: Instant) {
        self.works();
        self.taken.push_back(now);
        if self.taken.len() > MOST {
            self.taken.pop_front();
        }
    }

    /// A tunnel was not to be had, or ended without an agent after so long. `random` is uniform over all of `u64`.
    pub(super) fn failed(&mut self, now: Instant, after: Duration, random: u64) {
        if after >= self.lasts {
            self.works();
        }
        // Those that fail together are one failure.
        if self.not_before.is_none_or(|not_before| now >= not_before) {
            self.not_before = Some(now + self.redial.next_delay(random));
        }
    }

    /// When [`Pace::missing`] may have another answer though nothing happened.
    pub(super) fn next_look(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|&not_before| not_before > now)
    }

    fn works(&mut self) {
        self.not_before = None;
        self.redial = Redial::new(PATIENCE);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LASTS: Duration = Duration::from_secs(15);
    const BRIEF: Duration = Duration::ZERO;

    #[test]
    fn agents_in_crowds_get_more_tunnels_for_a_while() {
        let (mut pace, start) = (Pace::new(LASTS), Instant::now());
        assert_eq!(pace.missing(start, 0, false), 8, "all at once at the beginning");
        (0..20).for_each(|_| pace.taken(start));
        assert_eq!(pace.missing(start, 0, true), 28);
        assert_eq!(pace.missing(start, 10, true), 18);
        assert_eq!(pace.missing(start + RECENT, 0, true), 8);
        (0..1_000).for_each(|_| pace.taken(start + RECENT));
        assert_eq!(pace.missing(start + RECENT, 0, true), MOST);
        assert_eq!(pace.missing(start + RECENT, 300, true), 0);
    }

    #[test]
    fn failures_make_pauses_and_one_at_a_time_tries() {
        let (mut pace, start) = (Pace::new(LASTS), Instant::now());
        (0..8).for_each(|_| pace.failed(start, BRIEF, u64::MAX));
        let pause = pace.next_look(start).unwrap();
        assert!(pause - start <= Duration::from_millis(500), "eight that fail together are one failure");
        assert_eq!(pace.missing(start, 0, false), 0);
        assert_eq!(pace.missing(pause, 0, false), 1);
        assert_eq!(pace.missing(pause, 1, false), 0);
        assert_eq!(pace.missing(pause, 1, true), 7, "it has come through: now the others");
        pace.failed(pause, BRIEF, u64::MAX);
        assert!(pace.next_look(pause).unwrap() - pause > Duration::from_millis(900), "the pauses grow");
    }

    #[test]
    fn a_relay_that_works_is_dialed_without_a_pause() {
        let (mut pace, start) = (Pace::new(LASTS), Instant::now());
        (0..9).for_each(|second| pace.failed(start + Duration::from_secs(2 * second), BRIEF, u64::MAX));
        let later = start + Duration::from_secs(17);
        pace.taken(later);
        assert_eq!(pace.next_look(later), None);
        assert_eq!(pace.missing(later, 0, true), 9);
        pace.failed(later, LASTS, u64::MAX);
        assert!(
            pace.next_look(later).unwrap() - later <= Duration::from_millis(500),
            "it lasted: the pauses begin anew"
        );
    }

    proptest! {
        /// A relay that cuts every tunnel at once must not be dialed as fast as the network allows.
        #[test]
        fn dials_that_fail_are_few(random in proptest::collection::vec(any::<u64>(), 4_096)) {
            let (mut pace, start) = (Pace::new(LASTS), Instant::now());
            let (mut now, mut dials) = (start, 0);
            for random in random {
                dials += pace.missing(now, 0, false);
                pace.failed(now, BRIEF, random);
                now = pace.next_look(now).unwrap_or(now);
            }
            // The first eight, then one after each pause, which lasts a second on average.
            let seconds = (now - start).as_secs_f64();
            prop_assert!((dials as f64) < 8.0 + 2.0 * seconds + 100.0, "{dials} dials in {seconds} s");
        }
    }
}
