//! What goes wrong and when: a function of the seed.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

/// The lease and the drain limit of the run.
pub const LEASE: Duration = Duration::from_secs(6);
pub const DRAIN: Duration = Duration::from_secs(4);

/// Nothing goes wrong in the first seconds, in which the audience comes together …
const CALM_BEGIN_MS: u64 = 4_000;
/// … nor in the last, in which the longest fault can end before the run does.
pub const CALM_END_MS: u64 = 18_000;
/// From one fault to the next: many last longer.
const GAP_MS: std::ops::RangeInclusive<u64> = 1_000..=5_000;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An agent is killed.
    KillAgent,
    /// An agent is asked to go (SIGTERM).
    DrainAgent,
    /// An agent stands still, for less than its lease.
    FreezeAgent,
    /// The link of an agent is cut: its connections end, and no new ones come about.
    CutLink,
    /// The link of an agent falls silent: nothing arrives, and nobody is told.
    SilenceLink,
    /// The coordinator is killed, and taken up again.
    KillCoordinator,
    /// Arrivals pause.
    Pause,
    /// A load becomes more or less.
    Scale,
}

impl Kind {
    /// What goes wrong in each round, in an order of the seed's; most often what matters most.
    const ROUND: [Kind; 10] = [
        Kind::KillAgent,
        Kind::KillAgent,
        Kind::DrainAgent,
        Kind::FreezeAgent,
        Kind::CutLink,
        Kind::SilenceLink,
        Kind::KillCoordinator,
        Kind::KillCoordinator,
        Kind::Pause,
        Kind::Scale,
    ];

    /// The longest that it lasts, in milliseconds.
    const fn longest_ms(self) -> u64 {
        match self {
            Kind::KillAgent | Kind::DrainAgent | Kind::Scale => 0,
            Kind::FreezeAgent | Kind::KillCoordinator | Kind::Pause => 4_000,
            Kind::CutLink | Kind::SilenceLink => 15_000,
        }
    }
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From the first user's arrival.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    pub kind: Kind,
    /// Chooses among those whom it may hit then.
    pub choice: usize,
}

/// All that goes wrong in a run of a length.
pub fn schedule(seed: u64, length: Duration) -> Vec<Fault> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let last_ms = (length.as_millis() as u64).saturating_sub(CALM_END_MS);
    let (mut at_ms, mut round) = (CALM_BEGIN_MS, Vec::new());
    let mut faults = Vec::new();
    while at_ms <= last_ms {
        if round.is_empty() {
            round = Kind::ROUND.to_vec();
            round.shuffle(&mut random);
        }
        let Some(kind) = round.pop() else { break };
        let lasts = Duration::from_millis(random.random_range(0..=kind.longest_ms()));
        faults.push(Fault { at: Duration::from_millis(at_ms), lasts, kind, choice: random.random_range(0..1 << 16) });
        at_ms += random.random_range(GAP_MS);
    }
    faults
}

/// The kinds of faults in a schedule.
pub fn kinds(faults: &[Fault]) -> BTreeSet<Kind> {
    faults.iter().map(|fault| fault.kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_seed_always_means_the_same() {
        assert_eq!(schedule(7, MINUTE), schedule(7, MINUTE));
        assert_ne!(schedule(7, MINUTE), schedule(8, MINUTE));
    }

    #[test]
    fn every_minute_and_a_half_has_all_kinds() {
        for seed in 0..100 {
            let faults = schedule(seed, MINUTE + MINUTE / 2);
            assert_eq!(kinds(&faults), Kind::ROUND.into_iter().collect(), "seed {seed}");
        }
    }

    #[test]
    fn everything_is_over_before_the_run_is() {
        for seed in 0..100 {
            let faults = schedule(seed, MINUTE);
            assert!(faults.iter().all(|fault| fault.at + fault.lasts < MINUTE), "seed {seed}");
            let frozen = faults.iter().filter(|fault| fault.kind == Kind::FreezeAgent);
            assert!(frozen.map(|fault| fault.lasts).all(|lasts| lasts < LEASE), "seed {seed}");
        }
        assert!(schedule(1, Duration::from_secs(10)).is_empty());
    }
}
