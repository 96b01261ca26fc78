//! The demo's autoscaler in all its ways, judged by whole runs: only the healthy one passes, and each fault has its name.
//!
//! Each test plays as many seeds as the variable `SCALER_SEEDS` says, one without it. Seeds change who comes and goes when.
//! A run takes over a minute and little of the machine, so `cargo xtask scalers` plays the ways side by side, and
//! `cargo nextest run` leaves them out.
#![allow(clippy::print_stdout, reason = "what each run was found to be is worth a line")]

use std::time::Duration;

use rehearsal_tests::{Outcome, Rehearsal};

/// Many times what a run takes, on a machine that is busy with others.
const BOUND: Duration = Duration::from_secs(240);

/// What is shipped to try it with.
const SCENARIO: &str = include_str!("../../../scenarios/scaling.rhai");
const ENVIRONMENT: &str = include_str!("../../../scenarios/environments/scaling.toml");
const VIEWERS: &str = include_str!("../../../scenarios/viewers.csv");

async fn play(way: &str, seed: u64) -> Outcome {
    let rehearsal = Rehearsal::of(SCENARIO).environment(ENVIRONMENT).file("viewers.csv", VIEWERS);
    let words = ["--seed".to_owned(), seed.to_string(), "--set".to_owned(), format!("demo.autoscaler={way}")];
    rehearsal.arguments(words).bound(BOUND).run().await
}

/// The kinds of findings about the scaler that fail a run.
fn faults(outcome: &Outcome) -> Vec<&str> {
    let findings = outcome.summary["autoscaler"]["findings"].as_array();
    let all = findings.unwrap_or_else(|| panic!("the scaler was not judged\n{}", outcome.context()));
    let fails = all.iter().filter(|finding| finding["weight"] == "fail");
    fails.filter_map(|finding| finding["kind"].as_str()).collect()
}

/// Plays a way to behave: its own fault is named each time, beside symptoms at the most, and without one the run passes.
async fn check(way: &str, named: Option<&str>, symptoms: &[&str]) {
    let seeds = std::env::var("SCALER_SEEDS").map_or(1, |seeds| seeds.parse().expect("SCALER_SEEDS is a number"));
    for seed in 1..=seeds {
        let outcome = play(way, seed).await;
        let faults = faults(&outcome);
        let told = || format!("{way} with seed {seed}: {faults:?}\n{}", outcome.context());
        assert_eq!(outcome.summary["verdict"], if named.is_some() { "fail" } else { "pass" }, "{}", told());
        assert_eq!(outcome.exit_code, Some(if named.is_some() { 99 } else { 0 }), "{}", told());
        assert!(named.is_none_or(|named| faults.contains(&named)), "{}", told());
        assert!(faults.iter().all(|kind| named == Some(*kind) || symptoms.contains(kind)), "{}", told());
        println!("{way}, seed {seed}: {faults:?}");
    }
}

#[tokio::test]
async fn a_healthy_scaler_passes() {
    check("healthy", None, &[]).await;
}

#[tokio::test]
async fn a_slow_scaler_is_late() {
    check("slow", Some("slow"), &["out_of_band"]).await;
}

#[tokio::test]
async fn a_frozen_scaler_never_changes_anything() {
    check("frozen", Some("frozen"), &["out_of_band"]).await;
}

#[tokio::test]
async fn a_flapping_scaler_turns_round_for_no_reason() {
    check("flapping", Some("flapping"), &["out_of_band", "greedy"]).await;
}

#[tokio::test]
async fn a_greedy_scaler_wants_far_too_much() {
    check("greedy", Some("greedy"), &["out_of_band", "flapping"]).await;
}

#[tokio::test]
async fn a_harsh_scaler_cuts_users_off() {
    check("harsh", Some("harsh"), &[]).await;
}

#[tokio::test]
async fn a_blind_scaler_takes_away_what_it_does_not_see() {
    check("blind", Some("blind"), &["short", "slow", "out_of_band", "flapping"]).await;
}
