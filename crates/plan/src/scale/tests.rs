//! Scaling by hand for each kind of load, and what holds for all of them.

use proptest::prelude::*;

use super::*;
use crate::load::{RateStage, Spacing, Stage, Stay};
use crate::schedule::any_load::any_load;
use crate::slots::{AgentNumber, SlotTable};
use crate::version::{Arrival, Change};

const STAY: Stay = Stay::AfterLastArrival(seconds(60));

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn arrive(users: u64, over: u64) -> Load {
    Load::Arrive { users, over: seconds(over), spacing: Spacing::Random, stay: STAY }
}

fn curve(seconds: &[(u64, u64)]) -> Load {
    Load::Curve { seconds: seconds.to_vec(), stay: STAY }
}

fn population(stages: &[(u64, u64)]) -> Load {
    let ramp = |(users, over): &(u64, u64)| Stage::RampTo { users: *users, over: seconds(*over) };
    Load::Population { stages: stages.iter().map(ramp).collect(), keep_session: true }
}

fn rate(at_most: u64, stages: &[(f64, u64)]) -> Load {
    let ramp = |(to, over): &(f64, u64)| RateStage::RampTo { per_second: *to, over: seconds(*over) };
    Load::Rate { stages: stages.iter().map(ramp).collect(), at_most }
}

/// Scales a load that had begun the run `elapsed` seconds ago.
fn scaled(load: &Load, elapsed: u64, scale: Scale, over: u64) -> Result<Option<Load>, String> {
    let versions = started(vec![load.clone()]);
    let loads = scaled_loads(&versions, &["user"], at(elapsed), scale, None, seconds(over));
    loads.map(|loads| loads[0].clone()).map_err(|problem| problem.to_string())
}

fn at(seconds: u64) -> RunTime {
    RunTime((seconds * 1_000_000) as i64)
}

fn started(loads: Vec<Load>) -> Versions {
    Versions::first(RunTime::ZERO, loads, SlotTable::weighted(4, &[(AgentNumber(1), 1)]), 7)
}

fn becomes(load: &Load, elapsed: u64, scale: Scale, over: u64, expected: Load) {
    assert_eq!(scaled(load, elapsed, scale, over), Ok(Some(expected)), "{scale} of {load:?}");
}

fn stays(load: &Load, elapsed: u64, scale: Scale) {
    assert_eq!(scaled(load, elapsed, scale, 0), Ok(None), "{scale} of {load:?}");
}

fn refused(load: &Load, elapsed: u64, scale: Scale, over: u64, message: &str) {
    let problem = scaled(load, elapsed, scale, over).unwrap_err();
    assert!(problem.contains(message), "{problem}");
}

#[test]
fn those_who_arrive_once() {
    let load = Load::Arrive { users: 100, over: seconds(100), spacing: Spacing::Even, stay: STAY };
    let even = |users, over| Load::Arrive { users, over: seconds(over), spacing: Spacing::Even, stay: STAY };
    becomes(&load, 40, Scale::Users(130), 0, even(90, 60));
    becomes(&load, 40, Scale::Users(30), 0, even(0, 60));
    becomes(&load, 40, Scale::Rate(2.5), 0, even(150, 60));
    becomes(&load, 40, Scale::Rate(0.0), 0, even(0, 60));
    becomes(&load, 40, Scale::Factor(0.5), 0, even(30, 60));
    becomes(&load, 40, Scale::Factor(2.0), 30, even(120, 60)); // `over` is the least time
    becomes(&load, 40, Scale::Factor(2.0), 240, even(120, 240));
    stays(&load, 40, Scale::Factor(1.0));
    for scale in [Scale::Users(150), Scale::Rate(5.0), Scale::Factor(1.5)] {
        refused(&load, 110, scale, 0, "all users of the plan have come already (hint: say in which time");
        becomes(&load, 110, scale, 10, even(50, 10));
    }
    for scale in [Scale::Users(100), Scale::Users(10), Scale::Rate(0.0), Scale::Factor(0.5)] {
        stays(&load, 110, scale);
    }
    assert!(matches!(
        scaled(&arrive(100, 100), 40, Scale::Factor(2.0), 0),
        Ok(Some(Load::Arrive { spacing: Spacing::Random, .. }))
    ));
}

