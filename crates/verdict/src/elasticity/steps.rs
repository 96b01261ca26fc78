//! Step functions of run time with stretches in which they are not known.
//!
//! An autoscaler is observed by polls, some of which fail. Between two polls a value is taken to stay as it
//! was last seen; after a failed poll, or when the last good one is too old, it is **missing**: not zero, not
//! the last value. Everything that is computed here says over how much known time it was.
//!
//! ```text
//! samples   (0, 2) (5, 3) (10, —) (12, 4)           known for at most 6 s, over [0, 20)
//! function  2 2 2 2 2 3 3 3 3 3 — — 4 4 4 4 4 4 — —
//! ```

use crate::case::Extent;

/// One observation: when, in seconds of run time, and what was seen; `None` if nothing could be.
pub type Sample = (f64, Option<f64>);

/// A step function over a stretch of run time, without gaps: what is missing is a piece without a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct StepFunction {
    pieces: Vec<Piece>,
}

/// A stretch `[from_s, to_s)` on which a function does not change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piece {
    pub from_s: f64,
    pub to_s: f64,
    pub value: Option<f64>,
}

/// A stretch on which neither of two functions changes, and both are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Common {
    pub from_s: f64,
    pub to_s: f64,
    pub one: f64,
    pub other: f64,
}

/// A change from one known value to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Change {
    /// When the old value was seen for the last time: the change came after this instant …
    pub after_s: f64,
    /// … and not after this one, when the new value was seen for the first time.
    pub at_s: f64,
    pub from: f64,
    pub to: f64,
}

/// When something was first seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sighting {
    /// When it was certainly not yet so.
    pub after_s: f64,
    /// When it was seen.
    pub at_s: f64,
}

impl StepFunction {
    /// Builds a function from samples, in any order. A sample is good until the next one, and for
    /// `max_age_s` at the most.
    pub(super) fn of(samples: &[Sample], within: Extent, max_age_s: f64) -> StepFunction {
        let mut samples: Vec<Sample> = samples.iter().copied().filter(|(at_s, _)| at_s.is_finite()).collect();
        samples.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut function = StepFunction::default();
        let first_s = samples.first().map_or(within.to_s, |(at_s, _)| *at_s);
        function.append(within, within.from_s, first_s, None);
        let ends = samples.iter().skip(1).map(|(at_s, _)| *at_s).chain([within.to_s]);
        for ((at_s, value), end_s) in samples.iter().zip(ends) {
            let known_s = end_s.min(at_s + max_age_s);
            function.append(within, *at_s, known_s, value.filter(|value| value.is_finite()));
            function.append(within, known_s, end_s, None);
        }
        function
    }

    /// Appends a piece as far as it lies within the function's stretch. Known pieces stay apart even when
    /// their values agree, because each begins with an observation.
    fn append(&mut self, within: Extent, from_s: f64, to_s: f64, value: Option<f64>) {
        let (from_s, to_s) = (from_s.max(within.from_s), to_s.min(within.to_s));
        if from_s >= to_s {
            return;
        }
        match self.pieces.last_mut() {
            Some(last) if last.value.is_none() && value.is_none() => last.to_s = to_s,
            _ => self.pieces.push(Piece { from_s, to_s, value }),
        }
    }

    /// Returns the value at an instant.
    pub(super) fn at(&self, at_s: f64) -> Option<f64> {
        let piece = self.pieces.get(self.index_at(at_s))?;
        piece.value.filter(|_| piece.from_s <= at_s)
    }

    /// Returns all pieces that lie in `[from_s, to_s)`, cut at its edges.
    pub(super) fn pieces(&self, from_s: f64, to_s: f64) -> impl Iterator<Item = Piece> {
        let inside = self.pieces[self.index_at(from_s)..].iter().take_while(move |piece| piece.from_s < to_s);
        inside.map(move |piece| Piece { from_s: piece.from_s.max(from_s), to_s: piece.to_s.min(to_s), ..*piece })
    }

    /// Returns the known values in `[from_s, to_s)`, in order of time.
    pub(super) fn values(&self, from_s: f64, to_s: f64) -> impl Iterator<Item = f64> {
        self.pieces(from_s, to_s).filter_map(|piece| piece.value)
    }

