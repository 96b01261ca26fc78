//! `chance`, `between`, `pick`, `normal`, `uuid`: all from the user's own generator, so a run can be repeated.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Normal};
use rhai::{Array, Dynamic, Engine, Map};

use super::Fallible;
use crate::current::require;
use crate::value::{duration_of, number_of, share_of, text_of};

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("chance", |p: Dynamic| -> Fallible<bool> {
        let p = share_of(&p).ok_or("chance() takes a probability from 0 to 1, or a text like \"80%\"")?;
        with_random(|random| random.random_bool(p))
    });
    engine.register_fn("between", between);
    engine.register_fn("pick", pick_one);
    engine.register_fn("pick", pick_weighted);
    engine.register_fn("normal", |mean: Dynamic, sd: Dynamic| -> Fallible<f64> {
        let (mean, sd) = (spread(&mean)?, spread(&sd)?);
        let normal = Normal::new(mean, sd).map_err(|_| "normal() needs a standard deviation of at least 0")?;
        with_random(|random| normal.sample(random))
    });
    engine.register_fn("uuid", || with_random(uuid));
}

fn with_random<T>(draw: impl FnOnce(&mut rand_xoshiro::Xoshiro256PlusPlus) -> T) -> Fallible<T> {
    let host = require("chance")?;
    Ok(draw(&mut host.user().random.borrow_mut()))
}

/// A number, or a duration text as seconds.
fn spread(value: &Dynamic) -> Fallible<f64> {
    match text_of(value) {
        Some(_) => Ok(duration_of(value)?.as_secs_f64()),
        None => number_of(value).ok_or_else(|| "a number or a duration like \"5s\" is needed".into()),
    }
}

/// Two ints give an int with both ends included; anything else a float, durations in seconds.
fn between(a: Dynamic, b: Dynamic) -> Fallible<Dynamic> {
    if let (Ok(low), Ok(high)) = (a.as_int(), b.as_int()) {
        return match low <= high {
            true => with_random(|random| random.random_range(low..=high).into()),
            false => Err(format!("between({low}, {high}): the lower end comes first").into()),
        };
    }
    let (low, high) = (spread(&a)?, spread(&b)?);
    match low <= high {
        true => with_random(|random| random.random_range(low..=high).into()),
        false => Err(format!("between({a}, {b}): the lower end comes first").into()),
    }
}

fn pick_one(from: Array) -> Fallible<Dynamic> {
    if from.is_empty() {
        return Err("pick() from an empty array".into());
    }
    with_random(|random| from[random.random_range(0..from.len())].clone())
}

/// `pick(#{ A: 3, B: 1 })` gives "A" three times out of four.
fn pick_weighted(weights: Map) -> Fallible<Dynamic> {
    let mut total = 0.0;
    for (key, weight) in &weights {
        let weight = number_of(weight).filter(|w| *w >= 0.0);
        total += weight.ok_or_else(|| format!("the weight of `{key}` in pick() must be a number of at least 0"))?;
    }
    if total <= 0.0 {
        return Err("pick() needs at least one weight above 0".into());
    }
    let mut left = with_random(|random| random.random_range(0.0..total))?;
    let mut last = None;
    for (key, weight) in weights {
        let weight = number_of(&weight).unwrap_or(0.0);
        if left < weight {
            return Ok(key.to_string().into());
        }
        left -= weight;
        last = (weight > 0.0).then_some(key).or(last);
    }
    // Rounding may leave a crumb behind the last weight.
    Ok(last.map_or(Dynamic::UNIT, |key| key.to_string().into()))
}

/// A random (version 4) UUID, RFC 9562 §5.4.
fn uuid(random: &mut impl Rng) -> String {
    let bits = (random.next_u64() as u128) << 64 | random.next_u64() as u128;
    let bits = bits & !(0xF << 76) & !(0b11 << 62) | 4 << 76 | 0b10 << 62;
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