#[test]
fn a_curve_keeps_its_shape() {
    let load = curve(&[(0, 10), (5, 20), (9, 40)]);
    becomes(&load, 3, Scale::Factor(0.5), 0, curve(&[(2, 10), (6, 20)]));
    becomes(&load, 3, Scale::Users(40), 0, curve(&[(2, 10), (6, 20)]));
    let even = |users, over| Load::Arrive { users, over: seconds(over), spacing: Spacing::Even, stay: STAY };
    becomes(&load, 3, Scale::Rate(2.0), 0, even(14, 7));
    becomes(&load, 3, Scale::Users(5), 0, even(0, 7));
    becomes(&load, 3, Scale::Factor(0.5), 100, even(30, 100));
    refused(&load, 30, Scale::Users(100), 0, "have come already");
    becomes(&load, 30, Scale::Users(100), 5, even(30, 5));
}

#[test]
fn a_population() {
    let load = population(&[(100, 100), (100, 100), (0, 50)]);
    becomes(&load, 150, Scale::Users(40), 20, population(&[(40, 20), (40, 80)]));
    becomes(&load, 150, Scale::Users(300), 0, population(&[(300, 0), (300, 100)]));
    becomes(&load, 50, Scale::Factor(2.0), 0, population(&[(100, 0), (200, 50), (200, 100), (0, 50)]));
    becomes(&load, 50, Scale::Factor(2.0), 25, population(&[(150, 25), (200, 25), (200, 100), (0, 50)]));
    becomes(&load, 240, Scale::Factor(2.0), 10, population(&[(0, 10)]));
    refused(&load, 150, Scale::Rate(2.0), 0, "a population follows no rate");
    refused(&load, 150, Scale::Users(5), 101, "takes 1m41s, but the stages end in 1m40s (hint: go there within 1m40s)");
    refused(&load, 250, Scale::Users(5), 0, "all stages of the load have ended");
}

#[test]
fn a_rate_begins_at_the_present_one() {
    let load = rate(50, &[(10.0, 100), (10.0, 100)]);
    becomes(&load, 50, Scale::Rate(20.0), 10, rate(50, &[(5.0, 0), (20.0, 10), (20.0, 140)]));
    becomes(&load, 50, Scale::Factor(2.0), 0, rate(50, &[(5.0, 0), (10.0, 0), (20.0, 50), (20.0, 100)]));
    becomes(&load, 50, Scale::Users(9), 0, rate(9, &[(5.0, 0), (10.0, 50), (10.0, 100)]));
    refused(&load, 50, Scale::Users(0), 0, "every start would be dropped (hint: a rate of 0");
    refused(&load, 50, Scale::Factor(1e6), 0, "a rate of 5000000 per second is more than 1000000");
}

#[test]
fn nonsense_is_refused() {
    let load = arrive(100, 100);
    refused(&load, 10, Scale::Factor(-1.0), 0, "a factor of -1 is not between 0 and");
    refused(&load, 10, Scale::Factor(f64::NAN), 0, "a factor of NaN");
    refused(&load, 10, Scale::Rate(f64::INFINITY), 0, "a rate per second of inf");
    refused(&load, 10, Scale::Users(u64::MAX), 0, "more than 100000000");
    refused(&load, 10, Scale::Factor(2e6), 0, "more than 100000000");
    refused(&population(&[(100, 100)]), 10, Scale::Factor(2e6), 0, "more than 100000000");
    refused(&load, 10, Scale::Users(5), 3_000_000, "longer than 720h");
}

