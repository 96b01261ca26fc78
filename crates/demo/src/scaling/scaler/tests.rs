//! Every behaviour by example, and through a whole show with 20 different noises.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::scaling::Behaviour;

/// Looks that an instance takes to boot and to drain.
const CHANGE: usize = 3;

fn scaler(behaviour: Behaviour) -> Scaler {
    Scaler::new(Scaling { behaviour, ..Scaling::default() })
}

fn seen(cpu: f64, ready: u32) -> Seen {
    Seen { cpu: Some(cpu), ready, unsettled: 0 }
}

/// Looks at each CPU, with as many instances ready as were desired at once; returns what was
/// desired after each look.
fn desired(behaviour: Behaviour, cpus: &[f64]) -> Vec<u32> {
    let mut scaler = scaler(behaviour);
    cpus.iter()
        .map(|cpu| {
            let ready = scaler.desired();
            scaler.look(&seen(*cpu, ready));
            scaler.desired()
        })
        .collect()
}

#[test]
fn the_rule_brings_the_cpu_to_the_target() {
    // (CPU, ready instances, needed): 2 · 71 / 55 = 2.6; 10 · 55 / 55 is no more than 10.
    for (cpu, ready, expected) in [(71.0, 2, 3), (55.0, 10, 10), (55.1, 10, 11), (0.0, 10, 2), (150.0, 39, 40)] {
        assert_eq!(scaler(Behaviour::Healthy).needed(cpu, ready), expected, "{cpu} % of {ready}");
    }
}

#[test]
fn each_behaviour_by_example() {
    use Behaviour::{Blind, Flapping, Frozen, Greedy, Harsh, Healthy, Slow};
    let high = [90.0; 4];
    assert_eq!(desired(Healthy, &high), [4, 7, 12, 20]);
    assert_eq!(desired(Harsh, &high), [4, 7, 12, 20]);
    assert_eq!(desired(Frozen, &[150.0; 50]), [2; 50]);
    assert_eq!(desired(Greedy, &[24.0, 20.0, 20.0]), [3, 3, 3]);
    assert_eq!(desired(Greedy, &[60.0, 20.0, 20.0]), [7, 7, 7]);
    assert_eq!(desired(Slow, &[90.0; 31])[28..], [2, 4, 4]);
    // A single look within the band begins the wait anew.
    assert_eq!(desired(Slow, &[vec![90.0; 29], vec![60.0], vec![90.0; 29]].concat()), [2; 59]);
    // Within the band nothing happens, below it only after a while.
    assert_eq!(
        desired(Healthy, &[90.0, 70.0, 40.0, 30.0, 30.0, 30.0, 30.0, 30.0, 30.0])[1..],
        [4, 4, 4, 4, 4, 4, 3, 3]
    );
    assert_eq!(desired(Flapping, &[50.0; 20])[4..], [2, 3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 3, 3, 3]);
    // Scaled out at look 1, blind from look 15 on, in it at look 15 + 3 + 4, 5 looks below the band.
    let cpus = [vec![90.0], vec![55.0; 30]].concat();
    let blind = desired(Blind, &cpus);
    assert_eq!(blind[..22], [4; 22]);
    assert_eq!(blind[22..], [2; 9]);
}

#[test]
fn a_blind_scaler_says_why() {
    let mut scaler = scaler(Behaviour::Blind);
    let decisions: Vec<Decision> = (0..24)
        .filter_map(|look| {
            let cpu = if look == 0 { 90.0 } else { 55.0 };
            scaler.look(&seen(cpu, if look == 0 { 2 } else { 4 }))
        })
        .collect();
    let [out, back] = decisions.as_slice() else { panic!("{decisions:?}") };
    assert_eq!((out.change, out.to, out.why.as_str()), (2, 4, "the average CPU was above 70 % at 1 looks, last 90 %"));
    assert_eq!((back.change, back.to), (-2, 2));
    assert_eq!(back.why, "the missing average CPU, taken for 0 % was below 40 % at 5 looks, last 0 %");
}

#[test]
fn nothing_is_taken_away_before_the_last_decision_has_shown_its_effect() {
    let mut scaler = scaler(Behaviour::Healthy);
    scaler.look(&seen(150.0, 2));
    let unsettled = Seen { unsettled: 1, ..seen(10.0, 5) };
    assert!((0..100).all(|_| scaler.look(&unsettled).is_none()));
    let first = (1..).find(|_| scaler.look(&seen(10.0, 6)).is_some());
    assert_eq!(first, Some(5));
}

/// What happened in a show, by second.
#[derive(Default)]
struct Story {
    demand: Vec<u32>,
    ready: Vec<u32>,
    desired: Vec<u32>,
    has_metric: Vec<bool>,
    decisions: Vec<Decision>,
}