    /// Tells whether it was ever seen.
    pub(super) fn is_seen(&self) -> bool {
        self.pieces.iter().any(|piece| piece.value.is_some())
    }

    /// Computes the time in `[from_s, to_s)` in which the value is known, in seconds.
    pub(super) fn known_s(&self, from_s: f64, to_s: f64) -> f64 {
        self.integrate(from_s, to_s, |_| 1.0)
    }

    /// Integrates a function of the value over the known part of `[from_s, to_s)`.
    pub(super) fn integrate(&self, from_s: f64, to_s: f64, height: impl Fn(f64) -> f64) -> f64 {
        let area = |piece: Piece| piece.value.map_or(0.0, |value| height(value) * (piece.to_s - piece.from_s));
        self.pieces(from_s, to_s).map(area).fold(0.0, |sum, area| sum + area) // a sum of nothing would be -0
    }

    /// Returns the largest known value in `[from_s, to_s)`.
    pub(super) fn highest(&self, from_s: f64, to_s: f64) -> Option<f64> {
        self.values(from_s, to_s).reduce(f64::max)
    }

    /// Returns the smallest known value in `[from_s, to_s)`.
    pub(super) fn lowest(&self, from_s: f64, to_s: f64) -> Option<f64> {
        self.values(from_s, to_s).reduce(f64::min)
    }

    /// Finds when a condition was first seen to hold in `[from_s, to_s)`.
    pub(super) fn first(&self, from_s: f64, to_s: f64, holds: impl Fn(f64) -> bool) -> Option<Sighting> {
        let mut after_s = from_s;
        for piece in self.pieces(from_s, to_s) {
            match piece.value {
                Some(value) if holds(value) => return Some(Sighting { after_s, at_s: piece.from_s }),
                Some(_) => after_s = piece.from_s,
                None => {}
            }
        }
        None
    }

    /// Returns the longest stretches whose pieces all satisfy a condition; the values may differ.
    pub(super) fn stretches(&self, holds: impl Fn(Option<f64>) -> bool) -> Vec<Extent> {
        let mut stretches: Vec<Extent> = Vec::new();
        for piece in self.pieces.iter().filter(|piece| holds(piece.value)) {
            match stretches.last_mut() {
                Some(last) if last.to_s == piece.from_s => last.to_s = piece.to_s,
                _ => stretches.push(Extent { from_s: piece.from_s, to_s: piece.to_s }),
            }
        }
        stretches
    }

    /// Returns the changes of the value, also those across missing stretches.
    pub(super) fn changes(&self) -> impl Iterator<Item = Change> {
        let mut seen: Option<(f64, f64)> = None;
        let known = self.pieces.iter().filter_map(|piece| piece.value.map(|value| (piece.from_s, value)));
        known.filter_map(move |(at_s, to)| {
            let (after_s, from) = seen.replace((at_s, to))?;
            (from != to).then_some(Change { after_s, at_s, from, to })
        })
    }

    /// Returns the common refinement of two functions, as far as both are known in `[from_s, to_s)`.
    pub(super) fn common(&self, other: &StepFunction, from_s: f64, to_s: f64) -> Vec<Common> {
        let mut found = Vec::new();
        for mine in self.pieces(from_s, to_s) {
            for theirs in other.pieces(mine.from_s, mine.to_s) {
                if let (Some(one), Some(other)) = (mine.value, theirs.value) {
                    found.push(Common { from_s: theirs.from_s, to_s: theirs.to_s, one, other });
                }
            }
        }
        found
    }

    /// Returns the samples that describe the function, one for each change, as they go into the report.
    pub(super) fn points(&self) -> Vec<Sample> {
        let mut points: Vec<Sample> = Vec::new();
        for piece in &self.pieces {
            if points.last().is_none_or(|(_, value)| *value != piece.value) {
                points.push((piece.from_s, piece.value));
            }
        }
        points
    }

    /// Finds the piece that holds an instant, or the next one after it.
    fn index_at(&self, at_s: f64) -> usize {
        self.pieces.partition_point(|piece| piece.to_s <= at_s)
    }
}

