//! The stream of a run's snapshots.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, StreamExt as _, stream};
use rehearsal_report::view::Snapshot;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

use super::{RunPath, Shared};
use crate::body::InPath;
use crate::{Frame, Refusal};

/// How often a silent stream says that it is alive.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// Sends the newest snapshot, again and again.
///
/// Each message is the newest `Snapshot` as JSON; its `id` is the revision. A slow reader misses snapshots and never gets a
/// backlog: if `since` is later than what it holds, it asks for the timeline. A comment comes every 5 s when there is nothing
/// else. When the run is over, the last message is followed by `event: end`; a stream that ends without it has broken off.
#[utoipa::path(
    get, path = "/api/runs/{id}/events", tag = "runs", params(RunPath),
    responses(
        (status = 200, content_type = "text/event-stream", body = Snapshot, description = "Each message's data."),
        Refusal,
    ),
)]
pub(crate) async fn events(
    State(shared): State<Arc<Shared>>,
    InPath(RunPath { id }): InPath<RunPath>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let frames = shared.desk.watch(&id.0)?;
    let stream = messages(frames, shared.stopping.clone());
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)))
}

/// The frame at hand, then each newer one when the reader is ready for it, then the end; nothing after the server's stop.
fn messages(
    frames: watch::Receiver<Arc<Frame>>,
    mut stopping: watch::Receiver<()>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let newest =
        WatchStream::new(frames).map(|frame| Event::default().id(frame.revision.to_string()).data(&frame.json));
    // Browsers drop an event without data.
    let end = stream::once(async { Event::default().event("end").data("{}") });
    let stopped = async move {
        // The channel never carries a value: this is its end.
        let _ = stopping.changed().await;
    };
    // What is there to be sent goes before the stop: the last frame and the end of a run that has just ended.
    let stopped = stream::once(stopped).filter_map(|()| async { None }).chain(stream::once(async { None }));
    let messages = newest.chain(end).map(Some);
    let merged = stream::select_with_strategy(messages.chain(stream::once(async { None })), stopped, |_: &mut ()| {
        stream::PollNext::Left
    });
    merged.take_while(|message| std::future::ready(message.is_some())).filter_map(std::future::ready).map(Ok)
}
