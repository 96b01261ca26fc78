//! The words of a plan about the autoscaler: all that can be said arrives, and all mistakes are told at once.

mod support;

use std::time::Duration;

use rehearsal_plan::{
    AutoscalerPlan, Backlog, Band, Capacity, Draining, DuringOutage, Flapping, Guard, InFlight, Keep, Limit, Outage,
    Overshoot, Plan,
};
use rehearsal_script::{Severity, Validated, validate};
use support::{environment, source};

const OBSERVED: &str = "[autoscaler.metrics]\ncpu = { observe = \"demo\" }\njobs = { observe = \"demo\" }\n";

fn look(parts: &str, toml: &str) -> Validated {
    let text = format!("fn plan() {{ #{{ load: arrive(5).over(\"1s\"), {parts} }} }}\nfn user() {{}}\n");
    validate(&source(&text), &environment(toml))
}

#[track_caller]
fn plan(parts: &str) -> Plan {
    let found = look(parts, OBSERVED);
    assert_eq!(found.diagnostics, []);
    found.plan.expect("a plan without mistakes is there")
}

fn told(found: &Validated, severity: Severity) -> Vec<String> {
    let chosen = found.diagnostics.iter().filter(|found| found.severity == severity);
    chosen.map(|found| format!("{} {}", found.message, found.hint.as_deref().unwrap_or(""))).collect()
}

#[test]
fn everything_that_can_be_expected_can_be_said() {
    let parts = r#"autoscaler: autoscaler().capacity(500).react_within("90s").settle_within("3m").settled_for("20s")
        .keep("cpu", 10, 30, 0.8).at_least(2).at_most(40).overshoot(#{ instances: 4, share: 0.25 })
        .flapping(#{ reversals: 1, within: "2m" }).draining(#{ errors: 3, grace: "5s", in_flight: "any" })
        .outage(#{ longer_than: "45s", then: "scale_out" }).backlog("jobs", #{ below: 100, within: "2m" })"#;
    let seconds = Duration::from_secs;
    let expected = AutoscalerPlan {
        capacity: Some(Capacity::Users(500.0)),
        react_within: Some(seconds(90)),
        settle_within: Some(seconds(180)),
        settled_for: seconds(20),
        keep: vec![Keep { band: Band { metric: "cpu".into(), lo: 10.0, hi: 30.0 }, share: 0.8 }],
        at_least: Some(2),
        at_most: Some(40),
        overshoot: Overshoot { instances: 4, share: 0.25 },
        flapping: Flapping { within: seconds(120), reversals: 1 },
        draining: Draining { errors: 3, grace: seconds(5), in_flight: InFlight::Any },
        outage: Outage { longer_than: seconds(45), then: DuringOutage::ScaleOut },
        backlogs: vec![Backlog { metric: "jobs".into(), below: 100.0, within: seconds(120) }],
    };
    assert_eq!(plan(parts).autoscaler.unwrap(), expected);
    let requests = plan("autoscaler: autoscaler().capacity_requests(40.5)").autoscaler.unwrap();
    assert_eq!(requests, AutoscalerPlan { capacity: Some(Capacity::Requests(40.5)), ..AutoscalerPlan::default() });
}

#[test]
fn an_option_that_is_left_out_keeps_its_default() {
    let found = plan("autoscaler: autoscaler().flapping(#{ reversals: 5 }).outage(#{ then: \"hold\" })");
    let expected = AutoscalerPlan {
        flapping: Flapping { reversals: 5, ..Flapping::default() },
        outage: Outage { then: DuringOutage::Hold, ..Outage::default() },
        ..AutoscalerPlan::default()
    };
    assert_eq!(found.autoscaler.unwrap(), expected);
}

#[test]
fn guards_name_a_figure_and_where_it_stays() {
    let guards = plan(r#"guards: [guard("cpu").below(95), guard("ready").above(1)]"#).guards;
    let guard = |metric: &str, stays| Guard { metric: metric.into(), stays };
    assert_eq!(guards, [guard("cpu", Limit::Below(95.0)), guard("ready", Limit::Above(1.0))]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let parts = r#"autoscaler: autoscaler().capacity(-1).keep("cup", 10, 30).flapping(#{ reversal: 1, within: "soon" })
        .draining(#{ in_flight: "non" }).backlog("jobs", #{}),
        guards: [guard("cpu"), guard("jbos").below(3)], thresholds: ["autoscaler.jiter < 2", "autoscaler.jitter < 2 abort"]"#;
    let found = told(&look(parts, OBSERVED), Severity::Error);
    for expected in [
        "a capacity of -1 per instance is not above 0",
        "`cup`, which the environment does not observe did you mean `cpu`?",
        "flapping() has no option `reversal`; did you mean `reversals`?",
        "option `within` of the autoscaler's plan",
        "`in_flight` cannot be \"non\"; did you mean \"none\"?",
        "backlog(): it needs `below`",
        "backlog(): it needs `within`",
        "the guard of `cpu` has no limit",
        "a guard of `jbos`, which the environment does not observe did you mean `jobs`?",
        "there is no metric `autoscaler.jiter` did you mean `autoscaler.jitter`?",
        "known only at the end: leave out `for` and `abort`",
    ] {
        assert!(found.iter().any(|found| found.contains(expected)), "no \"{expected}\" in {found:#?}");
    }
}

#[test]
fn a_figure_of_an_autoscaler_that_nobody_judges_is_a_mistake() {
    let found = told(&look("thresholds: [\"autoscaler.jitter < 2\"]", ""), Severity::Error);
    assert!(found[0].contains("does not say that an autoscaler is to be judged"), "{found:?}");
}

/// The same scenario is played on a laptop, where nothing observes anything.
#[test]
fn what_is_said_twice_is_told_once_for_each_word() {
    let parts = r#"autoscaler: autoscaler().capacity(5).capacity_requests(6).react_within("15 sec").at_most(3).at_most(4),
        guards: [guard("ready").above(1).below(9)]"#;
    let found = told(&look(parts, OBSERVED), Severity::Error);
    let expected = [
        "capacity_requests(): this was said before",
        "react_within(): reading the duration `15 sec`: unknown unit `sec`, the units are h, m, s, ms, us and ns",
        "at_most(): this was said before",
        "below(): a guard has one limit; write a second guard for the other",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    assert!(found.iter().zip(expected).all(|(found, expected)| found.contains(expected)), "{found:#?}");
}

#[test]
fn without_observers_there_are_warnings() {
    let found = look("autoscaler: autoscaler().keep(\"cpu\", 10, 30), guards: [guard(\"cpu\").below(95)]", "");
    assert_eq!(told(&found, Severity::Error), Vec::<String>::new());
    let warned = told(&found, Severity::Warning);
    assert!(warned[0].contains("will not be judged") && warned[1].contains("protects nothing"), "{found:?}");
    assert!(found.plan.is_some());
}
