//! Searches in simulated systems, of which the truth is known: what n instances carry.

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::*;

fn terms() -> SearchTerms {
    SearchTerms {
        unit: LoadUnit::Users,
        from: 10.0,
        least: 1.0,
        most: 1e6,
        up_to: 4,
        precision: 0.05,
        least_gain: 0.1,
        tries: 3,
    }
}

/// Searches with a system that says of each trial, of a number, how it ends; never for longer than promised.
fn search(terms: SearchTerms, mut system: impl FnMut(u32, Trial) -> TrialOutcome) -> Calibration {
    let mut search = Search::new(terms).unwrap();
    let mut number = 0;
    while let Some(trial) = search.next() {
        assert!((terms.least..=terms.most).contains(&trial.load), "{trial:?}");
        assert!(trial.instances <= terms.up_to);
        number += 1;
        search.record(&system(number, trial));
        assert!(number <= bound(&terms), "{number} trials: {search:#?}");
    }
    let result = search.result();
    assert!(result.end.is_some());
    result
}

/// The most trials: for each number of instances a way up or down in steps that double, and halving; all of it
/// anew after each contradiction.
fn bound(terms: &SearchTerms) -> u32 {
    let (far, fine) = ((terms.most / terms.least).log2(), (1.0 / terms.precision).log2());
    terms.up_to * terms.tries * 4 * (2.0 * (far + fine) + 8.0) as u32
}

/// A system that carries exactly so much.
fn exactly(capacity: impl Fn(u32) -> f64) -> impl FnMut(u32, Trial) -> TrialOutcome {
    move |_, trial| held_if(trial.load <= capacity(trial.instances))
}

fn held_if(holds: bool) -> TrialOutcome {
    if holds { TrialOutcome::Held } else { TrialOutcome::Failed("too slow".to_owned()) }
}

/// Asserts that the truth lies in every interval, and that the intervals are as narrow as promised.
#[track_caller]
fn assert_true(result: &Calibration, terms: &SearchTerms, capacity: impl Fn(u32) -> f64) {
    for level in &result.levels {
        let truth = capacity(level.instances);
        assert!(level.held.is_none_or(|held| held <= truth), "{truth}: {result:#?}");
        assert!(level.failed.is_none_or(|failed| truth < failed), "{truth}: {result:#?}");
        if let (Some(held), Some(failed)) = (level.held, level.failed) {
            assert!(failed - held <= (terms.precision * failed).max(terms.grain(held)) * (1.0 + 1e-9), "{result:#?}");
        }
    }
}

proptest! {
    #[test]
    fn what_instances_carry_lies_in_the_interval(
        each in 1.0..3_000.0,
        from in 1.0..9_000.0,
        precision in 0.01..0.3,
        up_to in 1u32..7,
        is_rate: bool,
    ) {
        let unit = if is_rate { LoadUnit::StartsPerSecond } else { LoadUnit::Users };
        let terms = SearchTerms { unit, from: f64::round(from), precision, up_to, ..terms() };
        let capacity = |instances| each * f64::from(instances);
        let result = search(terms, exactly(capacity));
        assert_true(&result, &terms, capacity);
        assert_eq!((&result.end, result.levels.len() as u32), (&Some(SearchEnd::UpTo), up_to));
        assert_eq!(result.contradictions.len(), 0, "{result:#?}");
        let found = result.per_instance.unwrap();
        assert!(found.at_least <= each && each < found.at_most.unwrap(), "{each}: {found:?}");
    }

    #[test]
    fn a_limit_elsewhere_is_a_ceiling(each in 20.0..3_000.0, limit in 1.0..5.0) {
        let terms = SearchTerms { up_to: 12, ..terms() };
        let limit = each * limit;
        let capacity = |instances| f64::min(each * f64::from(instances), limit);
        let result = search(terms, exactly(capacity));
        assert_true(&result, &terms, capacity);
        assert_eq!(result.end, Some(SearchEnd::Ceiling), "{result:#?}");
        let ceiling = result.ceiling.unwrap();
        assert!(ceiling.held <= limit && limit < ceiling.failed, "{limit}: {ceiling:?}");
        let gain = capacity(ceiling.instances + 1) - capacity(ceiling.instances);
        assert!(gain <= 0.1 * each + 1.0, "one more would have been of use: {result:#?}");
        let found = result.per_instance.unwrap();
        assert!(found.at_least <= each && each < found.at_most.unwrap(), "the ceiling spoils nothing: {result:#?}");
    }

    #[test]
    fn instances_may_carry_less_each(each in 50.0..3_000.0, power in 0.7..1.0) {
        let capacity = |instances| each * f64::powf(f64::from(instances), power);
        let result = search(terms(), exactly(capacity));
        assert_true(&result, &terms(), capacity);
        assert_eq!(result.end, Some(SearchEnd::UpTo), "{result:#?}");
        let found = result.per_instance.unwrap();
        for level in &result.levels {
            assert!(found.at_least * f64::from(level.instances) <= capacity(level.instances), "{result:#?}");
        }
        let truth = capacity(4) / 4.0 / each;
        let linearity = found.linearity.unwrap();
        assert!((truth * 0.92..truth * 1.08).contains(&linearity), "{truth}: {result:#?}");
    }

    /// Each trial meets a system that is a little larger or smaller than the last one did.
    #[test]
    fn noise_widens_the_interval_by_no_more_than_itself(each in 50.0..3_000.0, noise in 0.0..0.1f64, seed: u64) {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let result = search(terms(), |_, trial| {
            let capacity = each * f64::from(trial.instances) * (1.0 + random.random_range(-noise..=noise));
            held_if(trial.load <= capacity)
        });
        for level in &result.levels {
            let truth = each * f64::from(level.instances);
            assert!(level.held.is_none_or(|held| held <= truth * (1.0 + noise)), "{truth}: {result:#?}");
            assert!(level.failed.is_none_or(|failed| truth * (1.0 - noise) < failed), "{truth}: {result:#?}");
        }
    }

    /// A failure that has nothing to do with the load, whenever it comes, moves nothing.
    #[test]
    fn a_single_stumble_is_found_out(each in 50.0..3_000.0, stumble in 1u32..40) {
        let capacity = |instances| each * f64::from(instances);
        let mut has_lied = false;
        let result = search(terms(), |number, trial| {
            let holds = trial.load <= capacity(trial.instances);
            has_lied |= number == stumble && holds;
            held_if(holds && number != stumble)
        });
        assert_true(&result, &terms(), capacity);
        assert_eq!(result.end, Some(SearchEnd::UpTo));
        assert_eq!(result.contradictions.len(), usize::from(has_lied), "{result:#?}");
    }
}

