//! A population that follows stages: who comes when it rises, who goes when it falls.
//!
//! Picture the users standing on a staircase, one to a step. Each time the level rises by one, a user
//! steps onto the new step; each time it falls by one, the user on the highest step leaves:
//!
//! ```text
//!   3          ┌───┐
//!   2      ┌───┘   └───┐        place 3 arrives last and leaves first
//!   1  ┌───┘           └───┐    everybody leaves when the stages end
//!   0 ─┘                   └──
//! ```

use super::clipped;
use super::spread::{First, Spread, Spreads};
use crate::load::{MOST_USERS, Stage};

/// One stage with its beginning worked out; nanoseconds of plan time.
#[derive(Clone, Debug)]
struct Leg {
    /// The index of the first arrival at or after its beginning.
    first_index: u64,
    start: u64,
    over: u64,
    /// The level at its beginning, in users.
    from: u64,
    /// The level at its end, in users.
    to: u64,
}

impl Leg {
    fn is_fall(&self) -> bool {
        self.to < self.from
    }

    /// The single steps that it takes up or down, evenly spaced.
    fn steps(&self) -> Spread {
        Spread::new(self.start, self.over, self.from.abs_diff(self.to), First::AfterOneStep)
    }
}

/// The arrivals and departures of a population.
#[derive(Clone, Debug)]
pub struct Population {
    legs: Vec<Leg>,
    arrivals: Spreads,
    /// How many users were there already when it began.
    inherited: u64,
    end: u64,
}

impl Population {
    /// Works out stages that begin with `inherited` users whom an earlier population left.
    pub fn new(stages: &[Stage], inherited: u64) -> Population {
        let mut population = Population { legs: Vec::new(), arrivals: Spreads::default(), inherited, end: 0 };
        let mut level = inherited;
        for stage in stages {
            let (to, over) = match stage {
                Stage::RampTo { users, over } => ((*users).min(MOST_USERS), clipped(*over)),
                Stage::Hold { over } => (level, clipped(*over)),
            };
            let first_index = population.arrivals.planned();
            let start = population.end;
            population.arrivals.push(start, over, to.saturating_sub(level), First::AfterOneStep);
            population.legs.push(Leg { first_index, start, over, from: level, to });
            population.end = start.saturating_add(over);
            level = to;
        }
        population
    }

    /// Counts the arrivals.
    pub fn planned(&self) -> u64 {
        self.arrivals.planned()
    }

    /// Counts the users who were there when it began.
    pub fn inherited(&self) -> u64 {
        self.inherited
    }

    /// Gives the instant of an arrival; `None` beyond the last.
    pub fn instant(&self, index: u64) -> Option<u64> {
        self.arrivals.instant(index)
    }

    /// Counts the arrivals strictly before an instant.
    pub fn arrivals_before(&self, instant: u64) -> u64 {
        self.arrivals.before(instant)
    }

    /// The instant at which the stages end, and with them every stay.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Names the place, from 1, that an arrival takes.
    pub fn place(&self, index: u64) -> Option<u64> {
        self.leg_of(index).map(|leg| self.place_in(leg, index))
    }

    /// Gives the instant at which the user of an arrival leaves.
    pub fn leave(&self, index: u64) -> Option<u64> {
        let leg = self.leg_of(index)?;
        Some(self.next_departure(leg + 1, self.place_in(leg, index)))
    }

    /// Gives the instant at which a user leaves who held a place when these stages began.
    pub fn leave_of_inherited(&self, place: u64) -> u64 {
        self.next_departure(0, place)
    }

    /// Counts the users there at an instant: those who leave then are gone, those who come then are not yet there.
    pub fn size(&self, instant: u64) -> u64 {
        if instant >= self.end && self.end > 0 {
            return 0;
        }
        self.legs.iter().filter(|leg| leg.start <= instant).fold(self.inherited, |size, leg| {
            if leg.is_fall() {
                size.saturating_sub(leg.steps().before(instant + 1))
            } else {
                size + leg.steps().before(instant)
            }
        })
    }

    /// Finds the stage in which an arrival happens.
    fn leg_of(&self, index: u64) -> Option<usize> {
        let is_planned = index < self.planned();
        is_planned.then(|| self.legs.partition_point(|leg| leg.first_index <= index) - 1)
    }

    fn place_in(&self, leg: usize, index: u64) -> u64 {
        let leg = &self.legs[leg];
        leg.from + (index - leg.first_index) + 1
    }

    /// Finds when the population first falls below a place, looking at the legs from `from` on.
    fn next_departure(&self, from: usize, place: u64) -> u64 {
        let fall = self.legs[from..].iter().find(|leg| leg.is_fall() && leg.to < place && place <= leg.from);
        fall.map_or(self.end, |leg| leg.steps().instant(leg.from - place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn ramp(users: u64, nanos: u64) -> Stage {
        Stage::RampTo { users, over: Duration::from_nanos(nanos) }
    }

    #[test]
    fn the_last_in_is_the_first_out() {
        let population = Population::new(&[ramp(3, 30), ramp(1, 20), ramp(2, 10)], 0);
        let course: Vec<_> =
            (0..population.planned()).map(|i| (population.instant(i).unwrap(), population.leave(i).unwrap())).collect();
        assert_eq!(course, [(10, 60), (20, 50), (30, 40), (60, 60)]);
        let sizes: Vec<_> = [0, 11, 31, 40, 50, 55, 60].map(|at| population.size(at)).into();
        assert_eq!(sizes, [0, 1, 3, 2, 1, 1, 0]);
    }

    #[test]
    fn inherited_users_keep_their_places() {
        let population = Population::new(&[ramp(2, 20), ramp(5, 30)], 4);
        assert_eq!(population.size(0), 4);
        let leaves: Vec<_> = (1..=4).map(|place| population.leave_of_inherited(place)).collect();
        assert_eq!(leaves, [50, 50, 20, 10]);
        assert_eq!(population.place(0), Some(3));
        assert_eq!(population.planned(), 3);
    }
}
