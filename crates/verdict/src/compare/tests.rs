//! Compares small imaginary runs, one circumstance at a time.

use rehearsal_metrics::{Interval, Kind, Limits, MetricSet, Recorder, Span};
use rehearsal_plan::Statistic;

use super::synthetic::{Recipe, Run};
use super::*;
use crate::thresholds::Outcome;

const FEW: usize = 200;

fn compared(a: &Run, b: &Run) -> Comparison {
    compare_with(&a.side("a"), &b.side("b"), &Tolerances::default(), FEW)
}

fn figure<'a>(comparison: &'a Comparison, label: &str) -> &'a Figure {
    let labels = || comparison.figures.iter().map(|figure| figure.label.as_str()).collect::<Vec<_>>();
    comparison
        .figures
        .iter()
        .find(|figure| figure.label == label)
        .unwrap_or_else(|| panic!("{label} in {:?}", labels()))
}

fn quiet() -> Recipe {
    Recipe { seconds: 60, noise: 0.0, failing: 0.0, ..Recipe::default() }
}

#[test]
fn values_are_those_of_the_compared_seconds() {
    let (a, b) = (Recipe::default().make(), Recipe { seed: 2, seconds: 40, ..Recipe::default() }.make());
    let comparison = compared(&a, &b);
    let first_40 = MetricSet::window(&a.timeline, &[], Span { from_s: 0, to_s: 40 });
    let selector = SeriesKey::new("http.response");
    let rows = [
        ("http.response p(50)", Statistic::Percentile(50.0)),
        ("http.response p(99)", Statistic::Percentile(99.0)),
        ("http.response rate", Statistic::Rate),
    ];
    for (label, statistic) in rows {
        assert_eq!(figure(&comparison, label).a, first_40.statistic(&selector, statistic), "{label}");
    }
    let failed = first_40.statistic(&SeriesKey::new("http.failed"), Statistic::Rate);
    assert_eq!(figure(&comparison, "http.failed rate").a, failed);
    assert_eq!(comparison, compared(&a, &b), "the same runs give the same comparison");
}

#[test]
fn runs_that_hardly_vary_are_the_same() {
    let busy = |seed| Recipe { seed, calls: 400, names: &["vote", "rare"], ..quiet() }.make();
    let (a, b) = (busy(1), busy(2));
    let comparison = compared(&a, &b);
    assert_eq!(comparison.overall, Overall::NoDifference, "{:#?}", comparison.figures);
    assert_eq!(
        comparison.sentence,
        "no difference: B is as good as A, within 5% for times and rates, 0.1 percentage points for shares"
    );
}

#[test]
fn loads_that_differ_are_not_like_for_like() {
    let a = quiet().make();
    let mut b = Recipe { seed: 2, seconds: 90, calls: 75, ..quiet() }.make();
    b.timeline.plan_users(250);
    let comparison = compared(&a, &b);
    let mismatches: Vec<_> =
        comparison.mismatches.iter().map(|found| (found.what.as_str(), &*found.a, &*found.b)).collect();
    assert_eq!(mismatches, [("planned users", "100", "250"), ("duration", "60 s", "90 s")]);
    let rate = figure(&comparison, "http.response rate");
    assert_eq!(
        (rate.outcome, rate.reason.as_deref()),
        (FigureOutcome::Unclear, Some("the loads differ, and rates with them"))
    );
    assert_eq!(figure(&comparison, "http.response mean").outcome, FigureOutcome::Same);
    let text = render(&comparison, Rows::Clear, false);
    assert!(
        text.contains("NOT LIKE FOR LIKE: planned users 100 in A, 250 in B; duration 60 s in A, 90 s in B."),
        "{text}"
    );
    let like = compared(&a, &Recipe { seed: 2, seconds: 61, ..quiet() }.make());
    assert_eq!(like.mismatches, [], "a second more is nothing");
}

#[test]
fn where_the_generator_was_the_limit_neither_run_counts() {
    let a = Recipe { poor: 10..20, ..quiet() }.make();
    let b = Recipe { seed: 2, audience: Some((100, 100, 50)), poor: 29..32, ..quiet() }.make();
    let comparison = compared(&a, &b);
    let excluded: Vec<_> = comparison
        .compared
        .excluded
        .iter()
        .map(|stretch| (stretch.from_s, stretch.to_s, stretch.why.as_str()))
        .collect();
    let limit = |name| format!("the generator was the limit of {name}");
    assert_eq!(excluded, [(10, 20, &*limit("a")), (29, 32, &*limit("b"))]);
    assert_eq!((comparison.compared.seconds, comparison.compared.excluded_firings), (47, 1));
    assert!(!comparison.figures.iter().any(|figure| figure.metric.starts_with("cue.")), "it was fired in second 30");
}