#[test]
fn a_system_that_carries_nothing_is_told_soon() {
    let terms = SearchTerms { from: 512.0, ..terms() };
    let result = search(terms, exactly(|_| 0.0));
    assert_eq!(result.end, Some(SearchEnd::NothingHeld { why: "too slow".to_owned() }));
    assert_eq!((result.trials, result.levels[0].failed, result.per_instance), (11, Some(1.0), None), "{result:#?}");
}

#[test]
fn a_system_that_never_fails_is_not_driven_beyond_the_most() {
    let terms = SearchTerms { most: 3_000.0, ..terms() };
    let result = search(terms, exactly(|_| f64::INFINITY));
    assert_eq!(result.end, Some(SearchEnd::MostLoad));
    let found = result.per_instance.unwrap();
    assert_eq!((result.trials, found.at_least, found.at_most), (10, 3_000.0, None), "{result:#?}");
}

#[test]
fn the_most_load_says_nothing_about_the_instances_that_held_it() {
    let terms = SearchTerms { most: 250.0, ..terms() };
    let result = search(terms, exactly(|instances| 100.0 * f64::from(instances)));
    assert_eq!((result.end, result.levels.len()), (Some(SearchEnd::MostLoad), 3));
    let found = result.per_instance.unwrap();
    assert!(found.at_least > 95.0, "250 held by three are not 83 each: {found:?}");
}

#[test]
fn what_nobody_can_tell_is_tried_again_but_not_for_ever() {
    let unclear = || TrialOutcome::Inconclusive("an agent was lost".to_owned());
    let result = search(terms(), |number, trial| {
        if number % 3 == 0 { held_if(trial.load <= 100.0 * f64::from(trial.instances)) } else { unclear() }
    });
    assert_eq!(result.end, Some(SearchEnd::UpTo), "twice unclear, then clear");

    let mut last = None;
    let result = search(terms(), |_, trial| {
        last = Some(trial);
        if trial.load > 70.0 { unclear() } else { held_if(true) }
    });
    let why = "an agent was lost".to_owned();
    assert_eq!(result.end, Some(SearchEnd::Inconclusive { trial: last.unwrap(), why }));
    let level = &result.levels[0];
    assert_eq!((level.held, level.failed, level.is_done, level.trials), (Some(40.0), None, false, 6), "{level:?}");
    assert_eq!(result.per_instance, None, "what is not done proves nothing");
}

#[test]
fn results_that_contradict_each_other_again_and_again_mean_nothing() {
    let mut tried = Vec::new();
    let result = search(terms(), |_, trial| {
        let is_again = tried.contains(&trial.load);
        tried.push(trial.load);
        held_if(is_again)
    });
    assert!(matches!(result.end, Some(SearchEnd::Inconclusive { .. })), "{result:#?}");
    assert_eq!((result.contradictions.len(), result.per_instance), (3, None), "{result:#?}");
}

#[test]
fn more_instances_that_carry_less_are_told() {
    let capacity = |instances| [300.0, 600.0, 450.0][instances as usize - 1];
    let result = search(terms(), exactly(capacity));
    assert_true(&result, &terms(), capacity);
    assert_eq!(result.end, Some(SearchEnd::Ceiling));
    assert_eq!(result.ceiling.unwrap().instances, 2);
    assert!(result.contradictions[0].starts_with("3 instances failed at a load of"), "{result:#?}");
}

#[test]
fn terms_are_checked_all_at_once() {
    let wrong = SearchTerms {
        from: 0.0,
        least: -1.0,
        most: f64::NAN,
        up_to: 0,
        precision: 1.0,
        least_gain: 0.0,
        tries: 0,
        ..terms()
    };
    assert_eq!(Search::new(wrong).unwrap_err().len(), 7);
    assert_eq!(terms().check(), []);
}
