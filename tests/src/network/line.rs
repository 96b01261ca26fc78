//! One direction of a network as arithmetic: which packets arrive, and when. It reads no clock.
//!
//! A packet waits in the router's queue until the line is free, takes the line for as long as its
//! bytes need at the line's rate, and then flies for the delay, in which others may overtake it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

/// What waits for a slow line at most, in bytes; the next packet is dropped, as a router would.
const QUEUE: usize = 256 * 1024;
/// How many packets fly at most: far more than TCP sends ahead, and a bound for what does not listen.
const FLYING: usize = 50_000;

/// How good one direction is. The default is perfect.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Conditions {
    /// How likely a packet is lost, from 0 to 1, each by itself.
    pub loss: f64,
    /// How long a packet flies.
    pub delay: Duration,
    /// How much longer it may fly, evenly spread from nothing to this.
    pub jitter: Duration,
    /// Bytes per second, the headers of IP among them; `None` for any number. Not 0: that is `down`.
    pub rate: Option<u64>,
    /// Whether nothing arrives, not even what flies already.
    pub down: bool,
}

impl Conditions {
    /// Nothing arrives.
    pub const DOWN: Self = Self { loss: 0.0, delay: Duration::ZERO, jitter: Duration::ZERO, rate: None, down: true };

    /// Before anyone else is in the way of a panic.
    #[track_caller]
    pub(super) fn assert_possible(&self) {
        assert!((0.0..=1.0).contains(&self.loss), "loss is from 0 to 1: {self:?}");
        assert_ne!(self.rate, Some(0), "a rate of nothing is `down`");
    }
}

/// What happened in one direction so far, in packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// What the sending host sent.
    pub sent: u64,
    /// What of it did not and will not arrive: lost, sent while the line was down, or too much for the queue.
    pub dropped: u64,
}

/// One direction with all that is under way in it.
#[derive(Debug)]
pub(super) struct Line {
    conditions: Conditions,
    random: Xoshiro256PlusPlus,
    traffic: Traffic,
    queue: VecDeque<Waiting>,
    queued_bytes: usize,
    /// When the last packet that left the queue has left the line's beginning, too.
    free_at: Instant,
    flying: BinaryHeap<Reverse<Flying>>,
    /// How many have begun to fly so far.
    flown: u64,
}

/// A packet that waits for the line.
#[derive(Debug)]
struct Waiting {
    since: Instant,
    packet: Vec<u8>,
}

/// A packet under way. Those of one instant arrive in the order in which they left.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flying {
    due: Instant,
    /// How many had begun to fly before it.
    number: u64,
    packet: Vec<u8>,
}

impl Line {
    pub(super) fn new(seed: u64, now: Instant) -> Self {
        Self {
            conditions: Conditions::default(),
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            traffic: Traffic::default(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            free_at: now,
            flying: BinaryHeap::new(),
            flown: 0,
        }
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Changes the conditions for what has not begun to fly; only `down` meets the rest, too.
    pub(super) fn set(&mut self, conditions: Conditions, now: Instant) {
        self.advance(now);
        self.conditions = conditions;
        // What was on a very slow line must not hold up the next for as long.
        self.free_at = self.free_at.min(now);
        self.advance(now);
    }

    /// Takes a packet from the sending host.
    pub(super) fn accept(&mut self, packet: Vec<u8>, now: Instant) {
        self.advance(now);
        self.traffic.sent += 1;
        let lost = self.conditions.down || self.random.random_bool(self.conditions.loss);
        let full = self.queued_bytes + packet.len() > QUEUE || self.flying.len() >= FLYING;
        if lost || full {
            self.traffic.dropped += 1;
            return;
        }
        self.queued_bytes += packet.len();
        self.queue.push_back(Waiting { since: now, packet });
        self.advance(now);
    }

    /// Gives the next packet for the receiving host, if one has arrived.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.advance(now);
        while self.flying.peek()?.0.due <= now {
            let Reverse(arrived) = self.flying.pop()?;
            if !self.conditions.down {
                return Some(arrived.packet);
            }
            self.traffic.dropped += 1;
        }
        None
    }

    /// Says when to look again.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let arrival = self.flying.peek().map(|first| first.0.due);
        let departure = self.queue.front().map(|_| self.free_at);
        arrival.into_iter().chain(departure).min()
    }