#[test]
fn seconds_that_an_agent_never_told_of_do_not_count() {
    let (a, mut b) = (quiet().make(), Recipe { seed: 2, ..quiet() }.make());
    b.timeline.expects(2, 0);
    b.timeline.add(2, &Interval { to: 50, ..Interval::empty(4) }).unwrap();
    b.timeline.lost(2, 55, 0);
    let comparison = compared(&a, &b);
    let excluded: Vec<_> = comparison.compared.excluded.iter().map(|stretch| (stretch.from_s, stretch.to_s)).collect();
    assert_eq!(excluded, [(0, 4), (50, 55)], "after that, others made its load");
}

#[test]
fn short_runs_claim_nothing() {
    let short = |seed| Recipe { seed, seconds: 29, ..quiet() }.make();
    let comparison = compared(&short(1), &Recipe { slower: 3.0, seed: 2, seconds: 29, ..quiet() }.make());
    assert_eq!(comparison.overall, Overall::Unclear);
    assert_eq!(comparison.sentence, "nobody can tell: the runs have only 29 seconds to compare, and 30 are needed");
    let p99 = figure(&comparison, "http.response p(99)");
    assert_eq!(p99.reason.as_deref(), Some("only 29 seconds to compare, and 30 are needed"));
    assert!(p99.a.is_some() && p99.change.unwrap() > 1.0 && p99.low.is_none(), "shown all the same");
    let nothing = Recipe { calls: 0, ..quiet() }.make();
    let comparison = compared(&short(1), &nothing);
    assert_eq!((comparison.overall, comparison.compared.seconds), (Overall::Unclear, 0));
}

#[test]
fn calls_that_only_one_run_made_are_told() {
    let a = Recipe { names: &["vote", "sign-in"], ..quiet() }.make();
    let b = Recipe { seed: 2, names: &["vote", "log-in"], ..quiet() }.make();
    let comparison = compared(&a, &b);
    let only = figure(&comparison, "http.response{name:sign-in} mean");
    assert_eq!((only.b, only.change, only.reason.as_deref()), (None, None, Some("only A has samples")));
    assert_eq!(figure(&comparison, "http.response{name:log-in} mean").reason.as_deref(), Some("only B has samples"));
    assert_eq!(figure(&comparison, "http.response{name:vote} mean").outcome, FigureOutcome::Same);
}

#[test]
fn too_few_answers_beyond_a_percentile_claim_nothing() {
    let thin = |seed| Recipe { seed, calls: 10, ..quiet() }.make();
    let comparison = compared(&thin(1), &thin(2));
    let reason = figure(&comparison, "http.response p(99)").reason.as_deref();
    assert_eq!(reason, Some("in A only 600 samples, and 1,000 are needed"));
    assert_eq!(figure(&comparison, "http.response p(95)").reason, None);
}

fn check_cue(
    firings: [u32; 2],
    a: (u64, u64, i64),
    b: (u64, u64, i64),
    label: &str,
    (outcome, reason): (FigureOutcome, Option<&str>),
) {
    let run = |firings, audience| Recipe { calls: 1, audience: Some(audience), firings, shock: 0.1, ..quiet() }.make();
    let comparison = compared(&run(firings[0], a), &run(firings[1], b));
    let found = figure(&comparison, &format!("cue.{label}"));
    assert_eq!((found.outcome, found.reason.as_deref()), (outcome, reason), "{found:?}");
    assert!(found.a.is_some() && found.b.is_some(), "shown all the same: {found:?}");
}

#[test]
fn reach_is_judged_by_users_and_a_few_firings_must_differ_much() {
    use FigureOutcome::*;
    let check = |firings, a, b, expected| {
        check_cue(firings, (2_000, a, 50), (2_000, b, 50), "reach{cue:open_vote} rate", expected);
    };
    check([1, 1], 2_000, 1_600, (Worse, None));
    check([1, 1], 1_600, 2_000, (Better, None));
    check([1, 8], 2_000, 1_600, (Worse, None));
    check([1, 1], 2_000, 2_000, (Same, None));
    check([1, 1], 2_000, 1_999, (Unclear, None));
    let few = "a firing is a single moment: 1 and 4 firings cannot show how much moments of one run differ; \
               5 of each are needed, unless reach differs by more than 5 percentage points";
    check([1, 4], 2_000, 1_960, (Unclear, Some(few)));
    check([5, 5], 2_000, 1_960, (Worse, None));
    let reason = "only 20 users were there, and 30 are needed";
    check_cue([1, 1], (20, 20, 50), (20, 5, 50), "reach{cue:open_vote} rate", (Unclear, Some(reason)));
}

