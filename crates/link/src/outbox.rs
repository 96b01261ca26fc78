//! The agent's intervals on their way to the coordinator: numbered when first sent, kept until stored for good.
//!
//! | state of an interval | number | may merge | leaves when |
//! |---|---|---|---|
//! | fresh: never sent | none | with a fresh neighbour, when the outbox is too heavy | first sent, then frozen |
//! | frozen: sent at least once | fixed | never: the coordinator may already hold it | acknowledged |
//!
//! A frozen interval that changed would be counted twice or not at all, depending on which copy arrived. So when
//! the coordinator is away for long, only the fresh ones give up resolution, and never any content.

use std::collections::VecDeque;
use std::ops::Range;

use rehearsal_metrics::{Interval, Points};

/// What the outbox asks of its content.
pub trait Coarsen {
    /// Merges the neighbour that follows in time into `self`, keeping all counts and giving up resolution.
    fn absorb(&mut self, next: Self);

    /// The approximate size in bytes.
    fn weight(&self) -> usize;

    /// The seconds of run time that it covers.
    fn seconds(&self) -> Range<i64>;
}

/// What agents really send.
impl Coarsen for Interval {
    fn absorb(&mut self, next: Self) {
        // Both come from one recorder, which gives a series one kind for good; anything else is a bug of ours.
        self.merge(next).expect("the seconds of one agent have series of the same kinds");
    }

    fn weight(&self) -> usize {
        // A bin is two words; names and rows are few beside the bins.
        let points = self.points.values().map(|points| match points {
            Points::Duration(bins) => 16 * bins.gaps().count(),
            Points::Count(_) | Points::Ratio { .. } => 32,
        });
        256 + 128 * (self.defines.len() + self.calls.len()) + points.sum::<usize>()
    }

    fn seconds(&self) -> Range<i64> {
        self.from..self.to
    }
}

/// How much an outbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Most intervals sent and not yet acknowledged; at least 1.
    pub window: usize,
    /// Weight in bytes of those above which nothing more is sent, so that on a slow link heartbeats do not wait behind
    /// a queue that takes longer than the lease.
    pub in_flight: usize,
    /// Weight in bytes above which fresh neighbours merge.
    pub weight: usize,
}

impl Default for OutboxLimits {
    /// A window of 32 covers 8 s at four commits a second; 96 KiB are some 20 KB on the wire, 2.5 s at 64 kbit/s; 16 MiB holds about an hour of a 20-series agent.
    fn default() -> Self {
        OutboxLimits { window: 32, in_flight: 96 << 10, weight: 16 << 20 }
    }
}

/// Why an acknowledgement or mark cannot be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutboxError {
    /// The coordinator claims to have stored what was never sent.
    #[error("taking an acknowledgement of interval {number}: only {sent} were sent")]
    NeverSent {
        /// The number claimed.
        number: u64,
        /// The highest number that was sent.
        sent: u64,
    },
    /// The coordinator no longer has what it had acknowledged.
    #[error("resuming after interval {mark}: up to {acknowledged} were acknowledged and are gone")]
    MarkWentBack {
        /// The mark offered.
        mark: u64,
        /// The highest number acknowledged earlier.
        acknowledged: u64,
    },
}

/// Intervals not yet stored by the coordinator, oldest first.
#[derive(Debug, Clone)]
pub struct Outbox<T> {
    limits: OutboxLimits,
    /// Sent at least once; numbers are `acknowledged + 1 ..` without gaps.
    frozen: VecDeque<T>,
    fresh: VecDeque<T>,
    /// How many of `frozen` were sent on the present connection.
    sent_now: usize,
    acknowledged: u64,
    /// Of all that is kept, and of the frozen ones: weighing one walks through all its bins.
    weight: usize,
    in_flight: usize,
}

impl<T: Coarsen> Outbox<T> {
    /// An empty outbox.
    pub fn new(limits: OutboxLimits) -> Self {
        Outbox {
            limits,
            frozen: VecDeque::new(),
            fresh: VecDeque::new(),
            sent_now: 0,
            acknowledged: 0,
            weight: 0,
            in_flight: 0,
        }
    }

    /// Takes the next interval; merges fresh neighbours while the outbox is too heavy.
    pub fn push(&mut self, interval: T) {
        self.weight += interval.weight();
        self.fresh.push_back(interval);
        while self.weight > self.limits.weight && self.fresh.len() > 1 {
            self.merge_shortest_neighbours();
        }
    }

