//! The controller's events: a list for who accepts JSON and nothing else, a stream for everybody else.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::extract::{Path, Query, State};
use axum::http::header::{ACCEPT, HeaderMap};
use axum::response::IntoResponse;
use axum::response::sse::{Event as Message, Sse};
use futures_util::stream::{self, Stream};
use serde_json::Value;
use tokio::sync::watch;

use super::cluster::{Cluster, Event};
use super::controller::{Answered, Refusal, document};

type Shared = watch::Sender<Cluster>;
type Parameters = BTreeMap<String, String>;

pub async fn event(State(cluster): State<Shared>, Path(id): Path<String>) -> Answered {
    let cluster = cluster.borrow();
    let found = cluster.events.iter().find(|event| event.id.to_string() == id);
    found.map(|event| document(&event.document)).ok_or(Refusal::NotThere)
}

pub async fn events(State(cluster): State<Shared>, Query(asked): Query<Parameters>, headers: HeaderMap) -> Answered {
    let given = |key: &str| asked.get(key).map(String::as_str).filter(|text| !text.is_empty());
    if given("app_id").is_some_and(|app| !cluster.borrow().is_app(app)) {
        return Err(Refusal::NotThere);
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let number = |key: &str, text: Option<&str>, default: u64| match text.map(str::parse) {
        Some(number) => number.map_err(|_| Refusal::Invalid(format!("{key} is invalid"))),
        None => Ok(default),
    };
    let mut wanted = Wanted {
        kinds: given("object_types").into_iter().flat_map(|kinds| kinds.split(',')).map(String::from).collect(),
        object: given("object_id").map(String::from),
        since: number("since_id", given("since_id"), 0)?,
        before: number("before_id", given("before_id"), u64::MAX)?,
    };
    // Zero is no limit.
    let count = usize::try_from(number("count", given("count"), 0)?).unwrap_or_default();
    let count = if count == 0 { usize::MAX } else { count };
    if header(ACCEPT.as_str()) == Some("application/json") {
        let found = wanted.newest(&cluster.borrow(), count);
        // Go writes a list without elements as null.
        return Ok(document(&if found.is_empty() { Value::Null } else { found.into() }));
    }
    wanted.since = number("Last-Event-Id", header("last-event-id"), 0)?;
    let mut changes = cluster.subscribe();
    let is_past_wanted = given("past") == Some("true") || wanted.since > 0;
    let told = {
        let now = changes.borrow_and_update();
        let past = if is_past_wanted { wanted.newest(&now, count) } else { Vec::new() };
        wanted.since = last(&now);
        past
    };
    Ok(Sse::new(follow(told, wanted, changes)).into_response())
}

/// Which events are asked for.
struct Wanted {
    kinds: Vec<String>,
    object: Option<String>,
    since: u64,
    before: u64,
}

impl Wanted {
    fn is(&self, event: &Event) -> bool {
        let is_kind = self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == event.kind);
        let is_object = self.object.as_ref().is_none_or(|object| event.document["object_id"] == **object);
        is_kind && is_object && event.id > self.since && event.id < self.before
    }

    /// The newest that are wanted, newest first.
    fn newest(&self, cluster: &Cluster, count: usize) -> Vec<Value> {
        let found = cluster.events.iter().rev().filter(|event| self.is(event));
        found.take(count).map(|event| event.document.clone()).collect()
    }
}

fn last(cluster: &Cluster) -> u64 {
    cluster.events.last().map_or(0, |event| event.id)
}

/// Tells what there is to tell, which stands newest first, then each event when it happens.
fn follow(
    told: Vec<Value>,
    wanted: Wanted,
    changes: watch::Receiver<Cluster>,
) -> impl Stream<Item = Result<Message, Infallible>> {
    stream::unfold((told, wanted, changes), |(mut told, mut wanted, mut changes)| async move {
        while told.is_empty() {
            changes.changed().await.ok()?;
            let now = changes.borrow_and_update();
            told = wanted.newest(&now, usize::MAX);
            wanted.since = last(&now);
        }
        let message = told.pop()?;
        Some((Ok(Message::default().data(message.to_string())), (told, wanted, changes)))
    })
}
