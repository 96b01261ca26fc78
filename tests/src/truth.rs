//! Holds a report against what the system under test counted itself.

use std::collections::BTreeMap;

use rehearsal_demo::Counters;

use crate::outcome::Outcome;

/// Calls to which the show gives names of its own, and what the demo calls them.
const NAMED: [(&str, &str); 2] = [("vote", "POST /api/votes"), ("sns sign-in", "GET /auth/sns")];

/// Polls are no calls of the script's: the report has them as `socket.poll`.
const POLL: &str = "GET /poll";

type Answers = BTreeMap<(String, u64), u64>;

/// Asserts that the report of a run that ended by itself has the same numbers as the demo: answers
/// by call and status, polls, sockets, messages and votes.
#[track_caller]
pub fn assert_report_equals(outcome: &Outcome, truth: &Counters) {
    let (polls, calls): (Answers, Answers) =
        counted_answers(truth).into_iter().partition(|((call, _), _)| call == POLL);
    assert_eq!(reported_answers(outcome), calls, "answers\n{}", outcome.context());
    assert_eq!(outcome.count("socket.poll", &[]), polls.values().sum::<u64>(), "polls\n{}", outcome.context());
    let opened = |transport| outcome.count("socket.connect", &[("transport", transport)]);
    assert_eq!(opened("websocket"), truth.sockets_opened.websocket);
    assert_eq!(opened("polling"), truth.sockets_opened.polling);
    for (event, delivered) in &truth.delivered {
        let received = outcome.count("socket.received", &[("event", event)]);
        assert_eq!(received, *delivered, "{event}\n{}", outcome.context());
    }
    let votes = outcome.count("http.response", &[("name", "vote"), ("status", "201")]);
    assert_eq!(votes, truth.votes, "votes");
    assert_calls_add_up(outcome);
}

/// Asserts that every call in the report that was begun has ended in one way, and that those that
/// were answered have a response time each.
#[track_caller]
pub fn assert_calls_add_up(outcome: &Outcome) {
    for call in outcome.list("calls") {
        let name = call["name"].as_str().unwrap_or_default();
        let number = |key: &str| outcome.number(&call[key], key);
        let ended = number("answered") + number("failed") + number("cut");
        assert_eq!(number("begun"), ended, "{call}\n{}", outcome.context());
        for metric in ["http.response", "http.service"] {
            let samples = outcome.count(metric, &[("name", name)]);
            assert_eq!(samples, number("answered"), "{metric} of {call}");
        }
    }
}

fn counted_answers(truth: &Counters) -> Answers {
    let by_status = truth.requests.iter().flat_map(|(call, statuses)| {
        let answers = statuses.iter();
        answers.map(move |(status, count)| ((call.clone(), u64::from(*status)), *count))
    });
    by_status.collect()
}

fn reported_answers(outcome: &Outcome) -> Answers {
    let mut answers = Answers::new();
    for series in outcome.series("http.response", &[]) {
        let tag = |key: &str| series["tags"][key].as_str().unwrap_or_default();
        let name = tag("name");
        let named = NAMED.iter().find(|(given, _)| *given == name);
        let call = named.map_or(name, |(_, call)| call).to_owned();
        let status = tag("status").parse().expect("a status is a number");
        *answers.entry((call, status)).or_default() += outcome.number(&series["count"], name);
    }
    answers
}
