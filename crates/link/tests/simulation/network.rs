//! A network that delays, goes silent and breaks, from one seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Real time in microseconds since the world began.
pub type Real = u64;

pub const MILLI: Real = 1_000;
pub const SECOND: Real = 1_000_000;

/// Happenings in the order of their time, and of their scheduling within one instant.
pub struct Agenda<H> {
    heap: BinaryHeap<Reverse<Entry<H>>>,
    scheduled: u64,
}

struct Entry<H> {
    at: Real,
    order: u64,
    happening: H,
}

impl<H> PartialEq for Entry<H> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<H> Eq for Entry<H> {}

impl<H> PartialOrd for Entry<H> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<H> Ord for Entry<H> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl<H> Agenda<H> {
    pub fn new() -> Self {
        Agenda { heap: BinaryHeap::new(), scheduled: 0 }
    }

    pub fn schedule(&mut self, at: Real, happening: H) {
        self.scheduled += 1;
        self.heap.push(Reverse(Entry { at, order: self.scheduled, happening }));
    }

    pub fn next(&mut self) -> Option<(Real, H)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.happening))
    }
}

/// The world's dice.
pub struct Dice(Xoshiro256PlusPlus);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.0.random_range(0..1_000) < per_mille
    }

    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0.random_range(low..=high)
    }

    pub fn any(&mut self) -> u64 {
        self.0.random()
    }
}

/// One direction of one connection: keeps order, whatever the delays.
#[derive(Default, Clone, Copy)]
pub struct Pipe {
    last_delivery: Real,
}

impl Pipe {
    pub fn deliver_at(&mut self, now: Real, delay: Real) -> Real {
        self.last_delivery = self.last_delivery.max(now + delay);
        self.last_delivery
    }
}

/// A clock that runs wrong by `ppm` and shows `zero` at the world's beginning.
#[derive(Clone, Copy)]
pub struct Clock {
    pub zero: i64,
    pub ppm: i64,
}

impl Clock {
    pub fn shows(&self, now: Real) -> i64 {
        self.zero + now as i64 + now as i64 * self.ppm / 1_000_000
    }
}
