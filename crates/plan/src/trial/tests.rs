//! Each kind of load as a plateau, scenarios that share one, and cues within it.

use super::*;
use crate::load::{Load, RateStage, Spacing, Stage, Stay};
use crate::plan::Scenario;
use crate::schedule::Schedule;

const TIMES: TrialTimes = TrialTimes { ramp: seconds(4), hold: seconds(10) };

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn arrive(users: u64, over: u64, stay: Stay) -> Load {
    Load::Arrive { users, over: seconds(over), spacing: Spacing::Even, stay }
}

fn population(users: u64, ramp: u64, hold: u64) -> Load {
    let stages = vec![Stage::RampTo { users, over: seconds(ramp) }, Stage::Hold { over: seconds(hold) }];
    Load::Population { stages, keep_session: true }
}

fn rate(per_second: f64, ramp: u64, hold: u64, at_most: u64) -> Load {
    let stages = vec![RateStage::RampTo { per_second, over: seconds(ramp) }, RateStage::Hold { over: seconds(hold) }];
    Load::Rate { stages, at_most }
}

fn plan(loads: Vec<Load>) -> Plan {
    let scenario = |(number, load)| Scenario { name: format!("s{number}"), run: "user".into(), load };
    let scenarios = (0..).zip(loads).map(scenario).collect();
    let thresholds = vec!["http.failed rate < 1%".parse().unwrap(), "autoscaler.jitter < 2".parse().unwrap()];
    Plan { scenarios, thresholds, ends_after: Some(seconds(3600)), ..Plan::default() }
}

/// Checks the unit, the peak, and the loads of a trial.
#[track_caller]
fn check(loads: Vec<Load>, unit: LoadUnit, peak: f64, load: f64, expected: Vec<Load>) {
    let (trials, notes) = Trials::new(&plan(loads), TIMES).unwrap();
    assert_eq!((trials.unit(), trials.peak(), notes), (unit, peak, vec![]));
    let plan = trials.plan(load);
    let found: Vec<Load> = plan.scenarios.iter().map(|scenario| scenario.load.clone()).collect();
    assert_eq!(found, expected);
    assert_eq!(plan.check(), [], "a trial's plan is sound");
    assert_eq!(plan.thresholds.len(), 1, "what is expected of the autoscaler is left out");
}

#[test]
fn every_kind_of_load_becomes_a_plateau() {
    use LoadUnit::{StartsPerSecond, Users};
    let to_the_end = Stay::AfterLastArrival(seconds(10));
    check(
        vec![arrive(900, 30, Stay::AfterLastArrival(seconds(25)))],
        Users,
        900.0,
        40.0,
        vec![arrive(40, 4, to_the_end)],
    );
    let curve = Load::Curve { seconds: vec![(0, 5), (9, 15)], stay: Stay::AfterLastArrival(seconds(60)) };
    check(vec![curve.clone()], Users, 20.0, 40.0, vec![arrive(40, 4, to_the_end)]);
    // 30 a second for 2 s each are 60 at a time; 40 at a time are 20 a second.
    check(
        vec![arrive(900, 30, Stay::Each(seconds(2)))],
        Users,
        60.0,
        40.0,
        vec![arrive(280, 14, Stay::Each(seconds(2)))],
    );
    check(vec![arrive(900, 30, Stay::Each(seconds(60)))], Users, 900.0, 40.0, vec![arrive(40, 4, to_the_end)]);
    check(vec![arrive(900, 30, Stay::UntilDone)], StartsPerSecond, 30.0, 2.5, vec![arrive(35, 14, Stay::UntilDone)]);
    check(vec![population(70, 1, 60)], Users, 70.0, 40.0, vec![population(40, 4, 10)]);
    check(vec![rate(5.0, 1, 60, 30)], StartsPerSecond, 5.0, 2.5, vec![rate(2.5, 4, 10, 15)]);
}

#[test]
fn scenarios_share_the_load_as_in_the_plan() {
    let loads = vec![population(70, 1, 60), population(1, 1, 60), rate(5.0, 1, 60, 30), population(29, 1, 60)];
    let (trials, _) = Trials::new(&plan(loads), TIMES).unwrap();
    assert_eq!((trials.unit(), trials.peak(), trials.least()), (LoadUnit::Users, 100.0, 3.0));
    for load in [3, 4, 7, 50, 100, 1_001] {
        let plan = trials.plan(f64::from(load));
        assert_eq!(plan.check(), [], "each scenario has something of {load}");
        let (mut users, mut starts) = (0, 0.0);
        for scenario in &plan.scenarios {
            match &scenario.load {
                Load::Rate { stages: rates, .. } => {
                    let RateStage::RampTo { per_second, .. } = rates[0] else { panic!("it begins with a ramp") };
                    starts += per_second;
                }
                load => users += Schedule::new(load, 0).planned(),
            }
        }
        assert_eq!(users, load as u64);
        assert!((starts / f64::from(load) - 0.05).abs() < 1e-9, "the same factor: {starts}");
    }
}

#[test]
fn who_stays_for_a_while_needs_that_long_to_be_there() {
    let (trials, _) = Trials::new(&plan(vec![arrive(900, 30, Stay::Each(seconds(8)))]), TIMES).unwrap();
    assert_eq!(trials.times().ramp, seconds(8));
}

#[test]
fn cues_fire_within_the_hold() {
    let cue = |name: &str, when| Cue { name: name.into(), event: None, pointer: None, when };
    let mut plan = plan(vec![arrive(90, 30, Stay::AfterLastArrival(seconds(60)))]);
    plan.cues = vec![
        cue("vote", CueTime::AfterArrivals(seconds(5))),
        cue("half", CueTime::At(seconds(15))),
        cue("host", CueTime::ByHand),
    ];
    plan.thresholds
        .extend(["cue.reach{cue:vote} rate > 99%", "cue.reach{cue:host} rate > 99%"].map(|text| text.parse().unwrap()));
    let (trials, notes) = Trials::new(&plan, TIMES).unwrap();
    let trial = trials.plan(10.0);
    let CueTime::At(half) = trial.cues[1].when else { panic!("it has a time") };
    assert_eq!(trial.cues[0].when, CueTime::At(seconds(9)));
    assert!((2.0..2.1).contains(&half.as_secs_f64()), "half the ramp: {half:?}");
    assert_eq!((trial.cues.len(), trial.thresholds.len(), notes.len()), (2, 2, 2), "{notes:?}");
    assert_eq!(trial.check(), []);

    plan.cues[0].when = CueTime::AfterArrivals(seconds(10));
    let problems = Trials::new(&plan, TIMES).unwrap_err();
    assert_eq!(problems[0].message, "cue `vote` fires 10s after the arrivals, and the load is held for 10s");
}

#[test]
fn a_plan_without_a_limit_has_no_trials() {
    let mut plan = plan(vec![population(70, 1, 60)]);
    plan.thresholds.remove(0);
    let problems = Trials::new(&plan, TrialTimes { hold: Duration::ZERO, ..TIMES }).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
}
