//! How well supply matched demand over the whole run: the elasticity metrics of the SPEC research group.
//!
//! With demand d and supply s in instances, and T the time in which both are known:
//!
//! ```text
//! under_accuracy           1/T ∫ max(d − s, 0) dt               instances
//! over_accuracy            1/T ∫ max(s − d, 0) dt               instances
//! under_accuracy_relative  100/T ∫ max(d − s, 0) / max(d, 1) dt   % of demand
//! over_accuracy_relative   100/T ∫ max(s − d, 0) / max(d, 1) dt   % of demand
//! under_share, over_share  100/T · time with s < d, s > d         %
//! jitter                   (E(s) − E(d)) / T                      per minute
//! instability              100/n · ticks at which s and d did not move the same way   %
//! ```
//!
//! E adds up the absolute changes of a function: a step of +3 counts 3. Jitter above 0 is oscillation, below 0
//! steps that were made together. Some authors divide the relative over-provisioning by supply; here the
//! divisor is demand, and never below one instance, since a share of nothing says nothing. Instability depends
//! on its tick, which is stated beside it. Absolute accuracies and jitter as in BUNGEE (Herbst et al., SEAMS
//! 2015), the others as in SPEC-RG-2016-01 and its successors.

use std::collections::BTreeMap;

use super::Figures;
use super::steps::{Common, StepFunction};
use crate::case::Extent;

/// What is averaged over time: a number that follows from demand and supply, in this order.
type Height = fn(f64, f64) -> f64;

/// Computes all figures that compare supply with demand; none without time in which both are known.
pub(super) fn figures(demand: &StepFunction, supply: &StepFunction, run: Extent, tick_s: f64) -> Figures {
    let common = demand.common(supply, run.from_s, run.to_s);
    let known_s: f64 = common.iter().map(Common::length_s).sum();
    let mut figures = BTreeMap::new();
    if known_s <= 0.0 {
        return figures;
    }
    let mean = |height: Height| {
        common.iter().map(|part| height(part.one, part.other) * part.length_s()).sum::<f64>() / known_s
    };
    let means: [(&str, Height); 6] = [
        ("under_accuracy", |demand, supply| (demand - supply).max(0.0)),
        ("over_accuracy", |demand, supply| (supply - demand).max(0.0)),
        ("under_accuracy_relative", |demand, supply| 100.0 * (demand - supply).max(0.0) / demand.max(1.0)),
        ("over_accuracy_relative", |demand, supply| 100.0 * (supply - demand).max(0.0) / demand.max(1.0)),
        ("under_share", |demand, supply| if supply < demand { 100.0 } else { 0.0 }),
        ("over_share", |demand, supply| if supply > demand { 100.0 } else { 0.0 }),
    ];
    figures.extend(means.map(|(name, height)| (name.to_owned(), mean(height))));
    figures.insert("jitter".to_owned(), 60.0 * jitter(&common) / known_s);
    if let Some(instability) = instability(demand, supply, run, tick_s) {
        figures.insert("instability".to_owned(), instability);
        figures.insert("tick_s".to_owned(), tick_s);
    }
    figures
}

/// Computes by how many units supply changed more than demand, where both are known.
fn jitter(common: &[Common]) -> f64 {
    let moved = |pair: &[Common]| (pair[1].other - pair[0].other).abs() - (pair[1].one - pair[0].one).abs();
    common.windows(2).map(moved).fold(0.0, |sum, moved| sum + moved) // a sum of nothing would be -0
}

