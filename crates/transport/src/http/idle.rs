//! Connections that wait for their user's next request, and how they give their buffers back.
//!
//! With its buffers an idle connection costs 26 KiB, without them about one. Rebuilding them costs a microsecond, which a user who
//! asks again at once should not pay. So the idle connections of all users of a thread stand in a ring, and every release of
//! one looks at the two at its front: those that have rested a while lose their buffers, the others go to the back. No timer is needed:
//! only releases make new idle connections, so while nothing is released nothing grows.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use rehearsal_plan::Endpoint;
use tokio::time::Instant;

use super::connection::Connection;
use crate::network::Stream;

/// How long a connection rests before its buffers are taken; longer than a busy user's pause between two requests.
const REST: Duration = Duration::from_millis(250);

/// Connections that one release looks at. Two, so that the ring is gone through faster than it fills.
const LOOKS: usize = 2;

/// A kept connection between and during its requests.
pub(super) struct Kept {
    /// The instance at its other end, if its origin is a service that is followed.
    instance: Option<Arc<Endpoint>>,
    released: Cell<Instant>,
    /// Stands in the ring already.
    listed: Cell<bool>,
    state: RefCell<State>,
}

enum State {
    InUse,
    /// Can send at once.
    Warm(Box<Connection>),
    /// Has no buffers.
    Cold(Stream),
}

impl Kept {
    pub fn new(instance: Option<Arc<Endpoint>>) -> Rc<Self> {
        Rc::new(Self {
            instance,
            released: Cell::new(Instant::now()),
            listed: Cell::new(false),
            state: RefCell::new(State::InUse),
        })
    }

    /// The instance of the service that it leads to.
    pub fn instance(&self) -> Option<&Endpoint> {
        self.instance.as_deref()
    }

    /// When the connection last became idle.
    pub fn released(&self) -> Instant {
        self.released.get()
    }

    /// Takes the connection into use; `None` if it turns out to be closed.
    pub async fn take(&self) -> Option<Box<Connection>> {
        let state = self.state.replace(State::InUse);
        let mut connection = match state {
            State::InUse => return None,
            State::Warm(connection) => connection,
            State::Cold(stream) => Connection::new(stream).await.ok()?,
        };
        let open = futures_util::future::poll_fn(|cx| std::task::Poll::Ready(connection.settle(cx))).await;
        open.then_some(connection)
    }

    /// Makes the connection idle from `now` on.
    pub fn put(&self, connection: Box<Connection>, now: Instant) {
        self.released.set(now);
        self.state.replace(State::Warm(connection));
    }

    /// Whether the idle connection can no longer be used.
    pub fn is_spent(&self) -> bool {
        match &mut *self.state.borrow_mut() {
            State::InUse => true,
            State::Warm(connection) => !connection.settle(&mut Context::from_waker(Waker::noop())),
            State::Cold(stream) => stream.is_spent(),
        }
    }

    /// Gives the buffers back. A connection with unasked-for bytes in them is closed; the next use finds that out.
    fn cool(&self) {
        let state = self.state.replace(State::InUse);
        let cooled = match state {
            State::Warm(connection) => connection.into_stream().map_or(State::InUse, State::Cold),
            other => other,
        };
        self.state.replace(cooled);
    }
}

/// The ring of a thread's connections that still have their buffers; no longer than there are such connections, and those that
/// were closed since.
#[derive(Default)]
pub(crate) struct Cooling {
    ring: RefCell<VecDeque<Weak<Kept>>>,
}

impl Cooling {
    /// Lists a connection that just became idle, and cools others that have rested long enough.
    pub(super) fn list(&self, kept: &Rc<Kept>, now: Instant) {
        let mut ring = self.ring.borrow_mut();
        if !kept.listed.replace(true) {
            ring.push_back(Rc::downgrade(kept));
        }
        for _ in 0..LOOKS {
            let Some(front) = ring.pop_front() else {
                return;
            };
            let Some(kept) = front.upgrade() else {
                continue;
            };
            if now.saturating_duration_since(kept.released()) < REST {
                ring.push_back(front);
            } else {
                // In use for long: it will be listed again when it is released.
                kept.listed.set(false);
                kept.cool();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn a_connection_that_rests_gives_its_buffers_back_and_still_works() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let (cooling, kept, began) = (Cooling::default(), Kept::new(None), Instant::now());
        kept.put(Connection::new(Stream::Plain(stream)).await.unwrap(), began);

        cooling.list(&kept, began);
        assert!(matches!(*kept.state.borrow(), State::Warm(_)), "it has just been used");
        cooling.list(&kept, began + REST);
        assert!(matches!(*kept.state.borrow(), State::Cold(_)), "it has rested");
        assert!(cooling.ring.borrow().is_empty());

        let connection = kept.take().await.expect("the server has not closed it");
        kept.put(connection, Instant::now());
        drop(server);
        let taken = async {
            while let Some(connection) = kept.take().await {
                kept.put(connection, Instant::now());
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), taken).await.expect("the closing is noticed");
    }
}
