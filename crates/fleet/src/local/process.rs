//! The process of one agent, whether this coordinator started it or found it: how to
//! wait for its end, and how to bring that about.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    process::ExitStatus,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, kill_process_group},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    process::{Child, ChildStdin},
    sync::oneshot,
    time::timeout,
};

use super::former::Found;

/// A process that is killed with its own children when this is dropped before it has ended.
pub(super) enum Process {
    Child {
        child: Child,
        /// Waiting for the child would close it at once, had the child kept it.
        _input: Option<ChildStdin>,
    },
    /// Started by an earlier coordinator: the system tells when it ends, and nothing else.
    Former { pid: Pid, handle: AsyncFd<OwnedFd> },
}

impl Process {
    pub(super) fn of_child(mut child: Child) -> Process {
        let input = child.stdin.take();
        Process::Child { child, _input: input }
    }

    /// Must be called within a tokio runtime.
    #[expect(deprecated, reason = "its successor is unsafe; what that asks for, an `OwnedFd` always gives")]
    pub(super) fn of_former(found: Found) -> io::Result<Process> {
        let handle = AsyncFd::with_interest(found.handle, Interest::READABLE)?;
        Ok(Process::Former { pid: found.pid, handle })
    }

    /// Waits for the end, and brings it about when `asked`: politely first, after `grace` by force.
    pub(super) async fn live(mut self, asked: oneshot::Receiver<()>, grace: Duration) -> io::Result<ExitStatus> {
        tokio::select! {
            // It ended by itself.
            status = self.wait() => return status,
            // Somebody wants it to end.
            _ = asked => {}
        }
        self.signal(Signal::TERM);
        match timeout(grace, self.wait()).await {
            Ok(status) => status,
            Err(_elapsed) => {
                self.signal(Signal::KILL);
                self.wait().await
            }
        }
    }

    async fn wait(&mut self) -> io::Result<ExitStatus> {
        match self {
            Process::Child { child, .. } => child.wait().await,
            Process::Former { handle, .. } => {
                let _ended = handle.readable().await?;
                Err(io::Error::other("how is unknown: an earlier coordinator had started it"))
            }
        }
    }

    /// Signals the agent and its own children; does nothing once the agent has ended.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.running() {
            let _ = kill_process_group(group, signal); // fails only if all have ended
        }
    }

    /// The process's number, which is its group's, too, while the number cannot be another's.
    fn running(&self) -> Option<Pid> {
        match self {
            // Until a child is waited for, the system keeps its number.
            Process::Child { child, .. } => Pid::from_raw(i32::try_from(child.id()?).ok()?),
            // If the system cannot tell, the number may be a stranger's.
            Process::Former { pid, handle } => has_ended(handle.get_ref()).is_ok_and(|ended| !ended).then_some(*pid),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Whether the process behind a handle has ended, waited for or not.
pub(super) fn has_ended(handle: &impl AsFd) -> io::Result<bool> {
    // The system makes the handle readable then.
    let mut watched = [PollFd::new(handle, PollFlags::IN)];
    Ok(poll(&mut watched, Some(&Timespec::default()))? > 0)
}
