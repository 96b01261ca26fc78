//! What happened in which second of Unix time: with it a test can hold a report against the truth
//! outside the stretches that the report itself declares unobserved.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Most seconds that are told apart, more than a day; beyond it the oldest is forgotten.
const MOST_SECONDS: usize = 100_000;

/// What one agent's users got, by the second of Unix time in which it was ready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seconds {
    /// Answers to calls: all that is in `requests` but polls.
    pub calls: PerSecond,
    /// Answers to polls.
    pub polls: PerSecond,
    /// Upgrades to WebSocket that were accepted.
    pub websocket_opened: PerSecond,
    /// Polls without a cursor.
    pub polling_opened: PerSecond,
    /// Messages of all events that were written to WebSockets or returned by polls.
    pub delivered: PerSecond,
}

/// Counts by second of Unix time, in order and without empty seconds: `[[second, count], …]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PerSecond(VecDeque<(i64, u64)>);

impl PerSecond {
    /// Returns how many there were in the seconds of Unix time that are asked for.
    pub fn total(&self, is_asked: impl Fn(i64) -> bool) -> u64 {
        let asked = self.0.iter().filter(|(second, _)| is_asked(*second));
        asked.map(|(_, count)| count).sum()
    }

    /// Counts one more. The second is nearly always the latest, unless the clock was set back.
    pub(crate) fn add(&mut self, second: i64) {
        let place = self.0.partition_point(|(known, _)| *known < second);
        match self.0.get_mut(place) {
            Some((known, count)) if *known == second => *count += 1,
            _ => self.0.insert(place, (second, 1)),
        }
        if self.0.len() > MOST_SECONDS {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(seconds: impl IntoIterator<Item = i64>) -> PerSecond {
        let mut counts = PerSecond::default();
        for second in seconds {
            counts.add(second);
        }
        counts
    }

    #[test]
    fn seconds_are_in_order_whatever_the_clock_does() {
        let counts = counted([10, 10, 12, 11, 12, 9]);
        assert_eq!(counts, PerSecond([(9, 1), (10, 2), (11, 1), (12, 2)].into()));
        assert_eq!(serde_json::to_string(&counts).unwrap(), "[[9,1],[10,2],[11,1],[12,2]]");
    }

    #[test]
    fn a_total_has_what_is_asked_for() {
        let counts = counted([10, 10, 12, 13]);
        let totals = [counts.total(|second| second < 13), counts.total(|second| second == 11), counts.total(|_| true)];
        assert_eq!(totals, [3, 0, 4]);
    }

    #[test]
    fn the_oldest_second_gives_way() {
        let most = MOST_SECONDS as i64;
        let counts = counted(0..most + 3);
        assert_eq!((counts.total(|_| true), counts.total(|second| second < 3)), (most as u64, 0));
    }
}