#[test]
fn delays_are_judged_by_firings() {
    use FigureOutcome::*;
    let check = |firings, a, b, expected| {
        check_cue(firings, (500, 500, a), (500, 500, b), "delay{cue:open_vote} p(99)", expected);
    };
    let few = "a firing is a single moment: 1 and 1 firings cannot show how much moments of one run differ; \
               5 of each are needed";
    check([1, 1], 34, 78, (Unclear, Some(few)));
    let fewer = few.replace("1 and 1", "4 and 8");
    check([4, 8], 34, 340, (Unclear, Some(&*fewer)));
    check([8, 8], 200, 400, (Worse, None));
    check([8, 8], 400, 200, (Better, None));
    check([5, 12], 200, 400, (Worse, None));
    check([8, 8], 2_000, 2_060, (Unclear, None));
    let clocks = "clocks agree only to ±20.0 ms, which may be all of the change";
    check([8, 8], 10, 20, (Unclear, Some(clocks)));
}

/// Half of the firings lose their users: chance among users calls that certain, chance among
/// firings does not.
#[test]
fn reach_that_differs_from_firing_to_firing_is_less_sure() {
    let run = |heard: [u64; 8]| {
        let mut recorder = Recorder::new(Limits::default());
        recorder.roll(0);
        (1..).zip(heard).for_each(|(number, heard)| {
            recorder.cue_snapshot(number, "websocket", 1_000, 1_000);
            (0..heard).for_each(|_| recorder.cue_heard(number, "websocket", 50_000, true));
        });
        let made = Recipe { audience: Some((1, 1, 1)), firings: 8, ..quiet() }.make();
        let mut timeline = Timeline::new(Limits::default());
        recorder.finish().iter().for_each(|interval| timeline.add(1, interval).unwrap());
        Run { timeline, ..made }
    };
    let outcome = |a, b| figure(&compared(&run(a), &run(b)), "cue.reach{cue:open_vote} rate").outcome;
    let (even, uneven) = ([980; 8], [1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 880, 800]);
    assert_eq!(outcome(even, uneven), FigureOutcome::Unclear);
    assert_eq!(outcome(even, [960; 8]), FigureOutcome::Worse);
}

