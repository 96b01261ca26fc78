//! `sleep`, `every`, `after`, `now`, `leave`.

use rhai::{Dynamic, Engine, FnPtr, ImmutableString};

use super::{Fallible, bounded_captures, detach_handles};
use crate::call::{Call, TimerId, TimerKind};
use crate::current::{ask, require};
use crate::value::duration_of;

pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<TimerId>("Timer");
    // One form per type: Rhai prefers its own blocking `sleep(int)` to a function that takes anything.
    engine.register_fn("sleep", |seconds: i64| sleep(&seconds.into()));
    engine.register_fn("sleep", |seconds: f64| sleep(&seconds.into()));
    engine.register_fn("sleep", |text: ImmutableString| sleep(&text.into()));
    engine.register_fn("every", |d: Dynamic, handler: FnPtr| set(&d, handler, TimerKind::Every));
    engine.register_fn("after", |d: Dynamic, handler: FnPtr| set(&d, handler, TimerKind::After));
    engine.register_fn("cancel", |timer: &mut TimerId| -> Fallible<()> {
        require("cancel()")?.cancel(*timer);
        Ok(())
    });
    engine.register_fn("random_phase", |timer: &mut TimerId| -> Fallible<TimerId> {
        require("random_phase()")?.random_phase(*timer);
        Ok(*timer)
    });
    engine.register_fn("now", || -> Fallible<f64> { Ok(require("now()")?.now().as_secs_f64()) });
    engine.register_fn("leave", || -> Fallible<()> { ask("leave()", Call::Leave).map(|_| ()) });
}

fn sleep(d: &Dynamic) -> Fallible<()> {
    let d = duration_of(d)?;
    ask("sleep()", Call::Sleep(d)).map(|_| ())
}

fn set(d: &Dynamic, handler: FnPtr, kind: fn(std::time::Duration) -> TimerKind) -> Fallible<TimerId> {
    let d = duration_of(d)?;
    if matches!(kind(d), TimerKind::Every(period) if period < std::time::Duration::from_millis(1)) {
        return Err("every() needs a period of at least a millisecond".into());
    }
    bounded_captures(&handler)?;
    Ok(require("a timer")?.timer(kind(d), detach_handles(handler)))
}
