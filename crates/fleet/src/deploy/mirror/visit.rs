//! One client from its connection to its end: a handshake, one request, one answer. Connections are not kept, since
//! nobody wants a second build, and each part has its time, so that nobody can hold what others wait for.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::server::TlsStream;

use super::{
    Limits, Shared,
    answer::{Progress, answer},
};

/// The longest head of a request; also how much of an answer waits for the client beside the piece under way.
const LONGEST_HEAD: usize = 16 * 1024;

/// Serves a client, and counts what came of it.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let count = |counter: &AtomicU64, by: u64| counter.fetch_add(by, Ordering::Relaxed);
    let stream = match timeout(shared.limits.handshake, shared.acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        // It speaks something else, or has left.
        Ok(Err(_)) => return,
        Err(_) => {
            count(&shared.counters.cut, 1);
            return;
        }
    };
    let progress = watch::Sender::new(Progress::default());
    let is_cut = talk(stream, &shared, &progress).await;
    let Progress { handed, of } = *progress.borrow();
    let is_whole = of > 0 && handed == of && !is_cut;
    count(&shared.counters.bytes, handed);
    count(&shared.counters.downloads, is_whole.into());
    count(&shared.counters.cut, is_cut.into());
}

/// Says whether the client was cut off.
async fn talk(stream: TlsStream<TcpStream>, shared: &Shared, progress: &watch::Sender<Progress>) -> bool {
    let Limits { head, visit, .. } = shared.limits;
    let service = service_fn(move |request: hyper::Request<Incoming>| async move {
        Ok::<_, Infallible>(answer(request, shared, progress).await)
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(LONGEST_HEAD)
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // It has its answer, has left, or has sent no whole head in time.
        ended = connection => ended.is_err_and(|error| error.is_timeout()),
        // It takes nothing of what it asked for.
        () = stall(progress.subscribe(), &shared.limits) => true,
        // It has used up all its time.
        () = sleep(visit) => true,
    }
}

/// Waits until a download has begun, and then until one of its pieces takes too long.
async fn stall(mut progress: watch::Receiver<Progress>, limits: &Limits) {
    // The sender outlives this, so there are only changes.
    let _ = progress.changed().await;
    while timeout(limits.piece, progress.changed()).await.is_ok() {}
}
