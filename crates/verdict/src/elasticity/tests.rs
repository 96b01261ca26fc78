//! Judges imaginary scalers: each character by 20 seeds of noise, and single circumstances one at a time.

use std::time::Duration;

use rehearsal_plan::{Backlog, DuringOutage, InFlight, Keep};

use super::imaginary::{Character, OUTAGE, Setting, expected, observe};
use super::*;

mod evidence;
mod written;

const SEEDS: std::ops::Range<u64> = 0..20;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn kinds(assessment: &Assessment, weight: Weight) -> Vec<Kind> {
    assessment.findings.iter().filter(|finding| finding.weight == weight).map(|finding| finding.kind).collect()
}

/// Checks that a scaler of some character is always found to be what it is. Its symptoms may be found, too.
fn check_character(character: Character, named: &[Kind], symptoms: &[Kind]) {
    for (seed, poll_s) in SEEDS.flat_map(|seed| [(seed, 2), (seed, 15)]) {
        let assessment = assess(&expected(40), &observe(Setting { character, at_most: 40.0, poll_s, seed }));
        let failed = kinds(&assessment, Weight::Fail);
        let told = format!("{character:?} with seed {seed}, seen every {poll_s} s: {:#?}", assessment.findings);
        assert!(named.iter().all(|kind| failed.contains(kind)), "{told}");
        assert!(failed.iter().all(|kind| named.contains(kind) || symptoms.contains(kind)), "{told}");
        assert_eq!(kinds(&assessment, Weight::Doubt), [], "{told}");
    }
}

#[test]
fn a_healthy_scaler_always_passes() {
    check_character(Character::Healthy, &[], &[]);
}

#[test]
fn every_fault_is_always_named() {
    use Kind::*;
    check_character(Character::Slow, &[Slow], &[OutOfBand, Unsettled]);
    check_character(Character::Frozen, &[Frozen], &[OutOfBand, Unsettled]);
    check_character(Character::Flapping, &[Flapping], &[]);
    check_character(Character::Greedy, &[Greedy], &[OutOfBand, Unsettled, Flapping]);
    check_character(Character::Harsh, &[Harsh], &[]);
    check_character(Character::Blind, &[Blind], &[Short, OutOfBand]);
}

#[test]
fn a_ceiling_is_not_held_against_the_scaler() {
    for seed in SEEDS {
        let assessment =
            assess(&expected(6), &observe(Setting { character: Character::Healthy, at_most: 6.0, poll_s: 2, seed }));
        assert_eq!(kinds(&assessment, Weight::Fail), [], "{:#?}", assessment.findings);
        assert_eq!(kinds(&assessment, Weight::Doubt), [Kind::Ceiling]);
    }
}

#[test]
fn what_our_own_failed_looks_hide_is_doubted() {
    for seed in SEEDS {
        let mut seen = observe(Setting { character: Character::Blind, at_most: 40.0, poll_s: 2, seed });
        let at_s = (OUTAGE.start + 1) as f64;
        seen.failures.push(Failure { at_s, of: "cpu".to_owned(), why: "timed out".to_owned(), is_ours: true });
        let assessment = assess(&expected(40), &seen);
        assert!(!kinds(&assessment, Weight::Fail).contains(&Kind::Blind), "{:#?}", assessment.findings);
        assert!(kinds(&assessment, Weight::Doubt).contains(&Kind::Blind));
    }
}

/// Ten minutes of a load that goes from 2 instances to 4 at 100 s, and of a scaler that is ready at 150 s.
fn calm() -> Observations {
    let series = |changes: &[(f64, f64)]| {
        let value_at = |at_s: f64| changes.iter().rev().find(|change| change.0 <= at_s).map(|change| change.1);
        Series::new((0..600).map(|at_s| (f64::from(at_s), value_at(f64::from(at_s)))).collect(), 5.0)
    };
    Observations {
        from_s: 0.0,
        to_s: 600.0,
        demand: series(&[(0.0, 2.0), (100.0, 4.0)]),
        desired: series(&[(0.0, 2.0), (120.0, 4.0)]),
        running: series(&[(0.0, 2.0), (130.0, 4.0)]),
        ready: series(&[(0.0, 2.0), (150.0, 4.0)]),
        draining: series(&[(0.0, 0.0)]),
        metrics: [("cpu".to_owned(), series(&[(0.0, 20.0), (110.0, 40.0), (150.0, 20.0)]))].into(),
        errors: series(&[(0.0, 0.0)]),
        ..Observations::default()
    }
}