#[test]
fn one_scenario_of_several() {
    let versions = started(vec![arrive(100, 100), population(&[(5, 0), (5, 100)])]);
    let names = ["viewers".to_owned(), "crowd".to_owned()];
    let scale = |scale, scenario| scaled_loads(&versions, &names, at(10), scale, scenario, Duration::ZERO);
    let crowd = population(&[(9, 0), (9, 90)]);
    assert_eq!(scale(Scale::Users(9), Some("crowd")), Ok(vec![None, Some(crowd)]));
    assert!(scale(Scale::Factor(2.0), None).unwrap().iter().all(Option::is_some));
    let told = |problem: Result<_, Problem>| problem.unwrap_err().to_string();
    assert_eq!(
        told(scale(Scale::Users(9), None)),
        "9 users can be meant for one scenario only, and there are several (hint: name one of viewers, crowd; a factor \
         is for all)"
    );
    assert_eq!(
        told(scale(Scale::Users(9), Some("crwod"))),
        "the plan has no scenario `crwod` (hint: did you mean `crowd`?)"
    );
    assert!(told(scale(Scale::Users(9), Some("x"))).contains("name one of viewers, crowd"));
    assert!(told(scale(Scale::Rate(9.0), Some("crowd"))).starts_with("scenario `crowd`: a population follows"));
}

/// The twin of a load once went on undisturbed, as if the operator had not asked for as many again.
#[test]
fn the_same_load_once_more_brings_as_many_again() {
    let versions = started(vec![arrive(100, 30)]);
    let loads = scaled_loads(&versions, &["user"], at(40), Scale::Factor(2.0), None, seconds(30)).unwrap();
    assert_eq!(loads, [Some(arrive(100, 30))]);
    assert_eq!(changed(&versions, Change::Loads(loads), at(40)).planned(), 200);
}

#[test]
fn an_operator_may_scale_to_nobody_and_think_again() {
    let versions = scaled_at(&started(vec![arrive(100, 100)]), 50, Scale::Rate(0.0)).unwrap();
    let come = versions.planned();
    let versions = scaled_at(&versions, 60, Scale::Rate(2.0)).unwrap();
    assert_eq!(versions.planned(), come + 80);
    let versions = scaled_at(&versions, 70, Scale::Users(come + 200)).unwrap();
    assert_eq!(versions.planned(), come + 200, "users of earlier loads count");
}

fn changed(versions: &Versions, change: Change, at: RunTime) -> Versions {
    let mut changed = versions.clone();
    changed.push(versions.with(change, at)).unwrap();
    changed
}

fn scaled_at(versions: &Versions, elapsed: u64, scale: Scale) -> Result<Versions, Problem> {
    let loads = scaled_loads(versions, &["user"], at(elapsed), scale, None, Duration::ZERO)?;
    Ok(changed(versions, Change::Loads(loads), at(elapsed)))
}

fn all(versions: &Versions, scenario: usize) -> Vec<Arrival> {
    (0..versions.planned_of(scenario)).filter_map(|index| versions.arrival(scenario, index)).collect()
}

fn scale() -> impl Strategy<Value = Scale> {
    prop_oneof![
        (0_u64..100).prop_map(Scale::Users),
        (0.0..50.0).prop_map(Scale::Rate),
        (0.0..4.0).prop_map(Scale::Factor)
    ]
}

