//! What the demo counted: the truth that a report about it is compared with.
//!
//! An answer is counted when it is ready, just before it is written, so whoever has read an answer
//! finds it in the counters. A message to a WebSocket is counted when it was written. When the
//! demo is scaled, a refused request was answered with 503 and counts as that (a refused upgrade,
//! like every upgrade, is not among the requests); what was cut off was not answered.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use serde::{Deserialize, Serialize};

use crate::seconds::Seconds;

/// The one name for all paths that do not exist, and for all names beyond [`MOST_NAMES`].
pub(crate) const OTHER: &str = "(other)";

/// Most names of events or agents that are told apart: they come from outside, and a client that
/// invents new ones must not fill the memory.
const MOST_NAMES: usize = 10_000;

/// Longest name of an event or agent, in bytes, that is counted as itself.
pub(crate) const LONGEST_NAME: usize = 128;

/// The call that is a poll.
const POLL: (&str, &str) = ("GET", "/poll");

/// Answers by call (`"GET /api/programme"`) and status.
pub type Requests = BTreeMap<String, BTreeMap<u16, u64>>;

/// All counters since the start or the last reset. Neither `/admin/*` nor `/socket` is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Answers by call and status; a poll is in it when it was answered, its opening is not.
    pub requests: Requests,
    /// Sockets that were opened, by transport.
    pub sockets_opened: SocketsOpened,
    /// By event: the WebSockets to which it was written and the polls that returned it.
    pub delivered: BTreeMap<String, u64>,
    /// By event: messages that came from WebSockets.
    pub received: BTreeMap<String, u64>,
    /// Votes that were accepted.
    pub votes: u64,
    /// What the users of each agent got that gave its id in `x-rehearsal-agent`.
    pub by_agent: BTreeMap<String, AgentCounters>,
}

/// Sockets that were opened, by transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketsOpened {
    /// Upgrades to WebSocket that were accepted.
    pub websocket: u64,
    /// Polls without a cursor.
    pub polling: u64,
}

/// What one agent's users were answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentCounters {
    /// Answers by call and status.
    pub requests: Requests,
    /// Everything that was counted for them, by second.
    pub seconds: Seconds,
}

/// A kind of answer. Method and path are from fixed lists, so there is a bounded number of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Answer {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) status: u16,
}

/// Counts. One lock is enough: it is held for a few look-ups.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Tally>);

#[derive(Debug, Default)]
struct Tally {
    answers: Answers,
    by_agent: BTreeMap<String, AgentTally>,
    opened: SocketsOpened,
    delivered: BTreeMap<String, u64>,
    received: BTreeMap<String, u64>,
    votes: u64,
}

#[derive(Debug, Default)]
struct AgentTally {
    answers: Answers,
    seconds: Seconds,
}

type Answers = BTreeMap<Answer, u64>;

impl Tally {
    /// Returns where to count for an agent, if the request named one.
    fn agent(&mut self, agent: Option<&str>) -> Option<&mut AgentTally> {
        agent.map(|agent| bounded_entry(&mut self.by_agent, agent))
    }
}

impl Ledger {
    /// Counts an answer that was ready in this second of Unix time.
    pub(crate) fn answered(&self, answer: Answer, agent: Option<&str>, second: i64) {
        let mut tally = self.lock();
        *tally.answers.entry(answer).or_default() += 1;
        if let Some(tally) = tally.agent(agent) {
            *tally.answers.entry(answer).or_default() += 1;
            let is_poll = (answer.method, answer.path) == POLL;
            let seconds = if is_poll { &mut tally.seconds.polls } else { &mut tally.seconds.calls };
            seconds.add(second);
        }
    }

    pub(crate) fn websocket_opened(&self, agent: Option<&str>, second: i64) {
        let mut tally = self.lock();
        tally.opened.websocket += 1;
        if let Some(tally) = tally.agent(agent) {
            tally.seconds.websocket_opened.add(second);
        }
    }

    pub(crate) fn polling_opened(&self, agent: Option<&str>, second: i64) {
        let mut tally = self.lock();
        tally.opened.polling += 1;
        if let Some(tally) = tally.agent(agent) {
            tally.seconds.polling_opened.add(second);
        }
    }

