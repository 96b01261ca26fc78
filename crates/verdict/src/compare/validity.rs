//! Holds the method against runs of which the truth is known: how often it cries wolf, and how often
//! it misses what is there.

use super::synthetic::Recipe;
use super::{Comparison, FigureOutcome, Overall, Tolerances, compare_with};

/// Fewer than in earnest, so that hundreds of pairs take seconds.
const RESAMPLES: usize = 300;

/// Without tolerances, so that it is the test that is tested.
const STRICT: Tolerances = Tolerances { relative: 0.0, share: 0.0, moment: 0.0 };

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
    let found = hits(100, &a, &b, &Tolerances::default(), |comparison| {
        outcome_of(comparison, "http.response p(99)") == FigureOutcome::Worse
    });
    assert!(found >= 80, "{found} of 100");
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