impl Common {
    /// How long it is, in seconds.
    pub(super) fn length_s(&self) -> f64 {
        self.to_s - self.from_s
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TWENTY: Extent = Extent { from_s: 0.0, to_s: 20.0 };

    /// The example of the module.
    fn example() -> StepFunction {
        StepFunction::of(&[(0.0, Some(2.0)), (12.0, Some(4.0)), (5.0, Some(3.0)), (10.0, None)], TWENTY, 6.0)
    }

    #[test]
    fn what_failed_or_is_too_old_is_missing() {
        let function = example();
        let at: Vec<_> =
            [-1.0, 0.0, 4.9, 5.0, 9.9, 10.0, 11.9, 12.0, 17.9, 18.0, 20.0].map(|at_s| function.at(at_s)).into();
        let (two, three, four) = (Some(2.0), Some(3.0), Some(4.0));
        assert_eq!(at, [None, two, two, three, three, None, None, four, four, None, None]);
        assert_eq!(function.known_s(0.0, 20.0), 16.0);
        assert_eq!(function.known_s(9.0, 13.0), 2.0);
        assert_eq!(function.integrate(4.0, 13.0, |value| value), 2.0 + 15.0 + 4.0);
        assert_eq!(function.points(), [(0.0, two), (5.0, three), (10.0, None), (12.0, four), (18.0, None)]);
    }

    #[test]
    fn nothing_is_known_before_the_first_sample_nor_of_what_is_no_number() {
        let function = StepFunction::of(&[(3.0, Some(f64::NAN)), (4.0, Some(1.0))], TWENTY, 100.0);
        assert_eq!(function.points(), [(0.0, None), (4.0, Some(1.0))]);
        assert!(!StepFunction::of(&[], TWENTY, 100.0).is_seen());
        assert_eq!(StepFunction::of(&[(-5.0, Some(1.0))], TWENTY, 10.0).points(), [(0.0, Some(1.0)), (5.0, None)]);
    }

    #[test]
    fn changes_and_sightings_say_how_exactly_they_are_known() {
        let function = example();
        let changes: Vec<_> = function.changes().map(|change| (change.after_s, change.at_s, change.to)).collect();
        assert_eq!(changes, [(0.0, 5.0, 3.0), (5.0, 12.0, 4.0)]);
        let four = |from_s, to_s| function.first(from_s, to_s, |value| value >= 4.0);
        assert_eq!(four(1.0, 20.0), Some(Sighting { after_s: 5.0, at_s: 12.0 }));
        assert_eq!(four(13.0, 20.0), Some(Sighting { after_s: 13.0, at_s: 13.0 }));
        assert_eq!(four(0.0, 12.0), None);
        assert_eq!(function.stretches(|value| value.is_some()).len(), 2);
    }

    fn samples() -> impl Strategy<Value = Vec<Sample>> {
        prop::collection::vec((-5.0..25.0, prop::option::of(0.0..9.0)), 0..12)
    }

    proptest! {
        #[test]
        fn the_parts_of_an_integral_add_up(samples in samples(), cut in 0.0..20.0) {
            let function = StepFunction::of(&samples, TWENTY, 4.0);
            let area = |from_s, to_s| function.integrate(from_s, to_s, |value| value);
            prop_assert!((area(0.0, cut) + area(cut, 20.0) - area(0.0, 20.0)).abs() < 1e-9);
        }

        #[test]
        fn two_functions_have_in_common_what_both_know(one in samples(), other in samples()) {
            let (one, other) = (StepFunction::of(&one, TWENTY, 4.0), StepFunction::of(&other, TWENTY, 3.0));
            let common = one.common(&other, 0.0, 20.0);
            for part in &common {
                let middle_s = (part.from_s + part.to_s) / 2.0;
                prop_assert_eq!((one.at(middle_s), other.at(middle_s)), (Some(part.one), Some(part.other)));
            }
            let length: f64 = common.iter().map(Common::length_s).sum();
            let known = |at_s: f64| one.at(at_s).is_some() && other.at(at_s).is_some();
            let sampled = (0..20_000).filter(|milli| known(f64::from(*milli) / 1000.0 + 0.0005)).count() as f64 / 1000.0;
            prop_assert!((length - sampled).abs() < 0.1, "{} of {}", length, sampled);
        }
    }
}
