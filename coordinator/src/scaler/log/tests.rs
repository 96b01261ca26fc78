//! Checks what looks come to: nothing is made of what was not seen, and two sources are not mixed.

use rehearsal_metrics::{Limits, Recorder, UserState};
use rehearsal_plan::Capacity;

use super::*;

const STARTED: RunTime = RunTime(10_000_000);

fn place(place: &str, name: &str, role: Role) -> Place {
    Place { place: place.into(), name: name.into(), role, max_age_s: 5.0 }
}

fn log() -> Log {
    let places = vec![
        place("autoscaler.supply.1", "supply", Role::Supply),
        place("autoscaler.supply.2", "supply", Role::Supply),
        place("autoscaler.metrics.cpu", "cpu", Role::Metric),
        place("autoscaler.activities", "activities", Role::Activities),
    ];
    Log { places, ..Log::default() }
}

fn look(place: &str, at_s: f64, what: What) -> Look {
    let at_us = STARTED.0 + (at_s * 1e6) as i64;
    Look {
        place: format!("autoscaler.{place}"),
        at_us,
        of_us: None,
        took_us: 0,
        late_us: 0,
        skipped: 0,
        gone: Vec::new(),
        what,
    }
}

fn ready(ready: u64) -> What {
    What::Supply([None, None, Some(ready), None, None, None])
}

/// 60 seconds in which ten users come each second.
fn timeline() -> Timeline {
    let mut recorder = Recorder::new(Limits::default());
    for second in 0..60 {
        recorder.roll(second);
        (0..10).for_each(|_| recorder.transition(UserState::Waiting, UserState::Live));
    }
    let mut timeline = Timeline::new(Limits::default());
    timeline.plan_users(600);
    timeline.expects(1, 0);
    recorder.finish().iter().for_each(|interval| timeline.add(1, interval).unwrap());
    timeline
}

fn plan() -> AutoscalerPlan {
    AutoscalerPlan { capacity: Some(Capacity::Users(100.0)), ..AutoscalerPlan::default() }
}

fn observations(log: &Log) -> Observations {
    log.observations(&plan(), &timeline(), STARTED, RunTime(STARTED.0 + 60_000_000))
}

#[test]
fn a_number_comes_from_the_first_source_that_tells_it() {
    let mut log = log();
    log.add(look("supply.1", 1.0, What::Supply([Some(4), None, None, None, None, None])));
    log.add(look("supply.2", 1.5, What::Supply([Some(9), None, Some(3), None, None, None])));
    let seen = observations(&log);
    assert_eq!(seen.desired.samples, [(1.0, Some(4.0))]);
    assert_eq!(seen.ready.samples, [(1.5, Some(3.0))]);
    assert_eq!((seen.running.samples, seen.ready.max_age_s), (vec![], 5.0));
}

#[test]
fn an_error_is_missing_and_told_and_never_a_zero() {
    let mut log = log();
    log.add(look("supply.1", 1.0, ready(3)));
    log.add(look("supply.1", 2.0, What::Error("timeout: no answer within 5s".into())));
    log.add(look("metrics.cpu", 2.0, What::Missing("no data point".into())));
    let seen = observations(&log);
    assert_eq!(seen.ready.samples, [(1.0, Some(3.0)), (2.0, None)]);
    assert_eq!(seen.metrics["cpu"].samples, [(2.0, None)]);
    let told: Vec<_> = seen.failures.iter().map(|failure| (&*failure.of, &*failure.why, failure.is_ours)).collect();
    assert_eq!(told, [("supply", "timeout: no answer within 5s", true), ("cpu", "no data point", false)]);
    assert_eq!(log.first_failure().unwrap(), "autoscaler.supply.1: timeout: no answer within 5s");
}

#[test]
fn a_scaler_repeats_its_decisions_and_they_count_once() {
    let mut log = log();
    let decision = |at_s: i64, change, to| Decision {
        unix_us: at_s * 1_000_000,
        at_us: STARTED.0 + at_s * 1_000_000,
        change,
        to,
        why: "cpu".into(),
    };
    let first = vec![decision(1, Some(2), Some(4)), decision(5, None, Some(3))];
    // Run time and the machine's time are never read in the same instant.
    let repeated = first.iter().map(|decision| Decision { at_us: decision.at_us + 3, ..decision.clone() });
    let second: Vec<Decision> = repeated.chain([decision(9, None, Some(3)), decision(12, None, Some(7))]).collect();
    log.add(look("activities", 6.0, What::Activities(first)));
    let new = log.add(look("activities", 13.0, What::Activities(second))).clone();
    assert!(matches!(new.what, What::Activities(new) if new.len() == 2), "only what is new is stored");
    let seen: Vec<(f64, i64)> = observations(&log).activities.iter().map(|it| (it.at_s, it.change)).collect();
    assert_eq!(seen, [(1.0, 2), (5.0, -1), (12.0, 4)], "what changes nothing is no decision");
}

#[test]
fn values_that_their_source_dates_stand_at_their_time() {
    let mut log = log();
    let of = |at_s: f64, of_s: f64, value: f64| Look {
        of_us: Some(STARTED.0 + (of_s * 1e6) as i64),
        ..look("metrics.cpu", at_s, What::Metric(value))
    };
    log.add(of(20.0, 5.0, 30.0));
    log.add(look("metrics.cpu", 22.0, What::Error("throttled".into())));
    log.add(of(24.0, 5.0, 30.0));
    log.add(of(40.0, 30.0, 50.0));
    let cpu = &observations(&log).metrics["cpu"];
    assert_eq!(cpu.samples, [(5.0, Some(30.0)), (30.0, Some(50.0))]);
    assert_eq!(cpu.max_age_s, 5.0 + 19.0, "the source lags by up to 19 s");
}