    pub(crate) fn delivered<'a>(&self, events: impl IntoIterator<Item = &'a str>, agent: Option<&str>, second: i64) {
        let mut tally = self.lock();
        for event in events {
            *bounded_entry(&mut tally.delivered, event) += 1;
            if let Some(tally) = tally.agent(agent) {
                tally.seconds.delivered.add(second);
            }
        }
    }

    pub(crate) fn received(&self, event: &str) {
        *bounded_entry(&mut self.lock().received, event) += 1;
    }

    pub(crate) fn voted(&self) {
        self.lock().votes += 1;
    }

    /// Starts all counters from zero; sessions and votes stay known.
    pub(crate) fn reset(&self) {
        *self.lock() = Tally::default();
    }

    pub(crate) fn counters(&self) -> Counters {
        let tally = self.lock();
        let of_agent = |(agent, tally): (&String, &AgentTally)| {
            let requests = by_call(&tally.answers);
            (agent.clone(), AgentCounters { requests, seconds: tally.seconds.clone() })
        };
        Counters {
            requests: by_call(&tally.answers),
            sockets_opened: tally.opened,
            delivered: tally.delivered.clone(),
            received: tally.received.clone(),
            votes: tally.votes,
            by_agent: tally.by_agent.iter().map(of_agent).collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().expect("nothing panics while it holds the counters")
    }
}

fn by_call(answers: &Answers) -> Requests {
    let mut requests = Requests::new();
    for (answer, count) in answers {
        let call = format!("{} {}", answer.method, answer.path);
        requests.entry(call).or_default().insert(answer.status, *count);
    }
    requests
}

/// Returns the entry of `name`, or that of [`OTHER`] when the name is too long or one too many.
fn bounded_entry<'a, V: Default>(map: &'a mut BTreeMap<String, V>, name: &str) -> &'a mut V {
    let has_room = map.len() < MOST_NAMES && name.len() <= LONGEST_NAME;
    let name = if has_room || map.contains_key(name) { name } else { OTHER };
    map.entry(name.to_owned()).or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_shape_is_what_is_written() {
        let ledger = Ledger::default();
        let answer = Answer { method: "GET", path: "/api/programme", status: 200 };
        let poll = Answer { path: "/poll", ..answer };
        ledger.answered(answer, None, 70);
        ledger.answered(answer, Some("a1"), 70);
        ledger.answered(poll, Some("a1"), 73);
        ledger.websocket_opened(Some("a1"), 71);
        ledger.polling_opened(Some("a1"), 72);
        ledger.delivered(["vote_open"], None, 72);
        ledger.delivered(["vote_open", "vote_close"], Some("a1"), 73);
        ledger.received("echo");
        ledger.voted();
        let expected = serde_json::json!({
            "requests": { "GET /api/programme": { "200": 2 }, "GET /poll": { "200": 1 } },
            "sockets_opened": { "websocket": 1, "polling": 1 },
            "delivered": { "vote_open": 2, "vote_close": 1 },
            "received": { "echo": 1 },
            "votes": 1,
            "by_agent": { "a1": {
                "requests": { "GET /api/programme": { "200": 1 }, "GET /poll": { "200": 1 } },
                "seconds": {
                    "calls": [[70, 1]],
                    "polls": [[73, 1]],
                    "websocket_opened": [[71, 1]],
                    "polling_opened": [[72, 1]],
                    "delivered": [[73, 2]],
                },
            } },
        });
        let written = serde_json::to_value(ledger.counters()).unwrap();
        assert_eq!(written, expected);
        let read: Counters = serde_json::from_value(expected).unwrap();
        assert_eq!(read, ledger.counters());
        ledger.reset();
        assert_eq!(ledger.counters(), Counters::default());
    }

    #[test]
    fn invented_names_fill_one_entry() {
        let ledger = Ledger::default();
        for n in 0..MOST_NAMES + 5 {
            ledger.received(&n.to_string());
        }
        ledger.received("0");
        ledger.received(&"x".repeat(LONGEST_NAME + 1));
        let received = ledger.counters().received;
        assert_eq!((received["0"], received[OTHER]), (2, 6));
    }
}