    /// Counts a packet that arrived and that the receiving host did not want.
    pub(super) fn refused(&mut self) {
        self.traffic.dropped += 1;
    }

    /// Puts on the line what had its turn by now. A caller who comes late changes nothing: each
    /// begins when the line was free, not when somebody looked.
    fn advance(&mut self, now: Instant) {
        while self.free_at <= now
            && let Some(Waiting { since, packet }) = self.queue.pop_front()
        {
            self.queued_bytes -= packet.len();
            self.free_at = self.free_at.max(since) + self.time_on_line(packet.len());
            let jitter = self.conditions.jitter.mul_f64(self.random.random());
            let due = self.free_at + self.conditions.delay + jitter;
            let number = self.flown;
            self.flown += 1;
            self.flying.push(Reverse(Flying { due, number, packet }));
        }
    }

    fn time_on_line(&self, bytes: usize) -> Duration {
        let rate = self.conditions.rate;
        rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(bytes as f64 / rate as f64))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A line, and a clock that counts from its beginning.
    struct Bench {
        line: Line,
        began: Instant,
    }

    impl Bench {
        fn new(conditions: Conditions) -> Self {
            let began = Instant::now();
            let mut line = Line::new(1, began);
            line.set(conditions, began);
            Self { line, began }
        }

        fn send(&mut self, at: Duration, bytes: usize) {
            self.line.accept(vec![0; bytes], self.began + at);
        }

        /// Takes all that arrives up to an instant, looking only when the line says so: instants and sizes.
        fn arrivals(&mut self, until: Duration) -> Vec<(Duration, usize)> {
            let mut arrived = Vec::new();
            while let Some(due) = self.line.next_due().filter(|due| *due <= self.began + until) {
                while let Some(packet) = self.line.take_due(due) {
                    arrived.push((due - self.began, packet.len()));
                }
            }
            arrived
        }

        fn traffic(&self) -> (u64, u64) {
            let Traffic { sent, dropped } = self.line.traffic();
            (sent, dropped)
        }
    }

    #[track_caller]
    fn check(conditions: Conditions, sent: &[(u32, usize)], arrive: &[(u32, usize)]) {
        let mut bench = Bench::new(conditions);
        for (at, bytes) in sent {
            bench.send(MS * *at, *bytes);
        }
        let arrive: Vec<_> = arrive.iter().map(|(at, bytes)| (MS * *at, *bytes)).collect();
        assert_eq!(bench.arrivals(MS * 100_000), arrive);
    }

    #[test]
    fn a_perfect_line_gives_packets_at_once_and_in_order() {
        check(Conditions::default(), &[(0, 3), (0, 1), (0, 2), (5, 9)], &[(0, 3), (0, 1), (0, 2), (5, 9)]);
    }

    #[test]
    fn every_packet_flies_for_the_delay() {
        let slow = Conditions { delay: MS * 300, ..Conditions::default() };
        check(slow, &[(0, 10), (1, 20), (299, 30)], &[(300, 10), (301, 20), (599, 30)]);
    }

    #[test]
    fn jitter_spreads_packets_over_its_length() {
        let mut bench = Bench::new(Conditions { delay: MS * 100, jitter: MS * 50, ..Conditions::default() });
        (1..=100).for_each(|bytes| bench.send(Duration::ZERO, bytes));
        let arrivals = bench.arrivals(MS * 150);
        assert_eq!(arrivals.len(), 100);
        let [first, last] = [arrivals[0].0, arrivals[99].0];
        assert!(first < MS * 105 && last > MS * 145, "{first:?} to {last:?}");
        assert!(!arrivals.is_sorted_by_key(|(_, bytes)| *bytes), "some overtake others");
    }

    #[test]
    fn a_rate_makes_packets_wait_for_each_other_but_not_after_a_pause() {
        let narrow = Conditions { rate: Some(1000), delay: MS * 7, ..Conditions::default() };
        check(narrow, &[(0, 100), (0, 50), (10, 50), (1000, 5)], &[(107, 100), (157, 50), (207, 50), (1012, 5)]);
    }

