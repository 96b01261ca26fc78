//! The meter never reckons too little, and is never too late.

use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// What makes an instance cost this in all.
fn cost(since: u64, hourly: f64, ceiling: f64) -> Cost {
    let price = |hourly: f64| UsdPerHour(hourly - extras().0);
    Cost { region: "r".into(), since: at(since), price: price(hourly), ceiling: price(ceiling) }
}

fn look(running: &[(&str, Cost)]) -> Look {
    let running = running.iter().map(|(id, cost)| (InstanceId::from(*id), cost.clone())).collect();
    Look { running, ..Look::default() }
}

fn blind() -> Look {
    Look { blind: BTreeSet::from(["r".into()]), ..Look::default() }
}

/// Steps a meter without a budget through looks and compares what was spent, in dollars.
fn check(looks: &[(u64, Look)], expected: f64, why: &str) {
    let mut meter = Meter::new(None);
    for (now, look) in looks {
        assert_eq!(meter.step(at(*now), look), None);
    }
    let spent = meter.reading().spent.0;
    assert!((spent - expected).abs() < 1e-9, "{why}: {spent} is not {expected}");
}

#[test]
fn what_is_not_known_is_charged_at_the_worst() {
    let steady = look(&[("i", cost(0, 3.6, 7.2))]);
    let dearer = look(&[("i", cost(0, 7.2, 7.2))]);
    let none = look(&[]);
    check(&[(10, steady.clone()), (50, steady.clone())], 0.05, "by the second");
    check(&[(10, steady.clone()), (20, none.clone())], 0.06, "but for a minute at least");
    check(&[(100, steady.clone())], 0.1, "from the launch on, not from the first look");
    check(&[(100, steady.clone()), (200, dearer.clone())], 0.1 + 0.2, "at the higher price");
    check(&[(100, dearer.clone()), (200, steady.clone()), (300, steady.clone())], 0.2 + 0.2 + 0.1, "of both ends");
    check(&[(100, steady.clone()), (200, none.clone()), (900, none.clone())], 0.2, "until it is seen to have ended");
    let again = [(100, steady.clone()), (200, none.clone()), (300, steady.clone())];
    check(&again, 0.2 + 0.2, "and if it was not the end, at its ceiling for the time between");
    check(&[(100, steady.clone()), (200, blind()), (300, steady.clone())], 0.1 + 0.2 + 0.1, "at its ceiling if unseen");
    let ahead = look(&[("i", cost(500, 3.6, 7.2))]);
    check(&[(100, ahead)], 0.0, "a cloud's clock that is ahead charges no future");
}

#[test]
fn a_bill_counts_what_came_after_the_last_look_and_a_minute_at_least() {
    let mut meter = Meter::new(None);
    meter.step(at(10), &look(&[("i", cost(0, 3.6, 7.2)), ("j", cost(8, 3.6, 7.2))]));
    let bill = |now| (meter.bill(at(now)).0 * 1_000.0).round();
    assert_eq!(bill(15), 120.0, "both would have just begun");
    assert_eq!(bill(110), 110.0 + 102.0, "at the last known price");
    assert_eq!((meter.reading().spent.0 * 1_000.0).round(), 12.0, "and the meter goes on as it was");
}

#[test]
fn what_was_launched_counts_before_it_is_listed() {
    let mut meter = Meter::new(None);
    meter.launched(at(0), "i".into(), cost(0, 3.6, 3.6));
    meter.step(at(300), &look(&[]));
    assert!((meter.reading().spent.0 - 0.3).abs() < 1e-9);
    meter.step(at(700), &look(&[]));
    let spent = meter.reading().spent.0;
    meter.step(at(900), &look(&[]));
    assert!((meter.reading().spent.0 - spent).abs() < 1e-9, "after ten minutes in no list nobody believes in it");
}