    /// Gives the next interval to send, numbering and freezing it if it is fresh; `None` when all is sent or the
    /// window is full.
    pub fn next_to_send(&mut self) -> Option<(u64, &T)> {
        if self.sent_now == self.frozen.len() {
            let is_full = self.frozen.len() >= self.limits.window || self.in_flight >= self.limits.in_flight;
            if is_full && !self.frozen.is_empty() {
                return None;
            }
            let next = self.fresh.pop_front()?;
            self.in_flight += next.weight();
            self.frozen.push_back(next);
        }
        let index = self.sent_now;
        self.sent_now += 1;
        Some((self.acknowledged + self.sent_now as u64, &self.frozen[index]))
    }

    /// Forgets everything up to and including `number`; an acknowledgement that came before changes nothing.
    ///
    /// # Errors
    /// [`OutboxError::NeverSent`] if `number` was not given out.
    pub fn acknowledged(&mut self, number: u64) -> Result<(), OutboxError> {
        let sent = self.acknowledged + self.frozen.len() as u64;
        if number > sent {
            return Err(OutboxError::NeverSent { number, sent });
        }
        while self.acknowledged < number {
            let stored = self.frozen.pop_front().expect("number is at most acknowledged plus the frozen ones");
            let weight = stored.weight();
            (self.weight, self.in_flight) = (self.weight - weight, self.in_flight - weight);
            self.acknowledged += 1;
            self.sent_now = self.sent_now.saturating_sub(1);
        }
        Ok(())
    }

    /// Begins anew on a fresh connection whose coordinator has stored everything up to `mark`.
    ///
    /// # Errors
    /// As [`Self::acknowledged`], and [`OutboxError::MarkWentBack`] if the coordinator lost what it had stored.
    pub fn resumed(&mut self, mark: u64) -> Result<(), OutboxError> {
        if mark < self.acknowledged {
            return Err(OutboxError::MarkWentBack { mark, acknowledged: self.acknowledged });
        }
        self.acknowledged(mark)?;
        self.sent_now = 0;
        Ok(())
    }

    /// Whether the coordinator has stored everything.
    pub fn is_drained(&self) -> bool {
        self.frozen.is_empty() && self.fresh.is_empty()
    }

    /// The seconds of run time from the first to the last interval that is not known to be stored.
    pub fn unacknowledged(&self) -> Option<Range<i64>> {
        let first = self.frozen.front().or(self.fresh.front())?.seconds();
        let last = self.fresh.back().or(self.frozen.back())?.seconds();
        Some(first.start..last.end)
    }

