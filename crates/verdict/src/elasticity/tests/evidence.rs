//! What runs and sources are like in practice: short, full, contradicting each other, and seen at odd instants. None of
//! that may fail a scaler that followed, or pass one that nobody saw follow.

use super::*;

#[test]
fn a_short_run_can_show_that_a_band_is_kept_and_not_that_it_is_not() {
    let mut seen = Observations { to_s: 180.0, ..calm() };
    during(seen.metrics.get_mut("cpu").unwrap(), 0.0, 100.0, Some(1.0)); // at the lower bound
    let plan = AutoscalerPlan { settle_within: None, ..expected(40) };
    assert_eq!(assess(&plan, &seen).bands[0].share, Some(1.0));
    check(&plan, &seen, &[]);
    during(seen.metrics.get_mut("cpu").unwrap(), 160.0, 180.0, Some(99.0));
    assert_eq!(assess(&plan, &seen).bands[0].share, None);
    let unknown = "Doubt Unseen: whether the scaler kept cpu in 10–30 is not known: too little of it was seen when the scaler had its chance to react [0, 180)";
    check(&plan, &seen, &[unknown]);
}

#[test]
fn the_times_of_a_ramp_are_those_of_one_rise() {
    let mut seen = calm();
    during(&mut seen.demand, 104.0, 600.0, Some(6.0)); // a second rise of the same step
    for (series, at_s) in [(&mut seen.desired, 125.0), (&mut seen.running, 135.0), (&mut seen.ready, 170.0)] {
        during(series, at_s, 600.0, Some(6.0));
    }
    let step = &assess(&expected(40), &seen).steps[0];
    let times = (step.detection_s, step.decision_s, step.actuation_s, step.readiness_s);
    assert_eq!(times, (Some(6.0), Some(21.0), Some(31.0), Some(66.0)), "{step:?}");
}

#[test]
fn instances_that_never_came_count_in_the_figure_of_those_that_did() {
    let mut seen = calm();
    assert_eq!(assess(&expected(40), &seen).figures["readiness_s"], 50.0);
    during(&mut seen.demand, 300.0, 600.0, Some(9.0));
    let assessment = assess(&expected(40), &seen);
    assert_eq!(assessment.steps[1].readiness_s, None);
    assert_eq!(assessment.figures["readiness_s"], 300.0, "for as long as was seen");
}

#[test]
fn a_step_that_settled_in_time_needed_no_more_of_it() {
    let mut seen = calm();
    for series in [&mut seen.demand, &mut seen.desired, &mut seen.running, &mut seen.ready] {
        during(series, 200.0, 600.0, Some(4.0));
    }
    let plan = AutoscalerPlan { settle_within: Some(secs(480)), keep: Vec::new(), ..expected(40) };
    check(&plan, &seen, &[]);
    let never = AutoscalerPlan { settled_for: secs(480), ..plan };
    let doubt = "Doubt Unseen: no step of the load was left alone for long enough to settle within 480 s [0, 600)";
    check(&never, &seen, &[doubt]);
}

/// What is answered cannot show what could not be.
#[test]
fn full_instances_hide_what_a_load_of_requests_needs() {
    let plan = AutoscalerPlan {
        capacity: Some(Capacity::Requests(10.0)),
        keep: Vec::new(),
        settle_within: None,
        ..expected(40)
    };
    let mut seen = calm();
    let answered = |at_s: i32| (f64::from(at_s), Some(if at_s < 150 { 19.0 } else { 30.0 }));
    seen.load = Series::new((0..600).map(answered).collect(), 1.5);
    let full = "Doubt Unseen: at most 2 instances were full for 150 s from 0 s on: more requests per second could not be answered, so the load may have needed more; give the capacity in users, or let the load find room [0, 150)";
    check(&plan, &seen, &[full]);
    let users = AutoscalerPlan { capacity: Some(Capacity::Users(10.0)), ..plan.clone() };
    check(&users, &seen, &[]);
    seen.load
        .samples
        .iter_mut()
        .filter(|sample| (70.0..80.0).contains(&sample.0))
        .for_each(|sample| sample.1 = Some(15.0));
    check(&plan, &seen, &[]);
}

#[test]
fn sources_that_contradict_each_other_fail_nobody() {
    let plan = AutoscalerPlan { settle_within: None, keep: Vec::new(), ..expected(40) };
    let mut seen = calm();
    for series in [&mut seen.desired, &mut seen.running, &mut seen.ready] {
        during(series, 0.0, 600.0, Some(2.0)); // a page that stands still
    }
    assert_eq!(kinds(&assess(&plan, &seen), Weight::Fail), [Kind::Frozen]);
    let decisions = |times: &[f64]| times.iter().map(|at_s| Activity { at_s: *at_s, change: 1 }).collect();
    seen.activities = decisions(&[120.0]);
    assert_eq!(kinds(&assess(&plan, &seen), Weight::Fail), [Kind::Frozen], "one may have been taken back");
    seen.activities = decisions(&[120.0, 140.0]);
    let doubted = assess(&plan, &seen);
    assert_eq!(
        (kinds(&doubted, Weight::Fail), kinds(&doubted, Weight::Doubt)),
        (vec![], vec![Kind::Frozen, Kind::Unseen])
    );
    let mut seen = calm();
    during(&mut seen.running, 0.0, 600.0, Some(0.0)); // of something else
    let impossible = "Doubt Unseen: 2 were ready where 0 ran, and so for 600 s in all: one of the two numbers is not of these instances [0, 600)";
    check(&plan, &seen, &[impossible]);
}

