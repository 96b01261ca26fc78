//! What a script wants its socket to do: a bounded queue between the script and the future that runs the socket.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use tokio::sync::Notify;

/// A message to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    Text(String),
    Binary(Bytes),
    /// An unasked-for pong, which some servers take as a sign of life.
    Pong(Bytes),
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The server takes messages more slowly than the script makes them.
    #[error("sending on the socket: the queue is full")]
    Full,
    /// The transport only receives.
    #[error("sending on the socket: this transport cannot send")]
    ReceiveOnly,
    /// The socket has ended or is about to.
    #[error("sending on the socket: it is closed")]
    Closed,
}

/// The queue of one socket's commands.
#[derive(Debug)]
pub struct Commands {
    queue: RefCell<VecDeque<Outgoing>>,
    capacity: usize,
    /// The code to close with, once all of the queue has been sent.
    close: Cell<Option<u16>>,
    refusal: Cell<Option<SendError>>,
    wake: Notify,
}

/// The next thing to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Send(Outgoing),
    Close(u16),
}

impl Commands {
    /// Makes an empty queue for at most `capacity` messages. It takes no memory until the first one.
    pub fn new(capacity: usize) -> Rc<Self> {
        Rc::new(Self {
            queue: RefCell::default(),
            capacity,
            close: Cell::new(None),
            refusal: Cell::new(None),
            wake: Notify::new(),
        })
    }

    /// Queues a message.
    ///
    /// # Errors
    /// When the queue is full, the socket is closing or closed, or its transport cannot send; the message is dropped then.
    pub fn send(&self, message: Outgoing) -> Result<(), SendError> {
        if let Some(refusal) = self.refusal.get() {
            return Err(refusal);
        }
        let mut queue = self.queue.borrow_mut();
        if queue.len() >= self.capacity {
            return Err(SendError::Full);
        }
        queue.push_back(message);
        self.wake.notify_one();
        Ok(())
    }

    /// Asks to close the socket with a WebSocket close code, after what is queued has been sent. Only the first call counts.
    pub fn close(&self, code: u16) {
        if self.close.get().is_none() {
            self.close.set(Some(code));
            self.refuse(SendError::Closed);
            self.wake.notify_one();
        }
    }

    /// Refuses messages from now on.
    pub(super) fn refuse(&self, why: SendError) {
        self.refusal.set(Some(why));
    }

    /// Waits for the next command. Dropping the future loses none.
    pub(super) async fn next(&self) -> Command {
        loop {
            if let Some(message) = self.queue.borrow_mut().pop_front() {
                return Command::Send(message);
            }
            if let Some(code) = self.close.get() {
                return Command::Close(code);
            }
            self.wake.notified().await;
        }
    }

    /// Waits for the command to close and returns its code, leaving the queue as it is.
    pub(super) async fn closing(&self) -> u16 {
        loop {
            if let Some(code) = self.close.get() {
                return code;
            }
            self.wake.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn closing_comes_after_what_was_queued() {
        let commands = Commands::new(2);
        let text = |text: &str| Outgoing::Text(text.into());
        assert_eq!(commands.send(text("a")), Ok(()));
        assert_eq!(commands.send(text("b")), Ok(()));
        assert_eq!(commands.send(text("c")), Err(SendError::Full));
        commands.close(1000);
        commands.close(4000);
        assert_eq!(commands.send(text("d")), Err(SendError::Closed));
        assert_eq!(commands.next().await, Command::Send(text("a")));
        assert_eq!(commands.next().await, Command::Send(text("b")));
        assert_eq!(commands.next().await, Command::Close(1000));
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken() {
        let commands = Commands::new(1);
        let (next, ()) = tokio::join!(commands.next(), async { commands.close(1001) });
        assert_eq!(next, Command::Close(1001));
    }
}