/// Changes what was seen in a stretch.
fn during(series: &mut Series, from_s: f64, to_s: f64, value: Option<f64>) {
    series.samples.iter_mut().filter(|sample| (from_s..to_s).contains(&sample.0)).for_each(|sample| sample.1 = value);
}

/// Compares all findings, each as `weight kind: text [from, to)`.
fn check(plan: &AutoscalerPlan, seen: &Observations, expected: &[&str]) {
    let found = assess(plan, seen).findings.into_iter().map(|finding| {
        let ScalerFinding { weight, kind, text, from_s, to_s } = finding;
        format!("{weight:?} {kind:?}: {text} [{from_s}, {to_s})")
    });
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn the_reaction_is_split_as_far_as_it_was_seen() {
    let mut seen = calm();
    let step = Step {
        at_s: 100.0,
        direction: Direction::Up,
        from: 2.0,
        to: 4.0,
        rise_at_s: 100.0,
        detection_s: Some(10.0),
        decision_s: Some(20.0),
        actuation_s: Some(30.0),
        readiness_s: Some(50.0),
        settling_s: Some(50.0),
        overshoot: Some(0.0),
    };
    check(&expected(40), &seen, &[]);
    assert_eq!(assess(&expected(40), &seen).steps, std::slice::from_ref(&step));
    seen.desired = Series::default();
    seen.running = Series::default();
    seen.activities = vec![Activity { at_s: 117.0, change: 2 }];
    let blind = AutoscalerPlan { keep: Vec::new(), ..expected(40) };
    let (decision_s, actuation_s) = (Some(17.0), None);
    assert_eq!(assess(&blind, &seen).steps, [Step { detection_s: None, decision_s, actuation_s, ..step }]);
}

#[test]
fn a_flicker_is_no_step_and_a_ramp_has_rises() {
    let mut seen = calm();
    during(&mut seen.demand, 300.0, 309.0, Some(7.0));
    during(&mut seen.demand, 104.0, 600.0, Some(5.0));
    during(&mut seen.demand, 300.0, 309.0, Some(7.0));
    during(&mut seen.ready, 160.0, 600.0, Some(5.0));
    let steps = assess(&expected(40), &seen).steps;
    assert_eq!(steps.iter().map(|step| (step.at_s, step.from, step.to)).collect::<Vec<_>>(), [(100.0, 2.0, 5.0)]);
    assert_eq!(steps[0].readiness_s, Some(56.0), "the later rise, from its own instant");
    during(&mut seen.demand, 595.0, 600.0, Some(9.0));
    assert_eq!(assess(&expected(40), &seen).steps.len(), 1, "nobody knows whether it would have lasted");
}

#[test]
fn what_nobody_saw_neither_passes_nor_counts_as_zero() {
    let mut seen = calm();
    during(&mut seen.ready, 120.0, 220.0, None);
    let gap = [
        "Doubt Unseen: too little was seen of the instances to tell whether 1 rise of the load, the first at 100 s, got capacity within 90 s [100, 190)",
        "Doubt Unseen: nobody saw how many instances there were for 100 s, from 120 s on [120, 220)",
    ];
    check(&AutoscalerPlan { settle_within: None, ..expected(40) }, &seen, &gap);
    let nothing = Observations { from_s: 0.0, to_s: 600.0, ..Observations::default() };
    let all = [
        "Doubt Unseen: nobody saw how many instances there were [0, 600)",
        "Doubt Unseen: whether supply followed demand is not judged: the load was not seen [0, 600)",
        "Doubt Unseen: whether the scaler kept its bounds is not known: neither what it wanted nor what ran was seen [0, 600)",
        "Doubt Unseen: whether the scaler kept cpu in 10–30 is not known: it was never seen [0, 600)",
    ];
    check(&expected(40), &nothing, &all);
    assert!(assess(&expected(40), &nothing).figures.is_empty());
    let unknown =
        "Tell Unseen: whether supply followed demand is not judged: nobody knows what one instance carries [0, 600)";
    check(&AutoscalerPlan::default(), &Observations { demand: Series::default(), ..calm() }, &[unknown]);
}

#[test]
fn a_scaler_that_never_had_to_act_has_proven_nothing() {
    let mut seen = calm();
    let flat =
        Series { samples: seen.demand.samples.iter().map(|(at_s, _)| (*at_s, Some(2.0))).collect(), ..seen.demand };
    seen.demand = flat.clone();
    (seen.desired, seen.running, seen.ready) = (flat.clone(), flat.clone(), flat);
    let plan = AutoscalerPlan { settle_within: None, keep: Vec::new(), ..expected(40) };
    let text = "Doubt Unseen: nothing shows whether the scaler follows the load: no rise of the load beyond what was there was seen to last for 10 s [0, 600)";
    check(&plan, &seen, &[text]);
    let text = text.replace("Doubt", "Tell");
    check(&AutoscalerPlan { react_within: None, ..plan.clone() }, &seen, &[&text]);
    during(&mut seen.demand, 540.0, 600.0, Some(3.0));
    let text = "Doubt Unseen: nothing shows whether the scaler follows the load: the run ended before 90 s had passed since the load rose [0, 600)";
    check(&plan, &seen, &[text]);
    for series in [&mut seen.running, &mut seen.ready] {
        during(series, 0.0, 600.0, Some(9.0));
    }
    let text = "Doubt Unseen: nothing shows whether the scaler follows the load: whenever the load rose, enough instances were there already [0, 600)";
    check(&plan, &seen, &[text]);
}

#[test]
fn findings_say_what_was_expected_and_what_happened() {
    let plan = AutoscalerPlan { keep: Vec::new(), ..expected(40) };
    let mut seen = calm();
    during(&mut seen.ready, 150.0, 300.0, Some(3.0));
    let slow = "Fail Slow: capacity came too late after 1 of 1 rise of the load: at worst it needed 4 instances at 100 s, and they were ready 200 s later; 90 s were allowed [100, 300)";
    let unsettled = "Fail Unsettled: after the load went from 2 to 4 instances at 100 s, supply settled after 200 s: it was to cover demand for 30 s from 180 s on at the latest [100, 600)";
    check(&plan, &seen, &[slow, unsettled]);
    let mut seen = calm();
    for series in [&mut seen.desired, &mut seen.running, &mut seen.ready] {
        during(series, 0.0, 600.0, Some(2.0));
    }
    let frozen = "Fail Frozen: the scaler never changed anything: it stayed at 2 while the load needed up to 4 instances from 100 s on; more were to be ready within 90 s [100, 600)";
    check(&AutoscalerPlan { settle_within: None, ..plan.clone() }, &seen, &[frozen]);
    let mut seen = calm();
    during(&mut seen.ready, 400.0, 550.0, Some(3.0));
    let short = "Fail Short: 3 instances were ready where the load needed 4: supply had been too low for more than 90 s by 490 s, without a rise of the load [400, 550)";
    check(&plan, &seen, &[short]);
    let mut seen = calm();
    during(&mut seen.desired, 300.0, 310.0, Some(1.0));
    during(&mut seen.desired, 310.0, 320.0, Some(41.0));
    let bounds = [
        "Fail Flapping: the scaler turned round 3 times within 200 s, from 120 s on, where the load gave no reason to; 2 in 300 s allowed [120, 320)",
        "Fail OutOfBounds: 1 instance wanted at 300 s, and out of bounds for 10 s in all; expected was never fewer than 2 instances [300, 310)",
        "Fail Greedy: far more than the load needs: 41 instances wanted at 310 s, where it needed 4; up to 2 more are allowed [310, 320)",
        "Fail OutOfBounds: 41 instances wanted at 310 s, and out of bounds for 10 s in all; expected was never more than 40 instances [310, 320)",
    ];
    check(&plan, &seen, &bounds);
}

#[test]
fn turning_round_with_the_load_is_not_flapping() {
    let plan = AutoscalerPlan { settle_within: None, keep: Vec::new(), ..expected(40) };
    let waves = |seen: &mut Observations, late_s: f64| {
        for from_s in [200.0, 300.0, 400.0, 500.0] {
            let wanted = Some(if from_s % 200.0 == 0.0 { 8.0 } else { 4.0 });
            during(&mut seen.demand, from_s, 600.0, wanted);
            for series in [&mut seen.desired, &mut seen.running, &mut seen.ready] {
                during(series, from_s + late_s, 600.0, wanted);
            }
        }
    };
    let mut seen = calm();
    waves(&mut seen, 20.0);
    check(&plan, &seen, &[]);
    seen.demand = Series::default();
    let doubt = "Doubt Flapping: the scaler turned round 3 times within 300 s, from 220 s on; whether the load did so too is not known [220, 520)";
    let unknown =
        "Tell Unseen: whether supply followed demand is not judged: nobody knows what one instance carries [0, 600)";
    check(&AutoscalerPlan { capacity: None, react_within: None, ..plan.clone() }, &seen, &[doubt, unknown]);
    let mut seen = calm();
    during(seen.metrics.get_mut("cpu").unwrap(), 300.0, 420.0, None);
    for (from_s, wanted) in [(310.0, 2.0), (330.0, 5.0), (350.0, 4.0), (370.0, 5.0)] {
        during(&mut seen.desired, from_s, 600.0, Some(wanted));
    }
    let keeping = AutoscalerPlan { keep: vec![Keep::new("cpu", 0.0, 100.0)], ..plan.clone() };
    assert_eq!(kinds(&assess(&keeping, &seen), Weight::Fail), [Kind::Blind], "the outage made it do so");
    let unsaid = assess(&plan, &seen);
    assert_eq!(kinds(&unsaid, Weight::Fail), [], "whether the scaler goes by that metric is not said");
    assert_eq!(kinds(&unsaid, Weight::Doubt), [Kind::Blind]);
}

#[test]
fn a_band_is_judged_only_where_the_scaler_could_act() {
    let mut seen = calm();
    let cpu = |seen: &mut Observations, from_s, to_s, value| {
        let series = seen.metrics.get_mut("cpu").unwrap();
        during(series, from_s, to_s, Some(value));
    };
    cpu(&mut seen, 100.0, 190.0, 99.0); // within the reaction time
    cpu(&mut seen, 0.0, 100.0, 1.0); // at the lower bound
    check(&expected(40), &seen, &[]);
    cpu(&mut seen, 190.0, 600.0, 99.0); // at the upper bound
    assert_eq!(assess(&expected(4), &seen).bands[0].share, None);
    let out = "Fail OutOfBand: cpu in 10–30 for 0% of the time that counts, 90% wanted; furthest off was 99 at 190 s [190, 600)";
    check(&expected(40), &seen, &[out]);
}

#[test]
fn instances_have_to_finish_before_they_leave() {
    let plan = |in_flight| {
        let draining = rehearsal_plan::Draining { in_flight, ..Default::default() };
        AutoscalerPlan { draining, keep: Vec::new(), ..expected(40) }
    };
    let mut seen = calm();
    for series in [&mut seen.demand, &mut seen.desired, &mut seen.running, &mut seen.ready] {
        during(series, 400.0, 600.0, Some(3.0));
    }
    check(&plan(InFlight::NoneSeen), &seen, &[]);
    let doubt = "Doubt Unseen: instances left, and nobody saw whether they still had something in flight [399, 410)";
    check(&plan(InFlight::None), &seen, &[doubt]);
    seen.departures = vec![Departure { at_s: 400.0, instance: "web-4".to_owned(), in_flight: Some(0) }];
    check(&plan(InFlight::None), &seen, &[]);
    seen.departures[0].in_flight = Some(7);
    let busy = "Fail Ungraceful: 1 instance left with something in flight, first `web-4` at 400 s with 7; each was to finish before it goes [400, 400)";
    check(&plan(InFlight::NoneSeen), &seen, &[busy]);
    check(&plan(InFlight::Any), &seen, &[]);
    during(&mut seen.errors, 405.0, 408.0, Some(5.0));
    let harsh = "Fail Harsh: 15 errors while instances left, most from 399 s to 410 s; 0 were to be expected in that time anyway, and 0 more are allowed [399, 410)";
    check(&plan(InFlight::Any), &seen, &[harsh]);
    assert_eq!(assess(&plan(InFlight::Any), &seen).figures["errors_while_draining"], 15.0);
    during(&mut seen.desired, 395.0, 600.0, Some(4.0)); // nobody wanted fewer: it crashed
    let crashed = assess(&plan(InFlight::Any), &seen);
    assert_eq!((kinds(&crashed, Weight::Fail), crashed.figures.get("errors_while_draining")), (vec![], None));
}

#[test]
fn an_outage_of_the_metric_may_have_to_be_answered() {
    let plan = |then| {
        let outage = rehearsal_plan::Outage { then, ..Default::default() };
        AutoscalerPlan { outage, ..expected(40) }
    };
    let mut seen = calm();
    during(seen.metrics.get_mut("cpu").unwrap(), 300.0, 430.0, None);
    during(&mut seen.desired, 350.0, 600.0, Some(5.0));
    let all_seen =
        |plan: AutoscalerPlan| AutoscalerPlan { keep: vec![Keep { share: 0.1, ..plan.keep[0].clone() }], ..plan };
    let fails = |then, seen: &Observations| kinds(&assess(&all_seen(plan(then)), seen), Weight::Fail);
    assert_eq!(fails(DuringOutage::HoldOrScaleOut, &seen), []);
    assert_eq!(fails(DuringOutage::ScaleOut, &seen), []);
    assert_eq!(fails(DuringOutage::Hold, &seen), [Kind::Blind]);
    during(&mut seen.desired, 350.0, 600.0, Some(4.0));
    assert_eq!(fails(DuringOutage::Hold, &seen), []);
    assert_eq!(fails(DuringOutage::ScaleOut, &seen), [Kind::Blind]);
    during(&mut seen.desired, 305.0, 600.0, Some(3.0)); // soon, and below what the load needs
    assert_eq!(fails(DuringOutage::HoldOrScaleOut, &seen), [Kind::Blind]);
    assert_eq!(fails(DuringOutage::Anything, &seen), []);
}

#[test]
fn a_queue_has_to_be_short_again_in_time() {
    let backlogs = vec![Backlog { metric: "jobs".to_owned(), below: 100.0, within: secs(60) }];
    let plan = AutoscalerPlan { backlogs, ..expected(40) };
    let mut seen = calm();
    let never = "Doubt Unseen: whether jobs was worked off in time is not known: it was never seen [0, 600)";
    check(&plan, &seen, &[never]);
    let jobs = Series { samples: (0..600).map(|at_s| (f64::from(at_s), Some(3.0))).collect(), max_age_s: 5.0 };
    seen.metrics.insert("jobs".to_owned(), jobs);
    let mut stays = |from_s, to_s, value, expected: &[&str]| {
        during(seen.metrics.get_mut("jobs").unwrap(), from_s, to_s, value);
        check(&plan, &seen, expected);
    };
    stays(200.0, 260.0, Some(900.0), &[]);
    let late =
        "Fail Backlog: jobs was not below 100 for 70 s from 200 s on, at most 900; it was to be within 1m [200, 270)";
    stays(260.0, 270.0, Some(200.0), &[late]);
    let unseen = "Doubt Unseen: too little was seen of jobs from 200 s on to tell whether it was below 100 again within 1m [200, 270)";
    stays(250.0, 275.0, None, &[&unseen.replace("[200, 270)", "[200, 275)")]);
}

#[test]
fn workers_stay_until_the_queue_is_short() {
    let backlogs = vec![Backlog { metric: "jobs".to_owned(), below: 100.0, within: secs(600) }];
    let plan = AutoscalerPlan { backlogs, keep: Vec::new(), settle_within: None, ..expected(40) };
    let mut seen = calm();
    let jobs = Series { samples: (0..600).map(|at_s| (f64::from(at_s), Some(340.0))).collect(), max_age_s: 5.0 };
    seen.metrics.insert("jobs".to_owned(), jobs);
    check(&plan, &seen, &[]);
    for series in [&mut seen.demand, &mut seen.desired, &mut seen.running, &mut seen.ready] {
        during(series, 400.0, 600.0, Some(2.0));
    }
    let early = "Fail Backlog: 1 cut of workers while jobs was long, first from 4 to 2 at 400 s with 340; they were to stay until it was below 100 [400, 400)";
    check(&plan, &seen, &[early]);
    during(seen.metrics.get_mut("jobs").unwrap(), 395.0, 400.0, Some(99.0)); // the last look before said otherwise
    check(&plan, &seen, &[]);
}
