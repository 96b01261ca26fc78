//! The words of `plan()` about the autoscaler under test: what is expected of it, and the guards that stop a run.

use std::time::Duration;

use rehearsal_plan::{
    AutoscalerPlan, Backlog, Band, Capacity, Draining, DuringOutage, Flapping, Guard, InFlight, Keep, Limit, Outage,
    Overshoot, nearest,
};
use rhai::{Dynamic, Engine, ImmutableString, Map, NativeCallContext};

use super::plan::{duration, note, number, or_noted, whole};
use crate::options::{Options, take_unknown};
use crate::value::{number_of, text_of};

/// What leaving instances may have in flight, by the words of scripts.
const IN_FLIGHT: [(&str, InFlight); 3] =
    [("none_seen", InFlight::NoneSeen), ("none", InFlight::None), ("any", InFlight::Any)];
/// What the scaler may do without its metric, by the words of scripts.
const DURING_OUTAGE: [(&str, DuringOutage); 4] = [
    ("hold", DuringOutage::Hold),
    ("hold_or_scale_out", DuringOutage::HoldOrScaleOut),
    ("scale_out", DuringOutage::ScaleOut),
    ("anything", DuringOutage::Anything),
];

pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<AutoscalerPlan>("Autoscaler").register_type_with_name::<Guard>("Guard");
    engine.register_fn("autoscaler", AutoscalerPlan::default);
    register_capacity(engine);
    register_times(engine);
    register_bands(engine);
    register_instances(engine);
    register_habits(engine);
    register_guards(engine);
}

fn register_capacity(engine: &mut Engine) {
    engine.register_fn("capacity", |context: NativeCallContext, plan: &mut AutoscalerPlan, users: Dynamic| {
        give(&context, &mut plan.capacity, Capacity::Users(number(&context, &users)));
        plan.clone()
    });
    engine.register_fn("capacity_requests", |context: NativeCallContext, plan: &mut AutoscalerPlan, n: Dynamic| {
        give(&context, &mut plan.capacity, Capacity::Requests(number(&context, &n)));
        plan.clone()
    });
}

/// Gives the plan what it can have once.
fn give<T>(context: &NativeCallContext, place: &mut Option<T>, value: T) {
    if place.replace(value).is_some() {
        note(context, format!("{}(): this was said before", context.fn_name()));
    }
}

fn register_times(engine: &mut Engine) {
    engine.register_fn("react_within", |context: NativeCallContext, plan: &mut AutoscalerPlan, d: Dynamic| {
        give(&context, &mut plan.react_within, duration(&context, &d));
        plan.clone()
    });
    engine.register_fn("settle_within", |context: NativeCallContext, plan: &mut AutoscalerPlan, d: Dynamic| {
        give(&context, &mut plan.settle_within, duration(&context, &d));
        plan.clone()
    });
    engine.register_fn("settled_for", |context: NativeCallContext, plan: &mut AutoscalerPlan, d: Dynamic| {
        plan.settled_for = duration(&context, &d);
        plan.clone()
    });
}

fn register_bands(engine: &mut Engine) {
    engine.register_fn(
        "keep",
        |context: NativeCallContext, plan: &mut AutoscalerPlan, metric: ImmutableString, lo: Dynamic, hi: Dynamic| {
            plan.keep.push(Keep::new(metric, number(&context, &lo), number(&context, &hi)));
            plan.clone()
        },
    );
    engine.register_fn(
        "keep",
        |context: NativeCallContext,
         plan: &mut AutoscalerPlan,
         metric: ImmutableString,
         lo: Dynamic,
         hi: Dynamic,
         share: Dynamic| {
            let (lo, hi) = (number(&context, &lo), number(&context, &hi));
            plan.keep.push(Keep { band: Band { metric: metric.to_string(), lo, hi }, share: number(&context, &share) });
            plan.clone()
        },
    );
    engine.register_fn(
        "backlog",
        |context: NativeCallContext, plan: &mut AutoscalerPlan, metric: ImmutableString, options: Map| {
            let Some(mut options) = options_of(&context, options, &["below", "within"]) else { return plan.clone() };
            let below = options.take("below").map_or(Err("it needs `below`".to_owned()), |value| {
                number_of(&value).ok_or_else(|| format!("{value} is not a number"))
            });
            let within = options.duration("within").and_then(|d| d.ok_or_else(|| "it needs `within`".to_owned()));
            plan.backlogs.push(Backlog {
                metric: metric.to_string(),
                below: or_told(&context, below).unwrap_or(1.0),
                within: or_told(&context, within).unwrap_or(Duration::from_secs(1)),
            });
            plan.clone()
        },
    );
}

