//! What was true from which second on.

use serde::Deserialize;

/// A value that changes at stated seconds: `[[0, 2], [75, 4]]` is 2 from the start and 4 from second 75 on. Before
/// its first step there is none.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Steps<T>(pub Vec<(f64, T)>);

// Not derived: it would ask the same of the values.
impl<T> Default for Steps<T> {
    fn default() -> Steps<T> {
        Steps(Vec::new())
    }
}

impl<T> Steps<T> {
    /// Gives the value as of a second.
    pub fn at(&self, second: f64) -> Option<&T> {
        self.step(second).map(|(_, value)| value)
    }

    /// Gives the second of the newest step that has come.
    pub fn since(&self, second: f64) -> Option<f64> {
        self.step(second).map(|(from, _)| *from)
    }

    /// Gives the first second from which on a value is what is asked for.
    pub fn first(&self, is_wanted: impl Fn(&T) -> bool) -> Option<f64> {
        self.0.iter().find(|(_, value)| is_wanted(value)).map(|(from, _)| *from)
    }

    fn step(&self, second: f64) -> Option<&(f64, T)> {
        let come = self.0.partition_point(|(from, _)| *from <= second);
        self.0[..come].last()
    }

    /// Whether each step comes after the one before.
    pub(crate) fn are_in_order(&self) -> bool {
        let finite = self.0.iter().all(|(from, _)| from.is_finite());
        finite && self.0.windows(2).all(|pair| pair[0].0 < pair[1].0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_holds_until_the_next_step() {
        let size = Steps(vec![(0.0, 2), (75.0, 4)]);
        for (second, expected) in [(-1.0, None), (0.0, Some(2)), (74.9, Some(2)), (75.0, Some(4)), (1e9, Some(4))] {
            assert_eq!(size.at(second).copied(), expected, "{second}");
        }
        assert_eq!(size.since(80.0), Some(75.0));
        assert_eq!(size.first(|size| *size > 2), Some(75.0));
    }

    #[test]
    fn steps_go_forward() {
        assert!(Steps(vec![(0.0, 1), (1.0, 1)]).are_in_order());
        assert!(!Steps(vec![(1.0, 1), (1.0, 2)]).are_in_order());
        assert!(!Steps(vec![(f64::NAN, 1)]).are_in_order());
    }
}
