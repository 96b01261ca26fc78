//! Long polling: a bounded log of events in which each client keeps its own place, the cursor.
//!
//! A cursor counts the events since the start. A client that always asks with the cursor of the
//! last answer gets every event once, also those that came between two of its polls.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::Shared;
use crate::caller::{Caller, unix_second};
use crate::refusal::Refusal;
use crate::routes::Uncounted;
use crate::scaling::{Line, asked_to_leave};
use crate::sockets::Event;

/// Events that are kept for clients between two polls. A client that misses more than these is
/// told how many it missed.
const KEPT: usize = 256;

/// The events that polls return.
#[derive(Debug)]
pub(crate) struct EventLog {
    /// The log is itself the value that polls watch: nothing can come between looking and waiting.
    log: watch::Sender<Log>,
    wait: Duration,
}

impl EventLog {
    pub(crate) fn new(wait: Duration) -> Self {
        let log = watch::Sender::new(Log::default());
        Self { log, wait }
    }

    /// Logs an event and wakes all polls; returns how many were hanging.
    pub(crate) fn publish(&self, event: Arc<Event>) -> usize {
        // Counted first: a poll that was woken is gone before one could count.
        let waiting = self.waiting_now();
        self.log.send_modify(|log| log.push(event));
        waiting
    }

    /// Answers the polls that hang, and all later ones at once.
    pub(crate) fn close(&self) {
        self.log.send_modify(|log| log.closed = true);
    }

    pub(crate) fn waiting_now(&self) -> usize {
        self.log.receiver_count()
    }

    fn end(&self) -> u64 {
        self.log.borrow().end()
    }

    /// Waits until there is something that the cursor has not seen, or long enough.
    async fn after(&self, cursor: u64) -> Page {
        let mut log = self.log.subscribe();
        let news = log.wait_for(|log| log.closed || log.end() != cursor);
        match timeout(self.wait, news).await {
            Ok(Ok(log)) => log.page(cursor),
            _ => Page { cursor, ..Page::default() },
        }
    }
}

#[derive(Debug, Default)]
struct Log {
    /// The cursor of the first event that is kept.
    oldest: u64,
    events: VecDeque<Arc<Event>>,
    closed: bool,
}

impl Log {
    fn push(&mut self, event: Arc<Event>) {
        if self.events.len() == KEPT {
            self.events.pop_front();
            self.oldest += 1;
        }
        self.events.push_back(event);
    }

    fn end(&self) -> u64 {
        self.oldest + self.events.len() as u64
    }

    /// Returns what came after the cursor. One beyond the end is from another life of the demo:
    /// it gets no events but a cursor that works.
    fn page(&self, cursor: u64) -> Page {
        let missed = self.oldest.saturating_sub(cursor);
        let seen = cursor.saturating_sub(self.oldest);
        let seen = usize::try_from(seen).unwrap_or(usize::MAX);
        Page { cursor: self.end(), events: self.events.iter().skip(seen).cloned().collect(), missed }
    }
}

/// The answer to a poll.
#[derive(Debug, Default, PartialEq)]
struct Page {
    cursor: u64,
    events: Vec<Arc<Event>>,
    /// Events after the client's cursor that are no longer kept.
    missed: u64,
}

impl Page {
    /// Joins the events' own texts, which were written once for all clients.
    fn to_json(&self) -> String {
        let texts: Vec<&str> = self.events.iter().map(|event| event.text()).collect();
        let events = texts.join(",");
        let missed = match self.missed {
            0 => String::new(),
            missed => format!(r#","missed":{missed}"#),
        };
        format!(r#"{{"cursor":{},"events":[{events}]{missed}}}"#, self.cursor)
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/json")], self.to_json()).into_response()
    }
}

#[derive(Deserialize)]
pub(crate) struct PollQuery {
    cursor: Option<u64>,
}

/// Answers `GET /poll`: without a cursor it opens the socket, with one it waits for events.
pub(crate) async fn poll(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    line: Option<Extension<Line>>,
    query: Result<Query<PollQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(PollQuery { cursor }) = query?;
    let Some(cursor) = cursor else {
        shared.ledger.polling_opened(caller.agent(), unix_second());
        let opening = Page { cursor: shared.log.end(), ..Page::default() };
        return Ok((Extension(Uncounted), opening).into_response());
    };
    let mut line = line.map(|Extension(line)| line);
    let page = tokio::select! {
        page = shared.log.after(cursor) => page,
        // What it has not heard by now it hears from another instance.
        () = asked_to_leave(&mut line) => Page { cursor, ..Page::default() },
    };
    let events = page.events.iter().map(|event| event.name());
    shared.ledger.delivered(events, caller.agent(), unix_second());
    Ok(page.into_response())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sockets::Envelope;

    fn tick(n: u64) -> Event {
        let envelope: Envelope = serde_json::from_value(json!({ "event": "tick", "data": n })).unwrap();
        envelope.into()
    }

    fn log_of(count: u64) -> Log {
        let mut log = Log::default();
        for n in 0..count {
            log.push(Arc::new(tick(n)));
        }
        log
    }

    fn check(logged: u64, cursor: u64, expected: &str) {
        assert_eq!(log_of(logged).page(cursor).to_json(), expected);
    }

    #[test]
    fn pages_begin_at_the_cursor() {
        let both = r#"{"cursor":2,"events":[{"event":"tick","data":0},{"event":"tick","data":1}]}"#;
        check(2, 0, both);
        check(2, 1, r#"{"cursor":2,"events":[{"event":"tick","data":1}]}"#);
        check(2, 2, r#"{"cursor":2,"events":[]}"#);
        // From before a restart.
        check(2, u64::MAX, r#"{"cursor":2,"events":[]}"#);
    }

    #[test]
    fn what_is_no_longer_kept_is_stated() {
        let kept = KEPT as u64;
        let page = log_of(kept + 10).page(3);
        assert_eq!((page.missed, page.events.len(), page.cursor), (7, KEPT, kept + 10));
        assert!(page.to_json().ends_with(r#""missed":7}"#));
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_without_news_hangs_its_time_and_keeps_its_cursor() {
        let log = EventLog::new(Duration::from_secs(25));
        let asked = tokio::time::Instant::now();
        assert_eq!(log.after(0).await, Page::default());
        assert_eq!(asked.elapsed().as_secs(), 25);
    }
}
