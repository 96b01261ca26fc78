//! An imaginary system with an autoscaler of some character, and noisy observations of it: for the tests here, and for
//! examples of what is told of autoscalers elsewhere.
//!
//! An instance carries 500 users at 20 % CPU, boots in 20 s and drains for 15 s. The load goes from 2 instances
//! to 6 at 60 s, over a ramp to 10 at 400 s, and down to 4 at 640 s. From 450 s to 520 s the metric is missing.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rehearsal_plan::Keep;

use super::*;

/// How the scaler behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Character {
    /// It does all that is expected.
    Healthy,
    /// It learns of the load three minutes late.
    Slow,
    /// It does nothing.
    Frozen,
    /// It wants two more and two fewer by turns.
    Flapping,
    /// It wants three times as many as the load needs.
    Greedy,
    /// It cuts off users when it scales in.
    Harsh,
    /// It scales in when it loses its metric.
    Blind,
}

/// The seconds in which the metric is missing.
pub const OUTAGE: std::ops::Range<i64> = 450..520;
const END: i64 = 960;
const PER_INSTANCE: f64 = 500.0;

struct World {
    character: Character,
    at_most: f64,
    poll_s: i64,
    random: Xoshiro256PlusPlus,
    desired: f64,
    /// Until when each instance boots.
    booting: Vec<i64>,
    ready: f64,
    /// Until when each instance drains.
    draining: Vec<i64>,
    /// How many decisions in a row called for fewer.
    calls_for_fewer: u32,
    /// Connections that were cut off in this second.
    cut: f64,
    seen: Observations,
}

/// What differs from run to run.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// How the scaler behaves.
    pub character: Character,
    /// The scaler's upper bound.
    pub at_most: f64,
    /// Every how many seconds the numbers of instances are looked at.
    pub poll_s: i64,
    /// What the noise is made of.
    pub seed: u64,
}

/// What the imaginary systems are to do.
#[must_use]
pub fn expected(at_most: u32) -> AutoscalerPlan {
    AutoscalerPlan {
        capacity: Some(Capacity::Users(PER_INSTANCE)),
        react_within: Some(Duration::from_secs(90)),
        settle_within: Some(Duration::from_secs(180)),
        keep: vec![Keep::new("cpu", 10.0, 30.0)],
        at_least: Some(2),
        at_most: Some(at_most),
        ..AutoscalerPlan::default()
    }
}

/// Plays the whole run.
#[must_use]
pub fn observe(setting: Setting) -> Observations {
    let Setting { character, at_most, poll_s, seed } = setting;
    let mut world = World {
        character,
        at_most,
        poll_s,
        random: Xoshiro256PlusPlus::seed_from_u64(seed),
        desired: 2.0,
        booting: Vec::new(),
        ready: 2.0,
        draining: Vec::new(),
        calls_for_fewer: 0,
        cut: 0.0,
        seen: Observations { from_s: 0.0, to_s: END as f64, ..Observations::default() },
    };
    let mut load = Series::new(Vec::new(), 3.0);
    let phase = world.random.random_range(0..15);
    for second in 0..END {
        let users = world.users(second);
        load.samples.push((second as f64, Some(users)));
        if second % 15 == phase {
            world.decide(second);
        }
        world.move_on(second);
        world.look(second, users);
    }
    world.seen.demand = demand(Capacity::Users(PER_INSTANCE), &load);
    world.seen.load = load;
    world.seen
}

fn planned_users(second: i64) -> f64 {
    match second {
        ..60 => 900.0,
        60..200 => 2900.0,
        200..400 => 2900.0 + (second - 200) as f64 * 10.0,
        400..640 => 4900.0,
        _ => 1900.0,
    }
}

impl World {
    fn noise(&mut self, size: f64) -> f64 {
        self.random.random_range(-size..size)
    }

    fn users(&mut self, second: i64) -> f64 {
        (planned_users(second) * (1.0 + self.noise(0.015))).round()
    }

    fn decide(&mut self, second: i64) {
        let seen_at = if self.character == Character::Slow { (second - 180).max(0) } else { second };
        let users = planned_users(seen_at) * (1.03 + self.noise(0.015));
        let mut wanted = (users / PER_INSTANCE).ceil();
        let is_blind = OUTAGE.contains(&second);
        match self.character {
            Character::Frozen => return,
            Character::Blind if is_blind => wanted = 2.0,
            _ if is_blind => return,
            Character::Greedy => wanted *= 3.0,
            Character::Flapping if second % 90 < 45 => wanted += 2.0,
            _ => {}
        }
        let keeps = (users * 1.1 / PER_INSTANCE).ceil().min(self.desired);
        let is_patient = self.character != Character::Flapping && !is_blind;
        let wanted = if is_patient { wanted.max(keeps) } else { wanted }.clamp(2.0, self.at_most);
        self.calls_for_fewer = if wanted < self.desired { self.calls_for_fewer + 1 } else { 0 };
        if wanted == self.desired || (wanted < self.desired && is_patient && self.calls_for_fewer < 3) {
            return;
        }
        let change = wanted - self.desired;
        self.seen.activities.push(Activity { at_s: second as f64, change: change as i64 });
        self.desired = wanted;
        (0..change.max(0.0) as u32).for_each(|_| self.booting.push(second + 20));
        (0..(-change).max(0.0) as u32).for_each(|_| self.take_away(second));
    }

    fn take_away(&mut self, second: i64) {
        if self.booting.pop().is_some() {
            return;
        }
        self.ready -= 1.0;
        match self.character {
            Character::Harsh => self.cut += 40.0,
            _ => self.draining.push(second + 15),
        }
    }

    fn move_on(&mut self, second: i64) {
        let booting = self.booting.len();
        self.booting.retain(|until| *until > second);
        self.ready += (booting - self.booting.len()) as f64;
        self.draining.retain(|until| *until > second);
    }

    /// Sees the numbers of instances as often as it is told, of which one look in 50 fails, and the rest every second.
    fn look(&mut self, second: i64, users: f64) {
        let ordinary = if self.random.random_bool(0.2) { 1.0 } else { 0.0 };
        let errors = ordinary + std::mem::take(&mut self.cut);
        push(&mut self.seen.errors, second as f64, Some(errors));
        let at_s = second as f64 + self.random.random_range(0.0..0.4);
        let is_missing = OUTAGE.contains(&second) || self.random.random_bool(0.01);
        let cpu = 20.0 * users / (PER_INSTANCE * self.ready) + self.noise(0.7);
        push(self.seen.metrics.entry("cpu".to_owned()).or_default(), at_s, (!is_missing).then_some(cpu));
        if second % self.poll_s != 0 {
            return;
        }
        let has_failed = self.random.random_bool(0.02);
        if has_failed {
            let (of, why) = ("supply".to_owned(), "503".to_owned());
            self.seen.failures.push(Failure { at_s, of, why, is_ours: true });
        }
        let draining = self.draining.len() as f64;
        let running = self.ready + self.booting.len() as f64 + draining;
        let seen = &mut self.seen;
        let all = [
            (&mut seen.desired, self.desired),
            (&mut seen.running, running),
            (&mut seen.ready, self.ready),
            (&mut seen.draining, draining),
        ];
        for (series, value) in all {
            push(series, at_s, (!has_failed).then_some(value));
            series.max_age_s = 3.0 * self.poll_s as f64;
        }
    }
}

fn push(series: &mut Series, at_s: f64, value: Option<f64>) {
    series.max_age_s = 6.0;
    series.samples.push((at_s, value));
}
