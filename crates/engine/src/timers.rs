//! The timers of one user: `every` and `after`.
//!
//! A repeating timer keeps its schedule: tick k is intended at start + k × period. Ticks of one timer do not overlap; one
//! that became due while its predecessor ran starts at once, and its response time counts from when it was intended.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use rehearsal_script::{Handler, TimerId, TimerKind};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::user::{Flow, User};

#[derive(Default)]
struct Timer {
    cancelled: Cell<bool>,
    /// Where in its period the first tick lies, 0 to 1; at the end of it unless the script asked for a random phase.
    phase: Cell<Option<f64>>,
    cancel: Notify,
}

/// All timers of one user, by number.
#[derive(Default)]
pub(crate) struct Timers {
    all: RefCell<Vec<Rc<Timer>>>,
    active: Cell<usize>,
}

impl Timers {
    pub(crate) fn active_count(&self) -> usize {
        self.active.get()
    }

    pub(crate) fn set_phase(&self, id: TimerId, phase: f64) {
        if let Some(timer) = self.all.borrow().get(id.0 as usize) {
            timer.phase.set(Some(phase));
        }
    }

    pub(crate) fn cancel(&self, id: TimerId) {
        if let Some(timer) = self.all.borrow().get(id.0 as usize) {
            timer.cancelled.set(true);
            timer.cancel.notify_one();
        }
    }

    /// Forgets handlers and what they captured. The tasks end by themselves when their user leaves.
    pub(crate) fn clear(&self) {
        self.all.borrow_mut().clear();
    }
}

/// Sets a timer. Its first tick is scheduled when the setting flow next waits, so that `random_phase()` can still move it.
pub(crate) fn set(user: &Rc<User>, kind: TimerKind, handler: Handler) -> TimerId {
    let timer = Rc::new(Timer::default());
    let mut all = user.timers.all.borrow_mut();
    let id = TimerId(all.len() as u32);
    all.push(Rc::clone(&timer));
    user.timers.active.set(user.timers.active.get() + 1);
    let (user, began) = (Rc::clone(user), Instant::now());
    tokio::task::spawn_local(async move {
        run(&user, &timer, kind, handler, began).await;
        user.timers.active.set(user.timers.active.get() - 1);
        user.note_change();
    });
    id
}

async fn run(user: &Rc<User>, timer: &Timer, kind: TimerKind, handler: Handler, began: Instant) {
    let (mut due, period) = match kind {
        TimerKind::After(d) => (began + d, None),
        TimerKind::Every(period) => (began + first_tick(timer, period), Some(period)),
    };
    loop {
        tokio::select! {
            biased;
            () = user.gone() => return,
            () = timer.cancel.notified() => {}
            () = user.world.alarms.wait_until(due) => {}
        }
        if timer.cancelled.get() {
            return;
        }
        let (world, handler) = (Rc::clone(&user.world), handler.clone());
        let tick = user.run_boxed(Flow::intended_at(Some(due)), move || world.program.call(&handler, Vec::new()));
        tick.await;
        let Some(period) = period else { return };
        due += period;
    }
}

fn first_tick(timer: &Timer, period: Duration) -> Duration {
    timer.phase.get().map_or(period, |phase| period.mul_f64(phase))
}
