//! The functions that scenarios can call, one group a file, and the engine that knows them all.

mod autoscaler;
mod chance;
mod curve;
pub(crate) mod data;
mod http;
mod measuring;
pub(crate) mod plan;
mod sockets;
mod time;

use rhai::{Engine, EvalAltResult, FnPtr, NativeCallContext, Position};

pub use sockets::handle as sockets_handle;

use crate::call::Halt;
use crate::current;

type Fallible<T> = Result<T, Box<rhai::EvalAltResult>>;

/// Elements that all arrays (or maps) inside one value may have together. It also bounds how deep values can nest, and so
/// how much stack dropping one can take: stacks are sized for it.
pub const MAX_ELEMENTS: usize = 20_000;
/// Bytes of one text.
pub const MAX_TEXT: usize = 16 << 20;
/// Nested calls of script functions; each takes up to 15 KiB of stack in release builds, several times that in debug builds.
pub const MAX_CALLS: usize = 64;

/// Operations between two questions to the host; an operation takes a tenth of a microsecond.
const CHECK_EVERY: u64 = 16;

/// Operations that `plan()` and the top level may take: some seconds of computing, far more than a plan of thousands of
/// lines needs.
const PLAN_OPERATIONS: u64 = 20_000_000;

/// Makes an engine with all functions of the scenario language. One per thread: it is not shared.
#[must_use]
pub(crate) fn engine() -> Engine {
    let mut engine = Engine::new();
    // The same in debug and release builds: Rhai's own defaults differ, and a sample must not run in only one of them.
    engine.set_max_expr_depths(128, 128).set_max_call_levels(MAX_CALLS);
    engine.set_max_array_size(MAX_ELEMENTS).set_max_map_size(MAX_ELEMENTS).set_max_string_size(MAX_TEXT);
    engine.set_max_modules(0).disable_symbol("eval").disable_symbol("import");
    engine.on_print(|text| log(text.to_owned()));
    engine.on_debug(|text, _, at| log(format!("{at}: {text}")));
    engine.on_progress(|operations| if operations % CHECK_EVERY == 0 { progress(operations) } else { None });
    http::register(&mut engine);
    sockets::register(&mut engine);
    time::register(&mut engine);
    chance::register(&mut engine);
    measuring::register(&mut engine);
    plan::register(&mut engine);
    autoscaler::register(&mut engine);
    curve::register(&mut engine);
    data::register(&mut engine);
    engine
}

fn log(text: String) {
    if let Some(host) = current::host() {
        host.measure(crate::call::Measurement::Log(text));
    }
}

/// Ends a computing script: the token tells [`crate::failure`] why.
fn progress(operations: u64) -> Option<rhai::Dynamic> {
    let halt = match current::host() {
        Some(host) => host.progress(),
        // Nobody runs: this is plan() or the top level, which have nothing to wait for.
        None if operations > PLAN_OPERATIONS => Err(Halt::Endless),
        None => Ok(()),
    };
    match halt {
        Ok(()) => None,
        Err(halt) => Some(match halt {
            Halt::Stop => rhai::Dynamic::UNIT,
            Halt::Stack => crate::failure::STACK.into(),
            Halt::Endless => crate::failure::ENDLESS.into(),
        }),
    }
}

/// Handlers outlive the call that sets them, and Rhai locks what a closure captured for the length of a method call: two
/// handlers that wait at the same time would lock each other out. Captured handles are plain values, so each handler gets
/// a copy of its own; counters and collections stay shared, as a script expects.
pub(crate) fn detach_handles(mut handler: FnPtr) -> FnPtr {
    for captured in handler.iter_curry_mut() {
        if captured.is_shared() && is_handle(captured) {
            *captured = captured.flatten_clone();
        }
    }
    handler
}

/// A value that only names something, so that a copy is as good as the original.
fn is_handle(value: &rhai::Dynamic) -> bool {
    sockets::is_handle(value) || data::is_handle(value)
}

/// Captures of a closure nest no deeper than other values may: letting go of a long chain would overflow the stack.
pub(crate) fn bounded_captures(handler: &FnPtr) -> Fallible<()> {
    fn fits(handler: &FnPtr, level: usize) -> bool {
        level <= crate::value::MAX_NESTING
            && handler.curry().iter().all(|captured| match captured.read_lock::<FnPtr>() {
                Some(inner) => fits(&inner, level + 1),
                None => true,
            })
    }
    match fits(handler, 0) {
        true => Ok(()),
        false => Err(EvalAltResult::ErrorDataTooLarge("a chain of closures".into(), Position::NONE).into()),
    }
}

/// An error at the place of the call, for functions of modules: Rhai does not put it there itself.
fn placed<T>(context: &NativeCallContext, result: Fallible<T>) -> Fallible<T> {
    result.map_err(|mut error| {
        if error.position().is_none() {
            error.set_position(context.call_position());
        }
        error
    })
}