#[test]
fn what_was_never_seen_is_not_assessed() {
    let mut log = log();
    let assess = |log: &Log| log.assess(&plan(), &timeline(), STARTED, RunTime(STARTED.0 + 60_000_000));
    assert!(assess(&log).is_none());
    log.add(look("supply.1", 1.0, What::Error("connection: refused".into())));
    assert!(assess(&log).is_none() && log.is_silent());
    log.add(look("supply.1", 2.0, ready(6)));
    let seen = assess(&log).unwrap();
    assert_eq!(seen.load.last(), Some(&(59.0, Some(590.0))), "{:?}", seen.load);
    assert!(log.assess(&plan(), &timeline(), STARTED, STARTED).is_none(), "the run has no length yet");
}

#[test]
fn the_platforms_maximum_is_a_ceiling() {
    let mut log = log();
    for second in 0..60 {
        let numbers = [Some(2), Some(2), Some(2), Some(0), Some(1), Some(2)];
        log.add(look("supply.1", f64::from(second), What::Supply(numbers)));
    }
    let plan = AutoscalerPlan { at_most: Some(40), ..plan() };
    let bounds = log.within_bounds(&plan);
    assert_eq!((bounds.at_least, bounds.at_most), (Some(1), Some(2)));
    let seen = log.assess(&plan, &timeline(), STARTED, RunTime(STARTED.0 + 60_000_000)).unwrap();
    let kinds: Vec<_> = seen.findings.iter().map(|finding| finding.kind).collect();
    assert!(kinds.contains(&rehearsal_verdict::elasticity::Kind::Ceiling), "{:?}", seen.findings);
}

#[test]
fn a_source_that_fails_from_the_first_is_told_once() {
    let mut log = log();
    let failed = look("supply.1", 1.0, What::Error("connection: refused".into()));
    assert!(log.is_false_start(&failed));
    log.add(failed.clone());
    assert!(!log.is_false_start(&failed), "it is known");
    assert!(!log.is_false_start(&look("supply.2", 1.0, What::Missing("nothing yet".into()))), "it answers");
}

#[test]
fn late_readings_are_counted() {
    let mut log = log();
    assert_eq!(log.lateness(), None);
    log.add(Look { late_us: 2_500_000, skipped: 3, ..look("supply.1", 1.0, ready(1)) });
    let late = "1 reading of it began late, the worst by 2.50 s";
    let skipped = "3 readings of it were left out, because those before took too long";
    assert_eq!(log.lateness().unwrap(), format!("{late}; {skipped}"));
    let only_skipped = Look { skipped: 1, ..look("supply.1", 1.0, ready(1)) };
    let log = Log { looks: vec![only_skipped], ..Log::default() };
    assert_eq!(log.lateness().unwrap(), "1 reading of it was left out, because those before took too long");
}

fn decision(at_s: i64) -> Decision {
    let (unix_us, at_us) = (at_s * 1_000_000, STARTED.0 + at_s * 1_000_000);
    Decision { unix_us, at_us, change: Some(1), to: None, why: String::new() }
}

#[test]
fn clocks_that_differ_from_ours_are_told_and_nothing_is_decided_after_it_was_told() {
    let read = |readings: &[(f64, &[i64])]| {
        let mut log = log();
        for (at_s, told) in readings {
            log.add(look("activities", *at_s, What::Activities(told.iter().copied().map(decision).collect())));
        }
        let times: Vec<f64> = observations(&log).activities.iter().map(|activity| activity.at_s).collect();
        (times, log.doubts())
    };
    assert_eq!(read(&[(2.0, &[]), (4.0, &[3]), (6.0, &[5])]), (vec![3.0, 5.0], vec![]));
    let ahead =
        "the clock of autoscaler.activities is 30.0 s ahead of ours: what it dates later counts from its reading";
    assert_eq!(read(&[(2.0, &[]), (4.0, &[33]), (6.0, &[36])]), (vec![4.0, 6.0], vec![ahead.to_owned()]));
    assert_eq!(read(&[(2.0, &[]), (4.0, &[5])]), (vec![4.0], vec![]), "whole seconds");
    let behind = "autoscaler.activities told each of 2 decisions 9.00 s or more after the time that it gives: it tells \
                  late, or its clock is behind ours, and then decisions came later than it says";
    let late: &[(f64, &[i64])] = &[(20.0, &[1]), (22.0, &[1, 11]), (24.0, &[1, 11, 13])];
    assert_eq!(read(late), (vec![1.0, 11.0, 13.0], vec![behind.to_owned()]));
    assert_eq!(read(&late[..2]).1, Vec::<String>::new(), "one alone may have been late");
}

#[test]
fn a_source_that_never_gave_anything_is_told_beside_those_that_did() {
    let mut log = log();
    log.add(look("supply.2", 1.0, What::Missing("`/nope` leads nowhere".into())));
    log.add(look("supply.2", 3.0, What::Missing("`/nope` leads nowhere".into())));
    assert_eq!(log.doubts(), Vec::<String>::new(), "nothing at all was seen, and that is told elsewhere");
    log.add(look("supply.1", 1.0, ready(3)));
    assert_eq!(log.doubts(), ["autoscaler.supply.2 gave nothing in 2 readings: `/nope` leads nowhere"]);
}