#[test]
fn a_meter_goes_on_where_another_ended() {
    let mut meter = Meter::resume(Some(Usd(5.0)), Usd(1.0), at(1_000));
    let old = ("old", cost(0, 3.6, 7.2));
    let new = ("new", cost(1_050, 3.6, 7.2));
    meter.step(at(1_100), &look(&[old.clone(), new.clone()]));
    // The old one for 100 s at its ceiling, which nobody saw; the new one for 50 s.
    assert!((meter.reading().spent.0 - (1.0 + 0.2 + 0.05)).abs() < 1e-9, "{:?}", meter.reading());
    meter.step(at(1_200), &look(&[old, new]));
    assert!((meter.reading().spent.0 - (1.25 + 0.2)).abs() < 1e-9, "{:?}", meter.reading());
}

#[test]
fn each_stage_comes_once_and_in_time() {
    // One instance for 3.6 $/h, a cent in ten seconds, and as much at its ceiling; a budget of 1.99 $ is 1,990 s of it.
    let mut meter = Meter::new(Some(Usd(1.99)));
    let mut told = Vec::new();
    for now in (0..=2_000).step_by(20) {
        if let Some(due) = meter.step(at(now), &look(&[("i", cost(0, 3.6, 3.6))])) {
            told.push((now, due));
        }
    }
    // Warned 300 s before draining, drained at 90 %, torn down 120 s before the end.
    assert_eq!(told, [(1_500, Due::Warn), (1_800, Due::Drain), (1_880, Due::TearDown)]);
    // With a ceiling of twice the price both come earlier.
    let mut meter = Meter::new(Some(Usd(1.99)));
    let told: Vec<_> = (0..=2_000)
        .step_by(20)
        .filter_map(|now| Some((now, meter.step(at(now), &look(&[("i", cost(0, 3.6, 7.2))]))?)))
        .collect();
    assert_eq!(told, [(1_040, Due::Warn), (1_640, Due::Drain), (1_760, Due::TearDown)]);
}

#[test]
fn a_screen_shows_how_long_it_lasts() {
    let mut meter = Meter::new(Some(Usd(2.0)));
    meter.step(at(1_000), &look(&[("i", cost(0, 3.6, 3.6))]));
    let Reading { spent, hourly, budget, lasts } = meter.reading();
    assert!((spent.0 - 1.0).abs() < 1e-9 && (hourly.0 - 3.6).abs() < 1e-9 && budget == Some(Usd(2.0)));
    assert_eq!(lasts.map(|lasts| lasts.as_secs_f64().round()), Some(800.0), "1.8 $ is when it drains");
}

proptest! {
    /// Prices wander below their ceilings, instances end, looks fail. Whoever ends everything within the time that
    /// tearing down may take has not passed the budget.
    #[test]
    fn no_budget_is_ever_passed(
        ceiling in 0.05..2.0_f64,
        instances in 1..8_usize,
        more in 0.0..1.0_f64,
        steps in prop::collection::vec((0.0..1.0_f64, prop::bool::weighted(0.02), prop::bool::weighted(0.2)), 1..400),
    ) {
        let hours = |time: Duration| time.as_secs_f64() / 3_600.0;
        // Less than the tearing down itself costs is no budget that could be kept.
        let budget = ceiling * instances as f64 * (hours(TEAR_DOWN + LOOK_EVERY) + more);
        let mut meter = Meter::new(Some(Usd(budget)));
        let mut running: Vec<String> = (0..instances).map(|one| format!("i{one}")).collect();
        let mut truth = 0.0;
        for (tick, (price, ends, is_blind)) in steps.into_iter().enumerate() {
            let now = LOOK_EVERY.as_secs() * tick as u64;
            let hourly = (ceiling * price).max(extras().0);
            if ends {
                running.pop();
            }
            let costs: Vec<(&str, Cost)> = running.iter().map(|id| (id.as_str(), cost(0, hourly, ceiling))).collect();
            let seen = if is_blind && tick > 0 { blind() } else { look(&costs) };
            if meter.step(at(now), &seen) == Some(Due::TearDown) {
                truth += ceiling * running.len() as f64 * hours(TEAR_DOWN - LOOK_EVERY);
                break;
            }
            truth += hourly * running.len() as f64 * hours(LOOK_EVERY);
        }
        prop_assert!(truth <= budget + 1e-9, "{truth} of {budget}");
    }
}
