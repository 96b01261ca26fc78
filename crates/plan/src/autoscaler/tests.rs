//! Checks defaults, mistakes and the arithmetic of expectations.

use super::*;

fn told(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(Problem::to_string).collect()
}

#[test]
fn the_defaults_are_sound_and_survive_the_wire() {
    let mut plan = AutoscalerPlan::default();
    assert_eq!(plan.validate(), []);
    assert_eq!(serde_json::from_str::<AutoscalerPlan>("{}").unwrap(), plan);
    plan.capacity = Some(Capacity::Users(500.0));
    plan.react_within = Some(Duration::from_secs(90));
    plan.keep = vec![Keep::new("cpu", 10.0, 30.0)];
    plan.backlogs = vec![Backlog { metric: "jobs".into(), below: 100.0, within: Duration::from_secs(60) }];
    plan.outage.then = DuringOutage::ScaleOut;
    let text = serde_json::to_string(&plan).unwrap();
    assert!(text.contains(r#""capacity":{"of":"users","per_instance":500.0},"react_within":"1m30s""#), "{text}");
    assert_eq!(serde_json::from_str::<AutoscalerPlan>(&text).unwrap(), plan);
}

#[test]
fn every_mistake_is_told_at_once() {
    let plan = AutoscalerPlan {
        capacity: Some(Capacity::Requests(f64::NAN)),
        react_within: Some(Duration::from_secs(90)),
        settle_within: Some(Duration::ZERO),
        keep: vec![Keep::new("cpu", 30.0, 10.0), Keep { share: 1.5, ..Keep::new("cpu", 0.0, 1.0) }],
        at_least: Some(3),
        at_most: Some(0),
        overshoot: Overshoot { instances: 0, share: -1.0 },
        flapping: Flapping { within: Duration::ZERO, reversals: 0 },
        outage: Outage { longer_than: Duration::ZERO, ..Outage::default() },
        backlogs: vec![Backlog { metric: String::new(), below: 0.0, within: Duration::ZERO }],
        ..AutoscalerPlan::default()
    };
    let expected = [
        "autoscaler: a capacity of NaN per instance is not above 0",
        "autoscaler: settle_within is 0 (hint: give it a duration above 0)",
        "autoscaler: the window of flapping is 0 (hint: give it a duration above 0)",
        "autoscaler: the length of an outage is 0 (hint: give it a duration above 0)",
        "autoscaler: it cannot settle within 0s if it may react within 1m30s",
        "autoscaler: at most 0 instances serve nobody",
        "autoscaler: at least 3 and at most 0 instances exclude each other",
        "autoscaler: an overshoot of -1 of demand is not a share",
        "autoscaler: `cpu` cannot stay between 30 and 10",
        "autoscaler: `cpu` cannot stay in its band for 1.5 of the time (hint: give a share above 0 and up to 1)",
        "autoscaler: `cpu` has two bands",
        "autoscaler: a backlog names no metric",
        "autoscaler: `` cannot be below 0",
    ];
    assert_eq!(told(&plan.validate()), expected);
}

#[test]
fn a_load_needs_the_smallest_number_of_instances_that_carries_it() {
    let check = |load: f64, instances: f64| assert_eq!(Capacity::Users(0.1).instances_for(load), instances);
    check(0.0, 0.0);
    check(0.01, 1.0);
    check(0.3, 3.0); // 0.3 / 0.1 is a little less than 3, and 0.7 / 0.1 a little more than 7
    check(0.7, 7.0);
    check(0.31, 4.0);
}

#[test]
fn the_larger_allowance_counts() {
    let allowed = |demand| Overshoot::default().allowed(demand);
    assert_eq!((allowed(1.0), allowed(4.0), allowed(10.0)), (2.0, 2.0, 5.0));
}

#[test]
fn a_guard_is_crossed_at_its_limit() {
    let connections = Guard { metric: "db connections".into(), stays: Limit::Below(900.0) };
    let nodes = Guard { metric: "nodes".into(), stays: Limit::Above(2.0) };
    assert_eq!([899.0, 900.0, 901.0, f64::NAN].map(|value| connections.is_crossed(value)), [false, true, true, false]);
    assert_eq!([1.0, 2.0, 3.0].map(|value| nodes.is_crossed(value)), [true, true, false]);
    assert_eq!(connections.validate(), []);
    let broken = Guard { metric: String::new(), stays: Limit::Above(f64::INFINITY) };
    assert_eq!(
        told(&broken.validate()),
        [
            "a guard names no metric",
            "the guard of `` has no limit (hint: say where it stays: guard(…).below(900) or .above(2))"
        ]
    );
}
