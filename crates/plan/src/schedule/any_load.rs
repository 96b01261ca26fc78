//! Draws loads for property tests: small enough to count by hand, odd enough to meet every corner.

use std::time::Duration;

use proptest::prelude::*;

use crate::load::{Load, RateStage, Spacing, Stage, Stay};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn stay() -> impl Strategy<Value = Stay> {
    let some = (0_u64..5000).prop_map(millis);
    prop_oneof![Just(Stay::UntilDone), some.clone().prop_map(Stay::AfterLastArrival), some.prop_map(Stay::Each)]
}

fn stage() -> impl Strategy<Value = Stage> {
    prop_oneof![
        (0_u64..40, 0_u64..900).prop_map(|(users, over)| Stage::RampTo { users, over: millis(over) }),
        (0_u64..900).prop_map(|over| Stage::Hold { over: millis(over) })
    ]
}

fn rate_stage() -> impl Strategy<Value = RateStage> {
    prop_oneof![
        (0.0_f64..60.0, 0_u64..900).prop_map(|(per_second, over)| RateStage::RampTo { per_second, over: millis(over) }),
        (0_u64..900).prop_map(|over| RateStage::Hold { over: millis(over) })
    ]
}

/// Any load that people might write, and some that they should not.
pub fn any_load() -> impl Strategy<Value = Load> {
    let spacing = prop_oneof![Just(Spacing::Even), Just(Spacing::Random)];
    prop_oneof![
        (0_u64..60, 0_u64..4000, spacing, stay())
            .prop_map(|(users, over, spacing, stay)| { Load::Arrive { users, over: millis(over), spacing, stay } }),
        prop::collection::vec(stage(), 0..6).prop_map(|stages| Load::Population { stages, keep_session: false }),
        prop::collection::vec(rate_stage(), 0..6).prop_map(|stages| Load::Rate { stages, at_most: 5 }),
        (prop::collection::vec((0_u64..9, 0_u64..20), 0..6), stay())
            .prop_map(|(seconds, stay)| Load::Curve { seconds, stay }),
    ]
}
