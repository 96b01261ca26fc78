//! Counts what is there: whoever counts gets a guard, and is counted until it is dropped.

use tokio::sync::watch;

/// How many there are, for all who want to know or wait.
#[derive(Clone, Debug)]
pub(crate) struct Census(watch::Sender<usize>);

/// One that is there.
#[derive(Debug)]
pub(crate) struct Present(watch::Sender<usize>);

impl Census {
    pub(crate) fn new() -> Self {
        Census(watch::Sender::new(0))
    }

    pub(crate) fn enter(&self) -> Present {
        self.0.send_modify(|count| *count += 1);
        Present(self.0.clone())
    }

    pub(crate) fn watch(&self) -> watch::Receiver<usize> {
        self.0.subscribe()
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
