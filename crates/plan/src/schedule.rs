//! When everybody arrives and leaves: a load worked out to single instants.
//!
//! Every agent computes the same schedule from the same load and seed, so no arrival is ever
//! sent over the wire. All of it is integer arithmetic, because the inverse ([`Schedule::arrivals_before`])
//! must agree with the instants to the nanosecond: it decides which version of the plan owns an arrival.

#[cfg(test)]
pub(crate) mod any_load;
mod population;
mod rate;
mod spread;

use std::collections::BTreeMap;
use std::time::Duration;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use crate::load::{LONGEST, Load, MOST_USERS, Spacing, Stay};
use population::Population;
use rate::Rate;
use spread::{First, Spreads};

const SECOND: u64 = 1_000_000_000;

/// One arrival in plan time, which counts from the beginning of the load and stands still while the plan is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedArrival {
    /// When the user arrives.
    pub at: Duration,
    /// When the user leaves; `None` when only the user's own flow decides.
    pub leave: Option<Duration>,
}

/// The instants of one load. Arrivals are numbered from 0 in the order of their instants.
#[derive(Clone, Debug)]
pub struct Schedule {
    course: Course,
    stay: Stay,
}

/// The courses that arrivals can take; all in nanoseconds of plan time.
#[derive(Clone, Debug)]
enum Course {
    Spread(Spreads),
    Random(Vec<u64>),
    Population(Population),
    Rate(Rate),
}

/// What decides when a user leaves once another load has replaced the one that brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenure {
    /// A place in the population: it is held until the population falls below it.
    Place(u64),
    /// The common end, after the last planned arrival.
    Common,
    /// Nothing but the user's own arrival or flow.
    Own,
}

impl Schedule {
    /// Works out a load that passed [`Load::check`]. One that did not is clipped to the limits, never a panic.
    #[must_use]
    pub fn new(load: &Load, seed: u64) -> Schedule {
        Schedule::continuing(load, seed, 0)
    }

    /// Works out a load that takes over `population` users from an earlier one; only populations care.
    pub(crate) fn continuing(load: &Load, seed: u64, population: u64) -> Schedule {
        let (course, stay) = match load {
            Load::Arrive { users, over, spacing, stay } => (arrive(*users, *over, *spacing, seed), *stay),
            Load::Population { stages, .. } => {
                (Course::Population(Population::new(stages, population)), Stay::UntilDone)
            }
            Load::Rate { stages, .. } => (Course::Rate(Rate::new(stages)), Stay::UntilDone),
            Load::Curve { seconds, stay } => (Course::Spread(curve(seconds)), *stay),
        };
        Schedule { course, stay }
    }

    /// Counts the arrivals of the whole load.
    #[must_use]
    pub fn planned(&self) -> u64 {
        match &self.course {
            Course::Spread(spreads) => spreads.planned(),
            Course::Random(instants) => instants.len() as u64,
            Course::Population(population) => population.planned(),
            Course::Rate(rate) => rate.planned(),
        }
    }

    /// Gives arrival `index`; `None` from [`Schedule::planned`] on.
    #[must_use]
    pub fn arrival(&self, index: u64) -> Option<PlannedArrival> {
        let at = self.instant(index)?;
        let leave = match (&self.course, self.stay) {
            (Course::Population(population), _) => population.leave(index).map(Duration::from_nanos),
            (_, Stay::UntilDone) => None,
            (_, Stay::AfterLastArrival(stay)) => Some(self.last_arrival().saturating_add(stay)),
            (_, Stay::Each(stay)) => Some(at.saturating_add(stay)),
        };
        Some(PlannedArrival { at, leave })
    }

    /// Counts the arrivals strictly before `instant`: the exact inverse of [`Schedule::arrival`].
    #[must_use]
    pub fn arrivals_before(&self, instant: Duration) -> u64 {
        let nanos = u64::try_from(instant.as_nanos()).unwrap_or(u64::MAX);
        match &self.course {
            Course::Spread(spreads) => spreads.before(nanos),
            Course::Random(instants) => instants.partition_point(|at| *at < nanos) as u64,
            Course::Population(population) => population.arrivals_before(nanos),
            Course::Rate(rate) => rate.before(nanos),
        }
    }

    /// Gives the instant of the last arrival; zero when nobody comes.
    #[must_use]
    pub fn last_arrival(&self) -> Duration {
        self.planned().checked_sub(1).and_then(|last| self.instant(last)).unwrap_or_default()
    }

    /// Gives the instant at which everybody has left; `None` when users stay until they are done.
    #[must_use]
    pub fn end(&self) -> Option<Duration> {
        self.end_of_first(self.planned())
    }

    /// The same when only the first `count` arrivals happen.
    pub(crate) fn end_of_first(&self, count: u64) -> Option<Duration> {
        match (&self.course, self.stay) {
            (Course::Population(population), _) => Some(Duration::from_nanos(population.end())),
            (_, Stay::AfterLastArrival(stay)) => Some(self.last_arrival().saturating_add(stay)),
            _ => count.checked_sub(1).map_or(Some(Duration::ZERO), |last| self.arrival(last)?.leave),
        }
    }