    #[test]
    fn a_queue_that_is_full_drops_what_comes_last() {
        let mut bench = Bench::new(Conditions { rate: Some(1000), ..Conditions::default() });
        // One is on the line, and two of the others do not fit.
        let packets = QUEUE / 1024 + 3;
        for _ in 0..packets {
            bench.send(Duration::ZERO, 1024);
        }
        assert_eq!(bench.traffic(), (packets as u64, 2));
        assert_eq!(bench.arrivals(MS * 1_000_000).len(), packets - 2);
    }

    #[test]
    fn a_line_that_is_down_loses_what_is_sent_and_what_flies() {
        let mut bench = Bench::new(Conditions { delay: MS * 100, ..Conditions::default() });
        bench.send(Duration::ZERO, 1);
        bench.line.set(Conditions::DOWN, bench.began + MS * 50);
        bench.send(MS * 60, 2);
        assert_eq!(bench.arrivals(MS * 200), []);
        assert_eq!(bench.traffic(), (2, 2));
        bench.line.set(Conditions::default(), bench.began + MS * 200);
        bench.send(MS * 200, 3);
        assert_eq!(bench.arrivals(MS * 200), [(MS * 200, 3)]);
    }

    #[test]
    fn what_was_on_a_very_slow_line_does_not_hold_up_the_next() {
        let mut bench = Bench::new(Conditions { rate: Some(1), ..Conditions::default() });
        bench.send(Duration::ZERO, 1000);
        bench.send(Duration::ZERO, 20);
        bench.line.set(Conditions::default(), bench.began + MS * 50);
        assert_eq!(bench.arrivals(MS * 50), [(MS * 50, 20)]);
    }

    #[test]
    fn loss_is_as_likely_as_set_and_the_same_for_the_same_seed() {
        let lost = || {
            let mut bench = Bench::new(Conditions { loss: 0.3, ..Conditions::default() });
            for at in 0..10_000 {
                bench.send(MS * at, 1);
                bench.arrivals(MS * at);
            }
            bench.traffic().1
        };
        // Four standard deviations of 10,000 draws.
        assert!(lost().abs_diff(3000) < 184, "{}", lost());
        assert_eq!(lost(), lost());
    }

    fn conditions() -> impl Strategy<Value = Conditions> {
        let times = (0_u32..200, 0_u32..50);
        let rate = proptest::option::of(1_u64..1_000_000);
        (0.0..=1.0, times, rate, proptest::bool::weighted(0.1)).prop_map(|(loss, (delay, jitter), rate, down)| {
            Conditions { loss, delay: MS * delay, jitter: MS * jitter, rate, down }
        })
    }

    proptest! {
        #[test]
        fn every_packet_arrives_or_is_counted_as_dropped(
            steps in proptest::collection::vec((conditions(), proptest::collection::vec((0_u32..5, 1_usize..1400), 0..60)), 1..6),
        ) {
            let mut bench = Bench::new(Conditions::default());
            let (mut now, mut arrived) = (Duration::ZERO, 0);
            for (conditions, packets) in steps {
                bench.line.set(conditions, bench.began + now);
                for (pause, bytes) in packets {
                    now += MS * pause;
                    arrived += bench.arrivals(now).len() as u64;
                    bench.send(now, bytes);
                }
            }
            arrived += bench.arrivals(Duration::from_secs(1_000_000)).len() as u64;
            let (sent, dropped) = bench.traffic();
            prop_assert_eq!(sent, arrived + dropped);
        }

        #[test]
        fn no_packet_is_early_and_none_later_than_the_line_is_slow(
            conditions in conditions(),
            sizes in proptest::collection::vec(1_usize..1400, 1..60),
        ) {
            let conditions = Conditions { loss: 0.0, down: false, ..conditions };
            let mut bench = Bench::new(conditions);
            for bytes in &sizes {
                bench.send(Duration::ZERO, *bytes);
            }
            let arrivals = bench.arrivals(Duration::from_secs(1_000_000));
            let time = |bytes: usize| conditions.rate.map_or(0.0, |rate| bytes as f64 / rate as f64);
            let last = time(sizes.iter().sum()) + conditions.delay.as_secs_f64();
            for (at, bytes) in arrivals {
                let at = at.as_secs_f64();
                prop_assert!(at + 1e-6 >= time(bytes) + conditions.delay.as_secs_f64());
                prop_assert!(at <= last + conditions.jitter.as_secs_f64() + 1e-6);
            }
        }
    }
}