#[test]
fn rules_stand_side_by_side() {
    let outcome = |text: &str, outcome| ThresholdOutcome { text: text.to_owned(), value: Some(0.2), outcome };
    let (mut a, mut b) = (quiet().make(), quiet().make());
    a.thresholds = vec![outcome("http.response p(99) < 250ms", Outcome::Pass), outcome("old < 1", Outcome::Pass)];
    b.thresholds = vec![outcome("new < 1", Outcome::Pass), outcome("http.response p(99) < 250ms", Outcome::Fail)];
    let pairs = compared(&a, &b).thresholds;
    let told = |outcome: &Option<ThresholdOutcome>| outcome.as_ref().map(|outcome| outcome.outcome);
    let rows: Vec<_> = pairs.iter().map(|pair| (pair.text.as_str(), told(&pair.a), told(&pair.b))).collect();
    let expected = [
        ("http.response p(99) < 250ms", Some(Outcome::Pass), Some(Outcome::Fail)),
        ("old < 1", Some(Outcome::Pass), None),
        ("new < 1", None, Some(Outcome::Pass)),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_regression_reads_from_the_top() {
    let outcome = |value| ThresholdOutcome {
        text: "http.failed rate < 1%".to_owned(),
        value: Some(value),
        outcome: if value < 0.01 { Outcome::Pass } else { Outcome::Fail },
    };
    let (mut a, mut b) = (quiet().make(), Recipe { seed: 2, slower: 1.5, failing: 0.05, poor: 7..9, ..quiet() }.make());
    (a.thresholds, b.thresholds) = (vec![outcome(0.0)], vec![outcome(0.051)]);
    let comparison = compared(&a, &b);
    let text = render(&comparison, Rows::Clear, false);
    assert_eq!(text, include_str!("golden/regression.txt"), "{text}");
    let coloured = render(&comparison, Rows::All, true);
    let plain =
        ["1", "31", "32", "33"].iter().fold(coloured, |text, code| text.replace(&format!("\u{1b}[{code}m"), ""));
    assert_eq!(plain.replace("\u{1b}[0m", ""), render(&comparison, Rows::All, false), "colours only add");
}

#[test]
fn names_from_the_system_play_no_tricks_on_the_terminal() {
    let run = |seed| Recipe { seed, names: &["sign\u{1b}[31m-in", "vote"], ..quiet() }.make();
    let text = render(&compared(&run(1), &run(2)), Rows::All, false);
    assert!(text.contains("sign [31m-in") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn the_file_has_the_shape_that_its_types_describe() {
    let short = |seed| Recipe { seed, seconds: 20, calls: 1, ..quiet() }.make();
    let json = serde_json::to_value(compared(&short(1), &short(2))).unwrap();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        ["schema", "overall", "sentence", "a", "b", "mismatches", "compared", "tolerances", "figures", "thresholds"];
    assert_eq!(keys, expected);
    let rate =
        json["figures"].as_array().unwrap().iter().find(|figure| figure["label"] == "http.response rate").unwrap();
    let expected = serde_json::json!({ "metric": "http.response", "tags": {}, "statistic": "rate",
        "label": "http.response rate", "scope": "whole", "unit": "per_second", "better": "higher", "a": 1.0, "b": 1.0,
        "change": 0.0, "low": null, "high": null, "p": null, "p_adjusted": null, "tolerance": 0.05,
        "outcome": "unclear", "reason": "only 20 seconds to compare, and 30 are needed" });
    assert_eq!(*rate, expected);
}

/// A run that records a few series of its own in each second.
fn recorded(second: impl Fn(&mut Recorder)) -> Run {
    let mut recorder = Recorder::new(Limits::default());
    for at in 0..60 {
        recorder.roll(at);
        second(&mut recorder);
    }
    let mut timeline = Timeline::new(Limits::default());
    recorder.finish().iter().for_each(|interval| timeline.add(1, interval).unwrap());
    Run { timeline, ..Recipe { seconds: 60, calls: 0, ..quiet() }.make() }
}

/// In each second: of ten calls some fail, of ten baskets some are full, and a checkout takes 5 ms.
fn shop(timeouts: u64, refused: u64, full: u64) -> Run {
    recorded(|recorder| {
        let failed = SeriesKey::new("http.failed").with("name", "vote");
        let mut ratio = |key: &SeriesKey, yes: u64, no: u64| {
            let id = recorder.series(Kind::Ratio, key);
            (0..yes).for_each(|_| recorder.ratio(id, true));
            (0..no).for_each(|_| recorder.ratio(id, false));
        };
        ratio(&failed.with("kind", "timeout"), timeouts, 0);
        ratio(&failed.with("kind", "refused"), refused, 0);
        ratio(&failed, 0, 10 - timeouts - refused);
        ratio(&SeriesKey::new("custom.full"), full, 10 - full);
        let checkout = recorder.series(Kind::Duration, &SeriesKey::new("custom.checkout"));
        (0..20).for_each(|_| recorder.duration(checkout, Duration::from_millis(5)));
    })
}

#[test]
fn parts_of_failures_are_over_all_calls_and_what_is_custom_has_no_good_direction() {
    let comparison = compared(&shop(1, 1, 5), &shop(1, 3, 6));
    let row = |label: &str| {
        let found = figure(&comparison, label);
        (found.a, found.b, found.outcome)
    };
    assert_eq!(row("http.failed rate"), (Some(0.2), Some(0.4), FigureOutcome::Worse));
    assert_eq!(row("http.failed{kind:refused} rate"), (Some(0.1), Some(0.3), FigureOutcome::Worse));
    assert_eq!(row("http.failed{kind:timeout} rate"), (Some(0.1), Some(0.1), FigureOutcome::Same));
    assert_eq!(row("custom.full rate"), (Some(0.5), Some(0.6), FigureOutcome::Unclear));
    let reason = figure(&comparison, "custom.full rate").reason.as_deref();
    assert_eq!(reason, Some("it changed, and whether that is good only the scenario's author knows"));
    assert_eq!(row("custom.checkout p(99)").2, FigureOutcome::Same);
    assert_eq!(row("errors per call"), (Some(0.0), Some(0.0), FigureOutcome::Same), "no errors are zero errors");
}