    /// Tells whether the users of this load leave by what `next` says once it has taken over.
    pub(crate) fn is_superseded_by(&self, next: &Schedule) -> bool {
        let are_populations = matches!((&self.course, &next.course), (Course::Population(_), Course::Population(_)));
        are_populations || matches!((self.stay, next.stay), (Stay::AfterLastArrival(_), Stay::AfterLastArrival(_)))
    }

    /// Counts the users of a population who are there at `instant`, before the arrivals of that instant.
    pub(crate) fn population(&self, instant: Duration) -> u64 {
        match &self.course {
            Course::Population(population) => population.size(u64::try_from(instant.as_nanos()).unwrap_or(u64::MAX)),
            _ => 0,
        }
    }

    /// Counts the users whom a population took over when it began.
    pub(crate) fn inherited(&self) -> u64 {
        match &self.course {
            Course::Population(population) => population.inherited(),
            _ => 0,
        }
    }

    /// Tells what decides when user `index` leaves if another load takes over.
    pub(crate) fn tenure(&self, index: u64) -> Tenure {
        match (&self.course, self.stay) {
            (Course::Population(population), _) => population.place(index).map_or(Tenure::Own, Tenure::Place),
            (_, Stay::AfterLastArrival(_)) => Tenure::Common,
            _ => Tenure::Own,
        }
    }

    /// When a user whom an earlier load brought leaves under this one; `None` when this load does not decide that.
    pub(crate) fn leave_of_inherited(&self, tenure: Tenure) -> Option<Duration> {
        match (tenure, &self.course, self.stay) {
            (Tenure::Place(place), Course::Population(population), _) => {
                Some(Duration::from_nanos(population.leave_of_inherited(place)))
            }
            (Tenure::Common, _, Stay::AfterLastArrival(stay)) => Some(self.last_arrival().saturating_add(stay)),
            _ => None,
        }
    }

    fn instant(&self, index: u64) -> Option<Duration> {
        match &self.course {
            Course::Spread(spreads) => spreads.instant(index),
            Course::Random(instants) => usize::try_from(index).ok().and_then(|index| instants.get(index)).copied(),
            Course::Population(population) => population.instant(index),
            Course::Rate(rate) => rate.instant(index),
        }
        .map(Duration::from_nanos)
    }
}

/// Clips a duration to what every product in here can hold, in nanoseconds.
fn clipped(duration: Duration) -> u64 {
    u64::try_from(duration.min(LONGEST).as_nanos()).expect("a month is far below 2^64 nanoseconds")
}

fn arrive(users: u64, over: Duration, spacing: Spacing, seed: u64) -> Course {
    let (users, over) = (users.min(MOST_USERS), clipped(over));
    match spacing {
        Spacing::Even => {
            let mut spreads = Spreads::default();
            spreads.push(0, over, users, First::AtOnce);
            Course::Spread(spreads)
        }
        Spacing::Random => Course::Random(sorted_uniforms(users, over, seed)),
    }
}

/// Draws the instants of a Poisson process of which the number of arrivals is known: uniform ones, sorted.
fn sorted_uniforms(users: u64, over: u64, seed: u64) -> Vec<u64> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    // Multiplying instead of drawing from a range keeps the instants independent of any library's habits.
    let mut draw = || ((u128::from(random.next_u64()) * u128::from(over)) >> 64) as u64;
    let mut instants: Vec<u64> = (0..users).map(|_| draw()).collect();
    instants.sort_unstable();
    instants
}

fn curve(seconds: &[(u64, u64)]) -> Spreads {
    let mut by_second: BTreeMap<u64, u64> = BTreeMap::new();
    for (second, users) in seconds {
        let sum = by_second.entry((*second).min(LONGEST.as_secs())).or_default();
        *sum = sum.saturating_add(*users).min(MOST_USERS);
    }
    let mut spreads = Spreads::default();
    for (second, users) in by_second {
        spreads.push(second * SECOND, SECOND, users, First::AtOnce);
    }
    spreads
}

#[cfg(test)]
mod tests {
    use super::any_load::any_load;
    use super::*;
    use crate::load::{RateStage, Stage};
    use proptest::prelude::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn check(load: &Load, instants: &[u64]) {
        let schedule = Schedule::new(load, 7);
        let found: Vec<u128> =
            (0..schedule.planned()).filter_map(|i| schedule.arrival(i)).map(|a| a.at.as_millis()).collect();
        assert_eq!(found, instants.iter().map(|at| u128::from(*at)).collect::<Vec<_>>(), "{load:?}");
    }

