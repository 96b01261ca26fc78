//! Waiting to the microsecond: one kernel timer for all waits of a thread.
//!
//! tokio's timers count in milliseconds and round up, so a heartbeat would start one to two milliseconds late; its response
//! time counts from the intended instant, and half of what we report of a fast system would be our own lateness. A
//! `timerfd` wakes the same poll loop within some 50 µs. A wait costs an entry in a heap, less than a timer of tokio's.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

/// A wait in the heap: earliest first, among equals the one that was set first.
type Entry = Reverse<(Instant, u64)>;

/// All waits of one thread. [`Alarms::ring`] must be running for any of them to end.
pub(crate) struct Alarms {
    timer: AsyncFd<OwnedFd>,
    /// Every wait, also those that were given up; by instant.
    heap: RefCell<BinaryHeap<Entry>>,
    /// Who is to be woken, by number; a wait that was given up is not here.
    wakers: RefCell<std::collections::HashMap<u64, Waker>>,
    next: Cell<u64>,
    /// What the kernel's timer is set to.
    set_to: Cell<Option<Instant>>,
}

impl Alarms {
    /// Makes the kernel's timer. Must be called within a runtime.
    ///
    /// # Errors
    /// When the process has no file left for it.
    #[allow(deprecated)] // that is about types whose descriptor may change under way; an OwnedFd's cannot
    pub(crate) fn new() -> io::Result<Rc<Self>> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Rc::new(Self {
            timer: AsyncFd::new(timer)?,
            heap: RefCell::default(),
            wakers: RefCell::default(),
            next: Cell::new(0),
            set_to: Cell::new(None),
        }))
    }

    /// Waits until an instant; comes back at once if it has passed.
    pub(crate) fn wait_until(self: &Rc<Self>, at: Instant) -> Wait {
        Wait { alarms: Rc::clone(self), at, number: None }
    }

    /// Waits for a duration.
    pub(crate) fn wait(self: &Rc<Self>, d: Duration) -> Wait {
        // A wait beyond all instants never ends, which a century comes close enough to.
        let at = Instant::now().checked_add(d).unwrap_or_else(|| Instant::now() + Duration::from_secs(3_153_600_000));
        self.wait_until(at)
    }

    /// Waits until an instant, or for ever.
    pub(crate) async fn until(self: &Rc<Self>, at: Option<Instant>) {
        match at {
            Some(at) => self.wait_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Wakes waits when their time has come, for as long as it runs.
    pub(crate) async fn ring(self: Rc<Self>) {
        loop {
            self.wake_due(Instant::now());
            let Ok(mut ready) = self.timer.readable().await else { return }; // the runtime is shutting down
            // The count of expirations is of no interest; reading it makes the timer wait again.
            let _ = ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut [0_u8; 8])?));
            self.set_to.set(None);
        }
    }

    fn wake_due(&self, now: Instant) {
        let mut heap = self.heap.borrow_mut();
        while let Some(Reverse((at, number))) = heap.peek().copied() {
            let is_wanted = self.wakers.borrow().contains_key(&number);
            if is_wanted && at > now {
                break;
            }
            heap.pop();
            if let Some(waker) = self.wakers.borrow_mut().remove(&number) {
                waker.wake();
            }
        }
        if let Some(Reverse((at, _))) = heap.peek() {
            self.set(*at, now);
        }
    }

    fn set(&self, at: Instant, now: Instant) {
        if self.set_to.get().is_some_and(|set_to| set_to <= at) {
            return;
        }
        // A timer set to zero would be switched off.
        let left = at.saturating_duration_since(now).max(Duration::from_nanos(1));
        let it_value = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = Itimerspec { it_interval, it_value };
        timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &spec)
            .expect("the descriptor is a timer of ours and the time is a valid one");
        self.set_to.set(Some(at));
    }

    fn register(&self, at: Instant, waker: Waker) -> u64 {
        let number = self.next.replace(self.next.get() + 1);
        self.wakers.borrow_mut().insert(number, waker);
        self.heap.borrow_mut().push(Reverse((at, number)));
        self.set(at, Instant::now());
        number
    }
}

/// A wait; giving it up costs nothing but its place in the heap.
pub(crate) struct Wait {
    alarms: Rc<Alarms>,
    at: Instant,
    number: Option<u64>,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.at {
            return Poll::Ready(());
        }
        match self.number.filter(|number| self.alarms.wakers.borrow().contains_key(number)) {
            Some(number) => {
                self.alarms.wakers.borrow_mut().insert(number, context.waker().clone());
            }
            None => self.number = Some(self.alarms.register(self.at, context.waker().clone())),
        }
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.alarms.wakers.borrow_mut().remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::LocalSet;

    use super::*;

    fn on_a_thread<F: Future<Output = ()>>(work: impl FnOnce(Rc<Alarms>) -> F) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let alarms = Alarms::new().unwrap();
            tokio::task::spawn_local(Rc::clone(&alarms).ring());
            let limit = Duration::from_secs(20);
            tokio::time::timeout(limit, work(alarms)).await.expect("a wait never ended");
        });
    }

    #[test]
    fn waits_end_in_their_order_and_never_early() {
        on_a_thread(|alarms| async move {
            let ended = Rc::new(RefCell::new(Vec::new()));
            let began = Instant::now();
            let tasks: Vec<_> = [30_u64, 10, 20, 10]
                .into_iter()
                .map(|ms| {
                    let (alarms, ended) = (Rc::clone(&alarms), Rc::clone(&ended));
                    tokio::task::spawn_local(async move {
                        let at = began + Duration::from_millis(ms);
                        alarms.wait_until(at).await;
                        assert!(Instant::now() >= at);
                        ended.borrow_mut().push(ms);
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(*ended.borrow(), [10, 10, 20, 30]);
        });
    }

    #[test]
    fn a_wait_that_was_given_up_keeps_nobody() {
        on_a_thread(|alarms| async move {
            let long = alarms.wait(Duration::from_secs(3_600));
            let short = alarms.wait(Duration::from_millis(5));
            tokio::select! {
                () = long => panic!("an hour has not passed"),
                () = short => {}
            }
            assert!(alarms.wakers.borrow().is_empty());
            alarms.wait(Duration::from_millis(1)).await;
        });
    }

    /// With timers of whole milliseconds, half of all waits were more than a millisecond late on an idle machine.
    #[test]
    fn waits_are_not_rounded_to_milliseconds() {
        on_a_thread(|alarms| async move {
            let mut late = Vec::new();
            for _ in 0..200 {
                let at = Instant::now() + Duration::from_micros(700);
                alarms.wait_until(at).await;
                late.push(at.elapsed());
            }
            late.sort_unstable();
            assert!(late[20] < Duration::from_micros(300), "even a quiet tenth was {:?} late", late[20]);
        });
    }
}