fn register_instances(engine: &mut Engine) {
    engine.register_fn("at_least", |context: NativeCallContext, plan: &mut AutoscalerPlan, n: Dynamic| {
        give(&context, &mut plan.at_least, instances(&context, &n));
        plan.clone()
    });
    engine.register_fn("at_most", |context: NativeCallContext, plan: &mut AutoscalerPlan, n: Dynamic| {
        give(&context, &mut plan.at_most, instances(&context, &n));
        plan.clone()
    });
    engine.register_fn("overshoot", |context: NativeCallContext, plan: &mut AutoscalerPlan, options: Map| {
        if let Some(mut options) = options_of(&context, options, &["instances", "share"]) {
            let Overshoot { instances: most, share } = plan.overshoot;
            plan.overshoot = Overshoot {
                instances: options.take("instances").map_or(most, |n| instances(&context, &n)),
                share: options.take("share").map_or(share, |share| number(&context, &share)),
            };
        }
        plan.clone()
    });
}

fn register_habits(engine: &mut Engine) {
    engine.register_fn("flapping", |context: NativeCallContext, plan: &mut AutoscalerPlan, options: Map| {
        if let Some(mut options) = options_of(&context, options, &["reversals", "within"]) {
            let Flapping { within, reversals } = plan.flapping;
            plan.flapping = Flapping {
                within: or_told(&context, options.duration("within")).flatten().unwrap_or(within),
                reversals: options.take("reversals").map_or(reversals, |n| instances(&context, &n)),
            };
        }
        plan.clone()
    });
    engine.register_fn("draining", |context: NativeCallContext, plan: &mut AutoscalerPlan, options: Map| {
        if let Some(mut options) = options_of(&context, options, &["errors", "grace", "in_flight"]) {
            let Draining { errors, grace, in_flight } = plan.draining;
            plan.draining = Draining {
                errors: options.take("errors").map_or(errors, |n| whole(&context, &n)),
                grace: or_told(&context, options.duration("grace")).flatten().unwrap_or(grace),
                in_flight: word(&context, &mut options, "in_flight", &IN_FLIGHT).unwrap_or(in_flight),
            };
        }
        plan.clone()
    });
    engine.register_fn("outage", |context: NativeCallContext, plan: &mut AutoscalerPlan, options: Map| {
        if let Some(mut options) = options_of(&context, options, &["longer_than", "then"]) {
            let Outage { longer_than, then } = plan.outage;
            plan.outage = Outage {
                longer_than: or_told(&context, options.duration("longer_than")).flatten().unwrap_or(longer_than),
                then: word(&context, &mut options, "then", &DURING_OUTAGE).unwrap_or(then),
            };
        }
        plan.clone()
    });
}

fn register_guards(engine: &mut Engine) {
    // Where it has to stay comes with below() or above(); without either it is refused by the plan.
    engine.register_fn("guard", |metric: ImmutableString| Guard {
        metric: metric.to_string(),
        stays: Limit::Below(f64::NAN),
    });
    engine.register_fn("below", |context: NativeCallContext, guard: &mut Guard, limit: Dynamic| {
        has_limit(&context, guard, Limit::Below(number(&context, &limit)))
    });
    engine.register_fn("above", |context: NativeCallContext, guard: &mut Guard, limit: Dynamic| {
        has_limit(&context, guard, Limit::Above(number(&context, &limit)))
    });
}

/// Gives the guard its only limit.
fn has_limit(context: &NativeCallContext, guard: &mut Guard, limit: Limit) -> Guard {
    let (Limit::Below(before) | Limit::Above(before)) = std::mem::replace(&mut guard.stays, limit);
    if !before.is_nan() {
        note(context, format!("{}(): a guard has one limit; write a second guard for the other", context.fn_name()));
    }
    guard.clone()
}

fn instances(context: &NativeCallContext, n: &Dynamic) -> u32 {
    let n = whole(context, n);
    or_noted(context, u32::try_from(n).map_err(|_| format!("{n} is out of range")))
}

/// The value, or none after a note of what is wrong with it.
fn or_told<T>(context: &NativeCallContext, read: Result<T, String>) -> Option<T> {
    read.map_err(|error| note(context, format!("{}(): {error}", context.fn_name()))).ok()
}

/// The options of a word; all keys that it does not know are told, and the others are read.
fn options_of(context: &NativeCallContext, mut map: Map, known: &[&str]) -> Option<Options> {
    for key in take_unknown(&mut map, known) {
        note(context, crate::options::unknown(&format!("{}()", context.fn_name()), &key, known));
    }
    or_told(context, Options::new("the autoscaler's plan", map, known))
}

/// One of several words.
fn word<T: Copy>(context: &NativeCallContext, options: &mut Options, key: &str, words: &[(&str, T)]) -> Option<T> {
    let value = options.take(key)?;
    let text = text_of(&value).unwrap_or_else(|| value.to_string());
    let known = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
    if known.is_none() {
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let near = nearest(&text, all.iter().copied()).map(|near| format!("; did you mean \"{near}\"?"));
        let hint = near.unwrap_or_else(|| format!("; it knows {}", all.join(", ")));
        note(context, format!("{}(): `{key}` cannot be \"{text}\"{hint}", context.fn_name()));
    }
    known
}