    #[test]
    fn small_loads_by_hand() {
        let stay = Stay::UntilDone;
        check(&Load::Arrive { users: 4, over: millis(1000), spacing: Spacing::Even, stay }, &[0, 250, 500, 750]);
        check(&Load::Arrive { users: 0, over: millis(1000), spacing: Spacing::Random, stay }, &[]);
        check(&Load::Curve { seconds: vec![(1, 2), (4, 1)], stay }, &[1000, 1500, 4000]);
        let stages = vec![Stage::RampTo { users: 2, over: millis(100) }, Stage::Hold { over: millis(100) }];
        check(&Load::Population { stages, keep_session: false }, &[50, 100]);
        let stages = vec![
            RateStage::Hold { over: millis(1000) },
            RateStage::RampTo { per_second: 2.0, over: Duration::ZERO },
            RateStage::Hold { over: millis(2000) },
        ];
        check(&Load::Rate { stages, at_most: 9 }, &[1000, 1500, 2000, 2500]);
        let stages = vec![RateStage::RampTo { per_second: 2.0, over: millis(2000) }];
        check(&Load::Rate { stages, at_most: 9 }, &[0, 1414]); // t² / 2 = i
    }

    #[test]
    fn stays_end_as_they_say() {
        let leave = |stay| {
            let load = Load::Arrive { users: 4, over: millis(1000), spacing: Spacing::Even, stay };
            let schedule = Schedule::new(&load, 0);
            (schedule.arrival(1).unwrap().leave, schedule.end())
        };
        assert_eq!(leave(Stay::UntilDone), (None, None));
        assert_eq!(leave(Stay::AfterLastArrival(millis(10))), (Some(millis(760)), Some(millis(760))));
        assert_eq!(leave(Stay::Each(millis(10))), (Some(millis(260)), Some(millis(760))));
    }

    #[test]
    fn the_seed_alone_decides_random_instants() {
        let load = Load::Arrive { users: 9, over: millis(1000), spacing: Spacing::Random, stay: Stay::UntilDone };
        let instants = |seed| (0..9).map(|i| Schedule::new(&load, seed).arrival(i)).collect::<Vec<_>>();
        assert_eq!(instants(1), instants(1));
        assert_ne!(instants(1), instants(2));
    }

    proptest! {
        #[test]
        fn instants_rise_and_their_inverse_is_exact(load in any_load(), seed: u64) {
            let schedule = Schedule::new(&load, seed);
            let arrivals: Vec<PlannedArrival> =
                (0..schedule.planned()).map(|i| schedule.arrival(i).expect("planned")).collect();
            prop_assert!(schedule.arrival(schedule.planned()).is_none());
            prop_assert!(arrivals.windows(2).all(|pair| pair[0].at <= pair[1].at));
            prop_assert!(arrivals.iter().all(|a| a.leave.is_none_or(|leave| a.at <= leave)));
            for instant in arrivals.iter().flat_map(|a| [a.at, a.at + Duration::from_nanos(1)]) {
                let counted = arrivals.iter().filter(|a| a.at < instant).count() as u64;
                prop_assert_eq!(schedule.arrivals_before(instant), counted);
            }
            prop_assert_eq!(arrivals.last().map_or(Duration::ZERO, |a| a.at), schedule.last_arrival());
            if let Some(end) = schedule.end() {
                prop_assert!(arrivals.iter().all(|a| a.leave.is_some_and(|leave| leave <= end)));
            }
        }

        #[test]
        fn segments_sum_to_the_whole(load in any_load(), mut cuts in prop::collection::vec(0_u64..6000, 0..9)) {
            let schedule = Schedule::new(&load, 1);
            cuts.sort_unstable();
            cuts.push(10_000_000);
            let mut sum = 0;
            let mut counted = 0;
            for cut in cuts {
                let before = schedule.arrivals_before(millis(cut));
                prop_assert!(before >= counted);
                sum += before - counted;
                counted = before;
            }
            prop_assert_eq!(sum, schedule.planned());
        }

        #[test]
        fn absurd_loads_do_not_panic(users: u64, seconds: u64, per_second: f64, second: u64) {
            let over = Duration::from_secs(seconds);
            let loads = [
                Load::Population { stages: vec![Stage::RampTo { users, over }, Stage::RampTo { users: 0, over }], keep_session: false },
                Load::Rate { stages: vec![RateStage::RampTo { per_second, over }; 3], at_most: 0 },
                Load::Curve { seconds: vec![(second, users); 2], stay: Stay::Each(over) },
                Load::Arrive { users, over, spacing: Spacing::Even, stay: Stay::AfterLastArrival(over) },
            ];
            for load in loads {
                let schedule = Schedule::new(&load, 0);
                let planned = schedule.planned();
                for index in [0, planned / 2, planned.saturating_sub(1), users] {
                    if let Some(arrival) = schedule.arrival(index) {
                        prop_assert!(schedule.arrivals_before(arrival.at) <= index);
                        prop_assert!(schedule.arrivals_before(arrival.at + Duration::from_nanos(1)) > index);
                    }
                }
                let _ = (schedule.end(), schedule.population(over));
            }
        }
    }
}