/// Computes the share of ticks at which both did not move the same way, in percent of the ticks at which both
/// are known, as they are one tick before; `None` if there are none.
fn instability(demand: &StepFunction, supply: &StepFunction, run: Extent, tick_s: f64) -> Option<f64> {
    let ticks = ((run.to_s - run.from_s) / tick_s).floor() as u64;
    let direction = |function: &StepFunction, tick: u64| {
        let at_s = run.from_s + tick as f64 * tick_s;
        let change = function.at(at_s)? - function.at(at_s - tick_s)?;
        Some(change.partial_cmp(&0.0))
    };
    let pairs = (1..ticks).filter_map(|tick| Some((direction(demand, tick)?, direction(supply, tick)?)));
    let apart: Vec<bool> = pairs.map(|(demand, supply)| demand != supply).collect();
    let share = apart.iter().filter(|apart| **apart).count() as f64 / apart.len() as f64;
    (!apart.is_empty()).then_some(100.0 * share)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// The names of all figures that compare supply with demand.
    const NAMES: [&str; 8] = [
        "under_accuracy",
        "over_accuracy",
        "under_accuracy_relative",
        "over_accuracy_relative",
        "under_share",
        "over_share",
        "jitter",
        "instability",
    ];

    use super::super::steps::Sample;
    use super::*;

    const RUN: Extent = Extent { from_s: 0.0, to_s: 20.0 };

    fn function(changes: &[(f64, f64)]) -> StepFunction {
        let samples: Vec<Sample> = changes.iter().map(|(at_s, value)| (*at_s, Some(*value))).collect();
        StepFunction::of(&samples, RUN, f64::INFINITY)
    }

    fn check(demand: &StepFunction, supply: &StepFunction, expected: [(&str, f64); 8]) {
        let figures = figures(demand, supply, RUN, 1.0);
        for (name, value) in expected {
            let found = figures[name];
            assert!((found - value).abs() < 5e-5, "{name}: {found} instead of {value}");
        }
    }

    fn golden() -> (StepFunction, StepFunction) {
        let demand = [(0.0, 1.0), (7.0, 5.0), (16.0, 3.0), (17.0, 2.0), (19.0, 4.0)];
        let supply =
            [(0.0, 1.0), (2.0, 2.0), (3.0, 1.0), (5.0, 3.0), (9.0, 7.0), (11.0, 6.0), (12.0, 8.0), (14.0, 2.0)];
        (function(&demand), function(&supply))
    }

    /// The demand and supply of BUNGEE's own tests, with the values that it computes for the absolute forms.
    #[test]
    fn the_published_example_has_its_published_values() {
        let (demand, supply) = golden();
        let expected = [
            ("under_accuracy", 13.0 / 20.0),
            ("over_accuracy", 16.0 / 20.0),
            ("under_share", 30.0),
            ("over_share", 40.0),
            ("jitter", 60.0 * 8.0 / 20.0),
            ("under_accuracy_relative", 14.1667),
            ("over_accuracy_relative", 36.0),
            ("instability", 57.8947),
        ];
        check(&demand, &supply, expected);
    }

    #[test]
    fn a_perfect_match_is_all_zero_and_one_more_is_one_more() {
        let (demand, _) = golden();
        check(&demand, &demand, NAMES.map(|name| (name, 0.0)));
        let one_more = function(&[(0.0, 2.0), (7.0, 6.0), (16.0, 4.0), (17.0, 3.0), (19.0, 5.0)]);
        let relative = 100.0 * (7.0 + 9.0 / 5.0 + 1.0 / 3.0 + 2.0 / 2.0 + 1.0 / 4.0) / 20.0;
        let expected = [0.0, 1.0, 0.0, relative, 0.0, 100.0, 0.0, 0.0];
        check(&demand, &one_more, std::array::from_fn(|i| (NAMES[i], expected[i])));
    }

    #[test]
    fn only_time_in_which_both_are_known_counts() {
        let demand = function(&[(0.0, 2.0)]);
        let supply = StepFunction::of(&[(0.0, Some(1.0)), (5.0, None), (15.0, Some(2.0))], RUN, f64::INFINITY);
        let figures = figures(&demand, &supply, RUN, 1.0);
        assert_eq!((figures["under_accuracy"], figures["under_share"]), (0.5, 50.0));
        assert!(super::figures(&demand, &function(&[]), RUN, 1.0).is_empty(), "not zero");
    }

    #[test]
    fn demand_for_nothing_divides_by_one_instance() {
        let figures = figures(&function(&[(0.0, 0.0)]), &function(&[(0.0, 3.0)]), RUN, 1.0);
        assert_eq!(figures["over_accuracy_relative"], 300.0);
    }

    proptest! {
        #[test]
        fn shares_are_shares_and_accuracies_not_negative(
            demand in prop::collection::vec((0.0..20.0, 0.0..9.0), 1..9),
            supply in prop::collection::vec((0.0..20.0, 0.0..9.0), 1..9),
        ) {
            let figures = figures(&function(&demand), &function(&supply), RUN, 1.0);
            for name in NAMES.iter().filter(|name| **name != "jitter") {
                prop_assert!(figures.get(*name).is_none_or(|value| *value >= 0.0), "{} of {:?}", name, figures);
            }
            prop_assert!(figures.get("under_share").is_none_or(|under| under + figures["over_share"] <= 100.0 + 1e-9));
        }
    }
}