#[test]
fn an_instant_out_of_bounds_is_none() {
    let mut seen = calm();
    seen.desired.samples.insert(0, (-0.5, Some(0.0)));
    seen.desired.samples[1].0 = 0.4;
    check(&expected(40), &seen, &[]);
}

#[test]
fn capacity_that_never_came_is_told_with_what_the_scaler_did_about_it() {
    let plan = AutoscalerPlan { settle_within: None, keep: Vec::new(), ..expected(40) };
    let mut seen = calm();
    during(&mut seen.demand, 300.0, 600.0, Some(6.0));
    let late = "Fail Slow: capacity came too late after 1 of 2 rises of the load: at worst it needed 6 instances at 300 s, and 300 s later no more than 4 were ready";
    let ceiling = format!(
        "{late}, and the scaler did nothing beyond 4 (is that its maximum? then state it: at_most(4)); 90 s were allowed [300, 600)"
    );
    check(&plan, &seen, &[&ceiling]);
    during(&mut seen.desired, 310.0, 600.0, Some(6.0));
    let failed = format!("{late} although 6 were wanted by 310 s; 90 s were allowed [300, 600)");
    check(&plan, &seen, &[&failed]);
}

#[test]
fn what_is_never_replaced_is_told_though_the_load_does_not_need_it() {
    let plan = AutoscalerPlan { settle_within: None, keep: Vec::new(), ..expected(40) };
    let mut seen = calm();
    for series in [&mut seen.desired, &mut seen.running, &mut seen.ready] {
        during(series, 200.0, 600.0, Some(5.0));
    }
    during(&mut seen.ready, 300.0, 380.0, Some(4.0));
    check(&plan, &seen, &[]);
    during(&mut seen.ready, 300.0, 600.0, Some(4.0));
    let lost = "Tell Short: 4 instances were ready where the scaler wanted 5, and for more than 90 s by 390 s: what was missing was not replaced, and the load did not need it [300, 600)";
    check(&plan, &seen, &[lost]);
    seen.desired = Series::default();
    check(&plan, &seen, &[&lost.replace("the scaler wanted", "there were")]);
}

/// Between two looks nobody knows when supply came back.
#[test]
fn a_shortage_counts_up_to_the_look_that_saw_it_last() {
    let plan = AutoscalerPlan { settle_within: None, keep: Vec::new(), ..expected(40) };
    let mut seen = calm();
    during(&mut seen.ready, 300.0, 380.0, Some(3.0));
    seen.ready.samples.retain(|(at_s, _)| at_s % 20.0 == 0.0);
    seen.ready.max_age_s = 50.0;
    check(&plan, &seen, &[]);
}

#[test]
fn a_source_that_has_no_value_says_why() {
    let mut seen = calm();
    during(seen.metrics.get_mut("cpu").unwrap(), 300.0, 430.0, None);
    during(&mut seen.desired, 350.0, 600.0, Some(3.0));
    let why = "stale: the value is 60.0 s old".to_owned();
    seen.failures = vec![Failure { at_s: 310.0, of: "cpu".to_owned(), why, is_ours: false }];
    let plan = AutoscalerPlan { settle_within: None, ..expected(40) };
    let blind = assess(&plan, &seen).findings.into_iter().find(|finding| finding.kind == Kind::Blind).unwrap();
    assert_eq!(blind.weight, Weight::Fail);
    assert!(
        blind.text.starts_with("from 300 s on cpu was missing for 129 s (stale: the value is 60.0 s old), and "),
        "{}",
        blind.text
    );
}

/// That nothing shows whether the scaler follows the load says nothing of what it lost.
#[test]
fn what_is_lost_under_a_flat_load_is_told() {
    let plan = AutoscalerPlan { settle_within: None, keep: Vec::new(), ..expected(40) };
    let mut seen = calm();
    during(&mut seen.demand, 0.0, 600.0, Some(2.0));
    for series in [&mut seen.desired, &mut seen.running, &mut seen.ready] {
        during(series, 0.0, 600.0, Some(3.0));
    }
    during(&mut seen.ready, 300.0, 500.0, Some(2.0));
    let found = assess(&plan, &seen);
    assert_eq!((kinds(&found, Weight::Doubt), kinds(&found, Weight::Tell)), (vec![Kind::Unseen], vec![Kind::Short]));
    assert_eq!((found.findings[1].from_s, found.findings[1].to_s), (300.0, 500.0));
}

/// A balancer may send users to an instance that is not ready yet.
#[test]
fn errors_of_instances_that_come_are_not_those_of_leaving() {
    let plan = AutoscalerPlan { settle_within: None, keep: Vec::new(), ..expected(40) };
    let mut seen = calm();
    for series in [&mut seen.desired, &mut seen.running] {
        during(series, 380.0, 390.0, Some(5.0));
    }
    during(&mut seen.errors, 382.0, 390.0, Some(20.0));
    check(&plan, &seen, &[]);
}

#[test]
fn few_errors_may_be_chance_and_are_told() {
    let plan = AutoscalerPlan { settle_within: None, keep: Vec::new(), ..expected(40) };
    let mut seen = calm();
    for series in [&mut seen.demand, &mut seen.desired, &mut seen.running, &mut seen.ready] {
        during(series, 400.0, 600.0, Some(3.0));
    }
    for second in (0..600).step_by(30) {
        during(&mut seen.errors, f64::from(second), f64::from(second) + 1.0, Some(1.0));
    }
    let told = "Tell Harsh: 1 error while instances left, which may be chance or is allowed [399, 410)";
    during(&mut seen.errors, 405.0, 406.0, Some(1.0));
    check(&plan, &seen, &[told]);
}
