//! Who is running: the [`Host`] of the script that has the thread at this moment.
//!
//! Native functions are registered once per thread and serve all its users, so they look up whose turn it is. The engine
//! sets the host around every resumption of a fiber; nothing else may hold on to it.

use std::cell::RefCell;
use std::rc::Rc;

use rhai::{EvalAltResult, Position};

use crate::call::{Answer, Call, Host, Stop};

thread_local! {
    static CURRENT: RefCell<Option<Rc<dyn Host>>> = const { RefCell::new(None) };
}

/// Runs `work` with `host` as the one that native functions talk to, and restores the previous one after it.
pub fn with_host<T>(host: &Rc<dyn Host>, work: impl FnOnce() -> T) -> T {
    struct Restore(Option<Rc<dyn Host>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.with(|current| current.replace(self.0.take()));
        }
    }
    let previous = CURRENT.with(|current| current.replace(Some(Rc::clone(host))));
    let _restore = Restore(previous);
    work()
}

/// The host of the running script, if one is running.
#[must_use]
pub fn host() -> Option<Rc<dyn Host>> {
    CURRENT.with(|current| current.borrow().clone())
}

type Failure = Box<EvalAltResult>;

/// The host, or the error of a call made where no user is (in `plan()` or at the top level).
pub(crate) fn require(what: &str) -> Result<Rc<dyn Host>, Failure> {
    host()
        .ok_or_else(|| format!("{what} needs a running user: it cannot be called in plan() or at the top level").into())
}

/// Makes a call of the running user; a [`Stop`] becomes the error that a script cannot catch.
pub(crate) fn ask(what: &str, call: Call) -> Result<Answer, Failure> {
    require(what)?.call(call).map_err(|Stop| terminated())
}

/// The error that unwinds a script whose user has to go.
pub(crate) fn terminated() -> Failure {
    EvalAltResult::ErrorTerminated(rhai::Dynamic::UNIT, Position::NONE).into()
}