/// 2,000 viewers in the first 30 s, who stay until 90 s and go within 10 s.
fn viewers(second: usize) -> f64 {
    match second {
        0..30 => second as f64 / 30.0 * 2000.0,
        30..90 => 2000.0,
        90..100 => (100 - second) as f64 * 200.0,
        _ => 0.0,
    }
}

/// Plays a show of 140 s before this autoscaler, with a load that is up to 5 % off.
fn play(behaviour: Behaviour, seed: u64) -> Story {
    let mut noise = StdRng::seed_from_u64(seed);
    let mut scaler = scaler(behaviour);
    let mut story = Story::default();
    // For each instance that is not ready: when it is, or when it is gone.
    let (mut ready, mut booting, mut draining) = (scaler.desired(), Vec::new(), Vec::new());
    for second in 0..140 {
        booting.retain(|at| *at > second);
        draining.retain(|at| *at > second);
        ready = scaler.desired() - booting.len() as u32;
        let users = viewers(second) * noise.random_range(0.95..1.05);
        let served = users.min(f64::from(ready) * 750.0);
        let seen = Seen {
            cpu: Some(served / f64::from(ready) / 5.0),
            ready,
            unsettled: (booting.len() + draining.len()) as u32,
        };
        let decision = scaler.look(&seen);
        match &decision {
            Some(decision) if decision.change > 0 => {
                booting.extend((0..decision.change).map(|_| second + CHANGE));
            }
            Some(decision) => {
                let mut gone = decision.change.unsigned_abs() as usize;
                while gone > 0 && booting.pop().is_some() {
                    gone -= 1;
                }
                draining.extend((0..gone).map(|_| second + CHANGE));
            }
            None => {}
        }
        story.demand.push((users / 500.0).ceil() as u32);
        story.ready.push(ready);
        story.desired.push(scaler.desired());
        story.has_metric.push(scaler.has_metric());
        story.decisions.extend(decision);
    }
    assert!(ready <= 40);
    story
}

impl Story {
    /// Seconds in which there was less than needed.
    fn short(&self) -> usize {
        self.demand.iter().zip(&self.ready).filter(|(demand, ready)| demand > ready).count()
    }

    /// Decisions while the load was flat and a healthy autoscaler has settled.
    fn restless(&self) -> usize {
        self.desired[45..90].windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    fn most(&self) -> u32 {
        *self.desired.iter().max().unwrap()
    }
}

/// Holds the story of 20 noises against what makes the behaviour what it is.
#[track_caller]
fn check(behaviour: Behaviour, holds: impl Fn(&Story) -> bool) {
    for seed in 0..20 {
        let story = play(behaviour, seed);
        assert!(holds(&story), "{behaviour:?}, noise {seed}: demand {:?}, ready {:?}", story.demand, story.ready);
    }
}

fn is_well_scaled(story: &Story) -> bool {
    let settled = story.ready[45..90].iter().all(|ready| (6..=9).contains(ready));
    story.short() <= 1 && story.restless() == 0 && settled && story.desired[139] == 2
}

#[test]
fn a_healthy_autoscaler_follows_a_show() {
    check(Behaviour::Healthy, is_well_scaled);
    check(Behaviour::Healthy, |story| story.decisions.iter().all(|decision| decision.ending == Ending::Drained));
}

#[test]
fn a_slow_one_comes_when_it_is_too_late() {
    check(Behaviour::Slow, |story| story.short() >= 15 && story.most() >= 6);
}

#[test]
fn a_frozen_one_does_nothing() {
    check(Behaviour::Frozen, |story| story.decisions.is_empty() && story.most() == 2);
}

#[test]
fn a_flapping_one_has_no_rest_under_flat_load() {
    check(Behaviour::Flapping, |story| story.restless() >= 7);
}

#[test]
fn a_greedy_one_has_far_more_than_it_needs() {
    let settled = |story: &Story| story.ready[45..90].iter().all(|ready| *ready >= 18);
    check(Behaviour::Greedy, |story| settled(story) && story.restless() == 0 && story.short() == 0);
}

#[test]
fn a_harsh_one_decides_well_but_kills() {
    check(Behaviour::Harsh, is_well_scaled);
    check(Behaviour::Harsh, |story| story.decisions.iter().all(|decision| decision.ending == Ending::Cut));
}

#[test]
fn a_blind_one_takes_away_what_is_needed_while_it_sees_nothing() {
    let falls = |story: &Story| {
        let pairs = story.desired.windows(2).zip(&story.has_metric[1..]).zip(&story.demand);
        pairs.filter(|((pair, has_metric), demand)| pair[1] < pair[0] && !**has_metric && pair[1] < **demand).count()
    };
    check(Behaviour::Blind, |story| falls(story) >= 1 && story.short() >= 3);
}
