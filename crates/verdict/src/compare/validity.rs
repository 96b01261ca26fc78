//! Holds the method against runs of which the truth is known: how often it cries wolf, and how often
//! it misses what is there.

use super::synthetic::Recipe;
use super::{Comparison, FigureOutcome, Overall, Tolerances, compare_with};

/// Fewer than in earnest, so that hundreds of pairs take seconds.
const RESAMPLES: usize = 300;

/// Without tolerances, so that it is the test that is tested.
const STRICT: Tolerances = Tolerances { relative: 0.0, share: 0.0 };

/// Compares pairs of runs, each with random numbers of its own, and counts those for which
/// `is_hit` holds.
fn hits(pairs: u64, a: &Recipe, b: &Recipe, tolerances: &Tolerances, is_hit: impl Fn(&Comparison) -> bool) -> usize {
    let compared = (0..pairs).map(|number| {
        let a = Recipe { seed: 2 * number, ..a.clone() }.make();
        let b = Recipe { seed: 2 * number + 1, ..b.clone() }.make();
        compare_with(&a.side("a"), &b.side("b"), tolerances, RESAMPLES)
    });
    compared.filter(is_hit).count()
}

fn is_alarm(comparison: &Comparison) -> bool {
    matches!(comparison.overall, Overall::Regression | Overall::Improved)
}

fn outcome_of(comparison: &Comparison, label: &str) -> FigureOutcome {
    let figure = comparison.figures.iter().find(|figure| figure.label == label);
    figure.unwrap_or_else(|| panic!("no figure {label}")).outcome
}

/// The most hits of 200 that a chance of 5 % explains: 10, and 2.6 standard deviations of √9.5.
const MOST_OF_200: usize = 18;

/// The same of 100: 5, and 2.3 standard deviations of √4.75.
const MOST_OF_100: usize = 10;

#[test]
fn equal_runs_rarely_alarm() {
    let recipe = Recipe { seconds: 60, calls: 30, ..Recipe::default() };
    let alarms = hits(200, &recipe, &recipe, &STRICT, is_alarm);
    assert!(alarms <= MOST_OF_200, "{alarms} of 200");
}

#[test]
fn equal_runs_whose_seconds_hang_together_rarely_alarm() {
    let recipe = Recipe { seconds: 60, calls: 30, memory: 0.6, ..Recipe::default() };
    let alarms = hits(200, &recipe, &recipe, &STRICT, is_alarm);
    assert!(alarms <= MOST_OF_200, "{alarms} of 200");
}

/// Correction must not hide that single figures would alarm too often.
#[test]
fn the_p_value_of_one_figure_is_what_it_says() {
    let recipe = Recipe { seconds: 60, calls: 20, memory: 0.3, ..Recipe::default() };
    let is_low = |comparison: &Comparison| {
        comparison.figures.iter().any(|figure| figure.label == "http.response mean" && figure.p.unwrap() < 0.05)
    };
    let low = hits(200, &recipe, &recipe, &STRICT, is_low);
    assert!((2..=MOST_OF_200).contains(&low), "{low} of 200");
}

#[test]
fn ten_per_cent_at_the_99th_percentile_are_found() {
    let a = Recipe { seconds: 180, calls: 40, noise: 0.05, memory: 0.3, ..Recipe::default() };
    let b = Recipe { slower: 1.1, ..a.clone() };
    let found = hits(50, &a, &b, &Tolerances::default(), |comparison| {
        outcome_of(comparison, "http.response p(99)") == FigureOutcome::Worse
    });
    assert!(found >= 40, "{found} of 50");
}

#[test]
fn what_happens_to_one_call_in_a_hundred_moves_p99_and_not_the_median() {
    let a = Recipe { calls: 120, noise: 0.02, ..Recipe::default() };
    let b = Recipe { tail: 0.01, ..a.clone() };
    let tail = |comparison: &Comparison| outcome_of(comparison, "http.response p(99)") == FigureOutcome::Worse;
    let median = |comparison: &Comparison| outcome_of(comparison, "http.response p(50)") == FigureOutcome::Same;
    let both = hits(20, &a, &b, &Tolerances::default(), |comparison| tail(comparison) && median(comparison));
    assert!(both >= 18, "{both} of 20");
}

#[test]
fn a_share_that_trebles_is_found_in_either_direction() {
    let few = Recipe { seconds: 120, calls: 50, failing: 0.01, ..Recipe::default() };
    let many = Recipe { failing: 0.03, ..few.clone() };
    let comes_to = |outcome| move |comparison: &Comparison| outcome_of(comparison, "http.failed rate") == outcome;
    let worse = hits(20, &few, &many, &Tolerances::default(), comes_to(FigureOutcome::Worse));
    let better = hits(20, &many, &few, &Tolerances::default(), comes_to(FigureOutcome::Better));
    assert!(worse >= 18 && better >= 18, "worse {worse}, better {better} of 20");
}

/// Runs that fire a cue and do hardly anything else, so that correction for other figures hides nothing.
fn show(firings: u32, millis: i64) -> Recipe {
    let audience = Some((100, 100, millis));
    Recipe { seconds: 30, calls: 1, failing: 0.0, audience, firings, shock: 0.3, ..Recipe::default() }
}

fn is_alarm_of_cue(comparison: &Comparison) -> bool {
    let mut cues = comparison.figures.iter().filter(|figure| figure.metric.starts_with("cue."));
    cues.any(|figure| matches!(figure.outcome, FigureOutcome::Worse | FigureOutcome::Better))
}

/// The hearings of a firing share its moment: however many, they are one.
#[test]
fn equal_runs_of_one_firing_never_alarm() {
    let alarms = hits(50, &show(1, 200), &show(1, 200), &STRICT, is_alarm_of_cue);
    assert_eq!(alarms, 0, "of 50");
}

#[test]
fn equal_runs_of_eight_firings_rarely_alarm() {
    let alarms = hits(100, &show(8, 200), &show(8, 200), &STRICT, is_alarm_of_cue);
    assert!(alarms <= MOST_OF_100, "{alarms} of 100");
}

/// The slowest firing decides a high percentile, and draws that repeat it would look sure.
#[test]
fn the_p_value_of_the_slowest_hearings_is_what_it_says() {
    let is_low = |comparison: &Comparison| {
        let mut p99 = comparison.figures.iter().filter(|figure| figure.label == "cue.delay{cue:open_vote} p(99)");
        p99.any(|figure| figure.p.is_some_and(|p| p < 0.05))
    };
    let low = hits(100, &show(12, 2_000), &show(12, 2_000), &STRICT, is_low);
    assert!((1..=MOST_OF_100).contains(&low), "{low} of 100");
}

#[test]
fn delays_of_eight_firings_that_double_are_found() {
    let (a, b) = (Recipe { shock: 0.15, ..show(8, 200) }, Recipe { shock: 0.15, ..show(8, 400) });
    let is_worse = |comparison: &Comparison| {
        ["p(50)", "p(99)"].iter().all(|statistic| {
            outcome_of(comparison, &format!("cue.delay{{cue:open_vote}} {statistic}")) == FigureOutcome::Worse
        })
    };
    let worse = hits(30, &a, &b, &Tolerances::default(), is_worse);
    assert!(worse >= 24, "{worse} of 30");
}