    /// The weight of all that is kept, in bytes.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Merges the two fresh neighbours that cover the fewest seconds together, so that resolution degrades evenly.
    fn merge_shortest_neighbours(&mut self) {
        let span = |index: usize| self.fresh[index + 1].seconds().end - self.fresh[index].seconds().start;
        let Some(shortest) = (0..self.fresh.len() - 1).min_by_key(|&index| span(index)) else {
            return;
        };
        let next = self.fresh.remove(shortest + 1).expect("the index has a right neighbour");
        let merged = &mut self.fresh[shortest];
        self.weight -= merged.weight() + next.weight();
        merged.absorb(next);
        self.weight += merged.weight();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A span of seconds of which each weighs 1, however many are merged: 10 for the histogram and 1 per ledger row.
    #[derive(Debug, Clone, PartialEq)]
    struct Span(Range<i64>);

    impl Coarsen for Span {
        fn absorb(&mut self, next: Self) {
            assert_eq!(self.0.end, next.0.start, "only neighbours merge");
            self.0.end = next.0.end;
        }
        fn weight(&self) -> usize {
            10 + (self.0.end - self.0.start) as usize
        }
        fn seconds(&self) -> Range<i64> {
            self.0.clone()
        }
    }

    fn outbox(window: usize, weight: usize, seconds: i64) -> Outbox<Span> {
        let mut outbox = Outbox::new(OutboxLimits { window, in_flight: 1_000, weight });
        (0..seconds).for_each(|second| outbox.push(Span(second..second + 1)));
        outbox
    }

    #[test]
    fn the_window_bounds_what_is_sent_and_unacknowledged() {
        let mut outbox = outbox(2, 1_000, 3);
        assert_eq!(outbox.next_to_send(), Some((1, &Span(0..1))));
        assert_eq!(outbox.next_to_send(), Some((2, &Span(1..2))));
        assert_eq!(outbox.next_to_send(), None);
        outbox.acknowledged(1).unwrap();
        assert_eq!(outbox.next_to_send(), Some((3, &Span(2..3))));
        outbox.acknowledged(3).unwrap();
        assert!(outbox.is_drained());
        assert_eq!(outbox.weight(), 0);
    }

    #[test]
    fn so_do_the_bytes_in_flight() {
        let mut outbox = Outbox::new(OutboxLimits { window: 8, in_flight: 12, weight: 1_000 });
        (0..3).for_each(|second| outbox.push(Span(second..second + 1)));
        assert_eq!(outbox.next_to_send().map(|(number, _)| number), Some(1));
        assert_eq!(outbox.next_to_send().map(|(number, _)| number), Some(2), "the first alone is below the bound");
        assert_eq!(outbox.next_to_send(), None);
        outbox.acknowledged(1).unwrap();
        assert_eq!(outbox.next_to_send().map(|(number, _)| number), Some(3));
    }

    #[test]
    fn a_reconnect_repeats_the_frozen_above_the_mark_unchanged() {
        let mut outbox = outbox(8, 60, 3);
        for _ in 0..3 {
            outbox.next_to_send();
        }
        for second in 3..9 {
            outbox.push(Span(second..second + 1));
        }
        outbox.resumed(1).unwrap();
        assert_eq!(outbox.unacknowledged(), Some(1..9));
        assert_eq!(outbox.next_to_send(), Some((2, &Span(1..2))));
        assert_eq!(outbox.next_to_send(), Some((3, &Span(2..3))));
        let (number, merged) = outbox.next_to_send().unwrap();
        assert_eq!(number, 4);
        assert!(merged.seconds().end > 4, "the fresh ones had to merge: {merged:?}");
    }

    #[test]
    fn impossible_marks_are_errors() {
        let mut outbox = outbox(8, 1_000, 2);
        outbox.next_to_send();
        assert_eq!(outbox.acknowledged(2), Err(OutboxError::NeverSent { number: 2, sent: 1 }));
        outbox.acknowledged(1).unwrap();
        assert_eq!(outbox.resumed(0), Err(OutboxError::MarkWentBack { mark: 0, acknowledged: 1 }));
    }

    proptest! {
        /// Whatever the order of pushes, sends, acknowledgements and reconnects: numbers have no gaps, a number keeps
        /// its content, and the contents of all numbers together are every second once, in order.
        #[test]
        fn every_second_is_sent_under_exactly_one_number(steps in proptest::collection::vec(0..6u8, 0..400)) {
            let mut outbox = outbox(4, 80, 0);
            let mut sent: Vec<Span> = Vec::new();
            let (mut second, mut acknowledged) = (0, 0u64);
            let note = |sent: &mut Vec<Span>, number: u64, span: &Span| {
                let known = sent.len() as u64;
                prop_assert!(number <= known + 1, "number {} after {}", number, known);
                if number == known + 1 {
                    sent.push(span.clone());
                }
                prop_assert_eq!(&sent[number as usize - 1], span);
                Ok(())
            };
            for step in steps {
                match step {
                    0..=2 => { outbox.push(Span(second..second + 1)); second += 1; }
                    3 => if let Some((number, span)) = outbox.next_to_send() { note(&mut sent, number, span)?; },
                    4 => { acknowledged = (acknowledged + 1).min(sent.len() as u64); outbox.acknowledged(acknowledged).unwrap(); }
                    _ => outbox.resumed(acknowledged).unwrap(),
                }
                let frozen = sent.len() - acknowledged as usize;
                prop_assert!(outbox.weight() <= 80 + 10 + second as usize || frozen > 4);
            }
            while !outbox.is_drained() {
                while let Some((number, span)) = outbox.next_to_send() { note(&mut sent, number, span)?; }
                acknowledged = sent.len() as u64;
                outbox.acknowledged(acknowledged).unwrap();
            }
            let covered: Vec<i64> = sent.iter().flat_map(Span::seconds).collect();
            prop_assert_eq!(covered, (0..second).collect::<Vec<_>>());
        }
    }
}
