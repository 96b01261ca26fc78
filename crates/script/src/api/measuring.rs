//! `check`, `measure`, `count`, `record`, `tag`, `log`.

use std::time::Duration;

use rhai::{Dynamic, Engine, FnPtr, ImmutableString, NativeCallContext};

use super::Fallible;
use crate::call::Measurement;
use crate::current::require;
use crate::value::{duration_of, plain_text_of};

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("check", |name: ImmutableString, passed: bool| -> Fallible<bool> {
        take(Measurement::Check { name: name.into(), passed })?;
        Ok(passed)
    });
    engine.register_fn("count", |name: ImmutableString, by: i64| -> Fallible<()> {
        let by = u64::try_from(by).map_err(|_| "count() only counts up")?;
        take(Measurement::Count { name: name.into(), by })
    });
    engine.register_fn("count", |name: ImmutableString| take(Measurement::Count { name: name.into(), by: 1 }));
    engine.register_fn("record", |name: ImmutableString, took: Dynamic| -> Fallible<()> {
        take(Measurement::Record { name: name.into(), took: duration_of(&took)? })
    });
    engine.register_fn("measure", measure);
    engine.register_fn("tag", |key: ImmutableString, value: Dynamic| -> Fallible<()> {
        let value = plain_text_of(&value).ok_or("the value of a tag is a text, a number or a boolean")?;
        take(Measurement::Tag { key: key.into(), value })
    });
    engine.register_fn("log", |text: Dynamic| take(Measurement::Log(text.to_string())));
}

fn take(measurement: Measurement) -> Fallible<()> {
    require("measuring")?.measure(measurement);
    Ok(())
}

/// Runs the closure, records how long it took (waits included) as `custom.<name>`, and gives back its value.
fn measure(context: NativeCallContext, name: ImmutableString, work: FnPtr) -> Fallible<Dynamic> {
    let host = require("measure()")?;
    let began = host.now();
    let value = work.call_within_context::<Dynamic>(&context, ())?;
    let took = host.now().checked_sub(began).unwrap_or(Duration::ZERO);
    host.measure(Measurement::Record { name: name.into(), took });
    Ok(value)
}
