//! The second of the timeline that is played: it runs with the wall clock, or is moved by hand.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Says which second it is. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Mutex<State>>);

#[derive(Clone, Copy, Debug)]
enum State {
    /// Runs since an instant, at which it was this second.
    Running(Instant, f64),
    /// Stands until it is moved.
    Held(f64),
}

impl Clock {
    /// A clock that runs from a second on.
    #[must_use]
    pub fn running(from: f64) -> Clock {
        Clock(Arc::new(Mutex::new(State::Running(Instant::now(), from))))
    }

    /// A clock that stands at a second.
    #[must_use]
    pub fn held(at: f64) -> Clock {
        Clock(Arc::new(Mutex::new(State::Held(at))))
    }

    /// The second that it is.
    #[must_use]
    pub fn now(&self) -> f64 {
        match *self.state() {
            State::Running(since, from) => from + since.elapsed().as_secs_f64(),
            State::Held(at) => at,
        }
    }

    /// Moves it to a second; one that ran runs on from there.
    pub fn set(&self, second: f64) {
        let mut state = self.state();
        *state = match *state {
            State::Running(..) => State::Running(Instant::now(), second),
            State::Held(_) => State::Held(second),
        };
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Whoever panicked while holding it left a whole state behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
