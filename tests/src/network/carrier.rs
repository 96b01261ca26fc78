//! The thread that carries packets between two TUN devices, as two lines say.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tokio::sync::{Notify, oneshot};
use tokio::time::sleep_until;
use tun_rs::{AsyncDevice, SyncDevice};

use super::line::{Conditions, Line, Traffic};

/// The longest packet, in bytes; shorter than Ethernet's, as in most tunnels.
pub(super) const MTU: u16 = 1400;

/// A line between the test, which sets its conditions, and the carrier.
#[derive(Debug)]
pub(super) struct SharedLine {
    line: Mutex<Line>,
    changed: Notify,
}

impl SharedLine {
    pub(super) fn new(seed: u64) -> Self {
        Self { line: Mutex::new(Line::new(seed, Instant::now())), changed: Notify::new() }
    }

    pub(super) fn set(&self, conditions: Conditions) {
        self.lock().set(conditions, Instant::now());
        // What waited for a slow line may be due by now.
        self.changed.notify_one();
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.lock().traffic()
    }

    /// Its lock must not be held while the packet is sent.
    fn take_due(&self) -> Option<Vec<u8>> {
        self.lock().take_due(Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().expect("nobody panics with a line in hand")
    }
}

/// The thread. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Carrier {
    // Both are taken when dropped.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Carrier {
    /// Starts carrying: the first line goes from the first device to the second, the second back.
    pub(super) fn start(devices: [SyncDevice; 2], lines: [Arc<SharedLine>; 2]) -> Self {
        let (stop, stopped) = oneshot::channel();
        let carrying = async move {
            let [a, b] = devices.map(|device| AsyncDevice::new(device).expect("waiting for a TUN device"));
            let error = tokio::select! {
                // The network is no longer needed.
                _ = stopped => return,
                // Neither ends before unless a device fails.
                error = carry(&a, &lines[0], &b) => error,
                error = carry(&b, &lines[1], &a) => error,
            };
            panic!("reading what a host sent: {error}");
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("making the runtime of a network");
        // Not a task of the test's runtime: how long packets take must not depend on what the test does.
        let thread = thread::Builder::new().name("network".to_owned()).spawn(move || runtime.block_on(carrying));
        Self { stop: Some(stop), thread: Some(thread.expect("starting the thread of a network")) }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has said why if it panicked.
            let _ = thread.join();
        }
    }
}

/// Carries in one direction, and returns why that is over.
async fn carry(from: &AsyncDevice, line: &SharedLine, to: &AsyncDevice) -> io::Error {
    let mut buffer = vec![0; usize::from(MTU)];
    loop {
        while let Some(packet) = line.take_due() {
            if to.send(&packet).await.is_err() {
                line.lock().refused();
            }
        }
        let due = line.lock().next_due();
        let wait = async {
            match due {
                Some(due) => sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // A packet was sent.
            received = from.recv(&mut buffer) => match received {
                Ok(length) => line.lock().accept(buffer[..length].to_vec(), Instant::now()),
                Err(error) => return error,
            },
            // Something has arrived, or has its turn on a slow line.
            () = wait => {}
            // The conditions are others now.
            () = line.changed.notified() => {}
        }
    }
}
