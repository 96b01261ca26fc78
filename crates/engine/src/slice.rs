//! How long a script may compute before others get their turn, and before it counts as endless.

use std::cell::Cell;
use std::time::Duration;

use rehearsal_script::Halt;
use tokio::time::Instant;

use crate::fiber::{self, Question};

/// The longest stretch of computing before other users of the thread get their turn. 200 computing users with slices of
/// 1 ms delayed the timers of others by 200 ms; with one slice of this length a turn, by 2 ms.
const SLICE: Duration = Duration::from_micros(200);
/// A script that computes this long without waiting for anything is taken for endless. Only its own time counts.
const ENDLESS: Duration = Duration::from_secs(1);
/// Stack kept for native functions and for dropping what a script leaves behind; a fiber that has less ends.
const STACK_RESERVE: usize = if cfg!(debug_assertions) { 48 << 20 } else { 6 << 20 };

thread_local! {
    static TURN: Cell<Option<Turn>> = const { Cell::new(None) };
}

#[derive(Clone, Copy)]
struct Turn {
    began: Instant,
    /// Computed in earlier slices since the script last waited.
    before: Duration,
}

/// Notes that a fiber gets the thread. `computed` is its own time since it last waited.
pub(crate) fn begin(computed: Duration) {
    TURN.set(Some(Turn { began: Instant::now(), before: computed }));
}

/// Own time of the fiber that has just given the thread back, since it last waited.
pub(crate) fn end() -> Duration {
    TURN.take().map_or(Duration::ZERO, |turn| turn.before + turn.began.elapsed())
}

/// Called every few operations of a running script: gives the thread away when the slice is used up.
pub(crate) fn check(is_stopped: impl Fn() -> bool) -> Result<(), Halt> {
    if fiber::remaining_stack().is_some_and(|left| left < STACK_RESERVE) {
        return Err(Halt::Stack);
    }
    let Some(turn) = TURN.get() else { return Ok(()) };
    let elapsed = turn.began.elapsed();
    if elapsed < SLICE {
        return Ok(());
    }
    if turn.before + elapsed > ENDLESS {
        return Err(Halt::Endless);
    }
    if is_stopped() || fiber::suspend(Question::Slice).is_err() {
        return Err(Halt::Stop);
    }
    Ok(())
}