proptest! {
    #[test]
    fn what_has_come_is_untouched_and_numbers_stay_unique(
        loads in prop::collection::vec(any_load(), 1..3),
        steps in prop::collection::vec((scale(), 0_usize..2, 0_u64..2000, 0_u64..1000, any::<bool>()), 1..6),
    ) {
        let names = ["a", "b"];
        let mut versions = started(loads);
        for (scale, scenario, millis, over, paused) in steps {
            let instant = versions.latest().at + Duration::from_millis(millis);
            versions = changed(&versions, if paused { Change::Pause } else { Change::Resume }, instant);
            let instant = versions.latest().at + Duration::from_millis(millis);
            let name = names[scenario % versions.scenarios()];
            let names = &names[..versions.scenarios()];
            let over = Duration::from_millis(over);
            let Ok(loads) = scaled_loads(&versions, names, instant, scale, Some(name), over) else { continue };
            let before = versions.clone();
            versions = changed(&versions, Change::Loads(loads), instant);
            let mut numbers = std::collections::BTreeSet::new();
            for scenario in 0..versions.scenarios() {
                let (old, new) = (all(&before, scenario), all(&versions, scenario));
                let come = old.iter().filter(|arrival| arrival.at < versions.latest().at).count();
                for (old, new) in old[..come].iter().zip(&new) {
                    prop_assert_eq!((old.at, old.number), (new.at, new.number));
                }
                prop_assert!(new[come.min(new.len())..].iter().all(|arrival| arrival.at >= versions.latest().at));
                prop_assert!(new.iter().all(|arrival| numbers.insert(arrival.number)));
            }
        }
    }

    #[test]
    fn planned_totals_are_as_promised(load in any_load(), scale in scale(), millis in 0_u64..5000, over in 0_u64..900) {
        let versions = started(vec![load.clone()]);
        let instant = RunTime(millis as i64 * 1000);
        let come = versions.progress(0, instant).arrived;
        let over = Duration::from_millis(over);
        let loads = scaled_loads(&versions, &["a"], instant, scale, None, over);
        let Ok([Some(_)]) = loads.as_deref() else { return Ok(()) };
        let after = changed(&versions, Change::Loads(loads.unwrap()), instant);
        match (&load, scale) {
            (Load::Arrive { .. } | Load::Curve { .. }, Scale::Users(users)) => {
                prop_assert_eq!(after.planned(), users.max(come));
            }
            (Load::Arrive { .. } | Load::Curve { .. }, Scale::Factor(factor)) => {
                let left = versions.planned() - come;
                let more = if left > 0 { left as f64 * factor } else { come as f64 * (factor - 1.0) };
                prop_assert_eq!(after.planned() - come, more.round() as u64);
            }
            (Load::Population { .. }, Scale::Users(users)) => {
                let reached = after.latest().at + over;
                let is_there = |user: &&Arrival| user.at <= reached && user.leave.is_none_or(|leave| leave > reached);
                let ends_there = after.end().is_some_and(|end| end <= reached);
                prop_assert!(ends_there || all(&after, 0).iter().filter(is_there).count() as u64 == users);
            }
            _ => {}
        }
    }

    /// What is left is cut out of a load without a seam: hardly any more of it changes hardly anything.
    #[test]
    fn a_factor_of_almost_one_moves_nobody_far(load in any_load(), millis in 0_u64..4000) {
        let versions = started(vec![load.clone()]);
        let instant = RunTime(millis as i64 * 1000);
        let scale = Scale::Factor(1.0 + 1e-9);
        let progress = versions.progress(0, instant);
        if progress.arrived == versions.planned() { return Ok(()) }
        let loads = scaled_loads(&versions, &["a"], instant, scale, None, Duration::ZERO).unwrap();
        let after = changed(&versions, Change::Loads(loads), instant);
        let (old, new) = (all(&versions, 0), all(&after, 0));
        prop_assert!(old.len().abs_diff(new.len()) <= 1, "{} and {}", old.len(), new.len());
        if matches!(load, Load::Arrive { spacing: Spacing::Random, .. }) { return Ok(()) } // drawn anew
        // Nobody comes before who came two places earlier, or after who came two places later; a curve is cut anew by seconds.
        let slack = if matches!(load, Load::Curve { .. }) { 1_000_000 } else { 1_000 };
        for (index, user) in new.iter().enumerate() {
            let earliest = index.checked_sub(2).and_then(|index| old.get(index)).map_or(i64::MIN, |user| user.at.0);
            let latest = old.get(index + 2).map_or(i64::MAX, |user| user.at.0);
            prop_assert!(user.at.0 >= earliest.saturating_sub(slack) && user.at.0 <= latest.saturating_add(slack), "{index} of {old:?} and {new:?}");
        }
    }

    #[test]
    fn scaling_in_a_pause_holds_for_plan_time(scale in scale(), pause in 1_u64..60) {
        let versions = started(vec![arrive(100, 100)]);
        let paused = changed(&versions, Change::Pause, at(40));
        let loads = scaled_loads(&paused, &["a"], at(40 + pause), scale, None, Duration::ZERO).unwrap();
        let unpaused = scaled_loads(&versions, &["a"], at(40), scale, None, Duration::ZERO).unwrap();
        prop_assert_eq!(&loads, &unpaused);
        let scaled = changed(&paused, Change::Loads(loads), at(40 + pause));
        let resumed = changed(&scaled, Change::Resume, at(41 + pause));
        let come = paused.progress(0, at(41)).arrived as usize;
        prop_assert!(all(&resumed, 0).iter().skip(come).all(|user| user.at >= at(41 + pause)));
        prop_assert_eq!(resumed.planned(), all(&resumed, 0).len() as u64);
    }
}
