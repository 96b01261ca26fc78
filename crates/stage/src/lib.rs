//! Where a fake plays: a thread with a runtime of its own.
//!
//! So a fake serves tests without a runtime, too, none that pauses its clock can stop it, and when it is dropped it is
//! gone with all its connections, as a system is that was killed.
#![forbid(unsafe_code)]

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};

use axum::Router;
use tokio::sync::oneshot;

/// A future on its way; dropping this ends it.
#[derive(Debug)]
pub struct Stage {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Stage {
    /// Plays a future until it ends or the stage is dropped.
    ///
    /// # Errors
    /// When the operating system refuses a thread, or what a runtime needs.
    pub fn play(work: impl Future<Output = ()> + Send + 'static) -> io::Result<Stage> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let perform = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = work => {}
                    // The handle was dropped.
                    _ = stopped => {}
                }
            });
        };
        let thread = thread::Builder::new().name("fake".into()).spawn(perform)?;
        Ok(Stage { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Takes an address; port 0 takes a free one, which is given back.
///
/// # Errors
/// When the address cannot be had.
pub fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves routes until the future is dropped.
pub async fn serve(listener: TcpListener, routes: Router) {
    // Neither fails once the listener is there: axum goes on after a connection that could not be accepted.
    if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
        let _ = axum::serve(listener, routes).await;
    }
}
