//! Arrivals at equal distances, one stretch after the other.
//!
//! Arrival m of a stretch of n arrivals over a time d, beginning at s, comes at ⌊s + d·m / n⌋. Rounding
//! each instant by itself keeps the error below a nanosecond, where adding up a step would let it grow.

/// Where the first arrival of a stretch lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// At its beginning, m = 0 … n−1: users come, whatever is there.
    AtOnce,
    /// One step later, m = 1 … n: the last one completes the stretch, as a ramp reaches its level at its end.
    AfterOneStep,
}

/// Evenly spaced arrivals within a stretch of time; nanoseconds of plan time.
#[derive(Clone, Debug)]
pub struct Spread {
    /// The index of its first arrival.
    first_index: u64,
    count: u64,
    start: u64,
    over: u64,
    first: First,
}

impl Spread {
    /// Makes a stretch that stands by itself, its arrivals numbered from 0.
    pub fn new(start: u64, over: u64, count: u64, first: First) -> Spread {
        Spread { first_index: 0, count, start, over, first }
    }

    /// The m of the first arrival.
    fn lead(&self) -> u64 {
        u64::from(self.first == First::AfterOneStep)
    }

    /// Gives the instant of its arrival `position`, which is below its count.
    pub fn instant(&self, position: u64) -> u64 {
        let m = u128::from(position) + u128::from(self.lead());
        let passed = u128::from(self.over) * m / u128::from(self.count);
        self.start.saturating_add(u64::try_from(passed).expect("m is at most n, so it is at most d"))
    }

    /// Counts its arrivals strictly before an instant: ⌊d·m / n⌋ < t holds exactly for m < t·n / d.
    pub fn before(&self, instant: u64) -> u64 {
        let passed = instant.saturating_sub(self.start);
        if passed == 0 {
            return 0;
        }
        if passed > self.over {
            return self.count;
        }
        let steps = (u128::from(passed) * u128::from(self.count)).div_ceil(u128::from(self.over));
        u64::try_from(steps).unwrap_or(u64::MAX).saturating_sub(self.lead()).min(self.count)
    }
}

/// Stretches in the order of time, their arrivals numbered through.
#[derive(Clone, Debug, Default)]
pub struct Spreads(Vec<Spread>);

impl Spreads {
    /// Adds a stretch, which must not begin before the last one ended.
    pub fn push(&mut self, start: u64, over: u64, count: u64, first: First) {
        if count > 0 {
            self.0.push(Spread { first_index: self.planned(), ..Spread::new(start, over, count, first) });
        }
    }

    /// Counts all arrivals.
    pub fn planned(&self) -> u64 {
        self.0.last().map_or(0, |last| last.first_index.saturating_add(last.count))
    }

    /// Gives the instant of an arrival; `None` beyond the last.
    pub fn instant(&self, index: u64) -> Option<u64> {
        let spread = self.0.get(self.0.partition_point(|spread| spread.first_index <= index).checked_sub(1)?)?;
        let position = index - spread.first_index;
        (position < spread.count).then(|| spread.instant(position))
    }

    /// Counts the arrivals strictly before an instant.
    pub fn before(&self, instant: u64) -> u64 {
        let begun = self.0.partition_point(|spread| spread.start < instant);
        self.0[..begun].last().map_or(0, |spread| spread.first_index + spread.before(instant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirds_of_a_second_do_not_drift() {
        let mut spreads = Spreads::default();
        spreads.push(10, 1_000_000_000, 3, First::AtOnce);
        spreads.push(1_000_000_010, 0, 2, First::AtOnce);
        let instants: Vec<_> = (0..6).map(|index| spreads.instant(index)).collect();
        let expected = [10, 333_333_343, 666_666_676, 1_000_000_010, 1_000_000_010].map(Some);
        assert_eq!(instants, [&expected[..], &[None]].concat());
        assert_eq!(spreads.before(333_333_343), 1);
        assert_eq!(spreads.before(333_333_344), 2);
        assert_eq!(spreads.before(u64::MAX), 5);
    }
}
