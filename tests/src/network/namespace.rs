//! A network namespace without a name: it lives as long as somebody holds it or is in it.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::panic;
use std::sync::Arc;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

use super::Unavailable;

/// A handle of a namespace.
#[derive(Clone, Debug)]
pub(super) struct Namespace {
    file: Arc<File>,
}

impl Namespace {
    /// Makes one and furnishes it from inside.
    pub(super) fn new<T: Send>(furnish: impl FnOnce() -> T + Send) -> Result<(Self, T), Unavailable> {
        on_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|error| Unavailable::Namespace(error.into()))?;
            let file = File::open("/proc/thread-self/ns/net").expect("opening a namespace of our own");
            Ok((Self { file: Arc::new(file) }, furnish()))
        })
    }

    /// Moves the calling thread, with the sockets and processes that it makes from now on, in here.
    pub(super) fn enter(&self) {
        setns(&self.file, CloneFlags::CLONE_NEWNET).expect("entering a namespace of our own");
    }

    /// Does something in here.
    pub(super) fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        on_thread(|| {
            self.enter();
            work()
        })
    }

    /// A path that leads other processes here, as long as this one lives.
    pub(super) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    /// What the kernel calls it, `net:[4026532264]`: no two that live have one identity.
    pub(super) fn identity(&self) -> String {
        let link = fs::read_link(self.path()).expect("reading the link to a namespace of our own");
        link.to_string_lossy().into_owned()
    }
}

/// A thread of its own for each visit: none stays behind in a namespace by mistake.
fn on_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| panic::resume_unwind(panic))
}
