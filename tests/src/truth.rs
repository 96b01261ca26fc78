//! Holds a report against what the system under test counted itself: equal in every number, or,
//! when agents or connections went, equal outside the stretches that the report calls unobserved.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use rehearsal_demo::{Counters, PerSecond, Seconds};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

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

/// Asserts that the report misses at most what the demo gave agents in seconds that the report
/// calls unobserved for them, and has nothing that the demo did not count: answered calls, polls,
/// sockets by transport, messages by event. Without unobserved spans all are equal. Agents are told
/// apart by the header that the environment asks for with `agent_header = "x-rehearsal-agent"`.
#[track_caller]
pub fn assert_equal_outside_spans(outcome: &Outcome, truth: &Counters) {
    let differences = differences_outside_spans(outcome, truth);
    assert!(
        differences.is_empty(),
        "{}\nagents: {:#}\n{}",
        differences.join("\n"),
        outcome.summary["agents"],
        outcome.context()
    );
}

/// Returns the seconds of Unix time that a stretch of run time may lie in, both in seconds of the
/// run, and one second more on both sides: what is ready at the demo reaches the agent later, and
/// seconds end by two clocks. Where in its second the run began, the summary does not tell.
pub(crate) fn unix_seconds(outcome: &Outcome, from_s: f64, to_s: f64) -> RangeInclusive<i64> {
    let started_at = outcome.summary["started_at"].as_str().unwrap_or_default();
    let Ok(started_at) = OffsetDateTime::parse(started_at, &Rfc3339) else {
        panic!("started_at is {}\n{}", outcome.summary["started_at"], outcome.context());
    };
    let zero = started_at.unix_timestamp();
    zero + from_s.floor() as i64 - 1..=zero + to_s.ceil() as i64 + 1
}

/// One number on both sides.
#[derive(Clone, Debug)]
pub struct Compared {
    pub what: String,
    /// By the demo.
    pub counted: u64,
    pub reported: u64,
    /// How many of the counted ones the report may miss.
    pub spared: u64,
}

impl Compared {
    /// Whether more is missing than may be, or anything is reported that was not there.
    pub fn is_wrong(&self) -> bool {
        self.counted.checked_sub(self.reported).is_none_or(|missing| missing > self.spared)
    }
}

/// Compares all that [`assert_equal_outside_spans`] does.
pub fn compare_outside_spans(outcome: &Outcome, truth: &Counters) -> Vec<Compared> {
    [answers_and_polls(outcome, truth), sockets_and_messages(outcome, truth)].concat()
}

fn differences_outside_spans(outcome: &Outcome, truth: &Counters) -> Vec<String> {
    let compared = compare_outside_spans(outcome, truth).into_iter();
    let say = |Compared { what, counted, reported, spared }| {
        format!("{what}: the demo counted {counted}, {reported} are reported, {spared} may be missing")
    };
    compared.filter(Compared::is_wrong).map(say).collect()
}

/// Compares calls by status, because the names of calls are the scenario's choice.
fn answers_and_polls(outcome: &Outcome, truth: &Counters) -> Vec<Compared> {
    let (polls, calls): (Answers, Answers) =
        counted_answers(truth).into_iter().partition(|((call, _), _)| call == POLL);
    let (counted, reported) = (by_status(calls), by_status(reported_answers(outcome)));
    let spared = in_unobserved(outcome, truth, |seconds| &seconds.calls);
    let statuses: BTreeSet<u64> = counted.keys().chain(reported.keys()).copied().collect();
    let of_status = |status: u64| {
        let [counted, reported] = [&counted, &reported].map(|answers| answers.get(&status).copied().unwrap_or(0));
        Compared { what: format!("answers {status}"), counted, reported, spared }
    };
    let mut compared: Vec<Compared> = statuses.into_iter().map(of_status).collect();
    let (counted, reported) = (counted.values().sum(), reported.values().sum());
    compared.push(Compared { what: "answers".into(), counted, reported, spared });
    compared.push(Compared {
        what: "polls".into(),
        counted: polls.values().sum(),
        reported: outcome.count("socket.poll", &[]),
        spared: in_unobserved(outcome, truth, |seconds| &seconds.polls),
    });
    compared
}

fn sockets_and_messages(outcome: &Outcome, truth: &Counters) -> Vec<Compared> {
    let opened = &truth.sockets_opened;
    let sockets = |transport: &str, counted, seconds| Compared {
        what: format!("{transport} sockets"),
        counted,
        reported: outcome.count("socket.connect", &[("transport", transport)]),
        spared: in_unobserved(outcome, truth, seconds),
    };
    let spared = in_unobserved(outcome, truth, |seconds| &seconds.delivered);
    let messages = |what: String, counted, tags: &[(&str, &str)]| {
        let reported = outcome.count("socket.received", tags);
        Compared { what, counted, reported, spared }
    };
    let mut compared = vec![
        sockets("websocket", opened.websocket, |seconds| &seconds.websocket_opened),
        sockets("polling", opened.polling, |seconds| &seconds.polling_opened),
        messages("messages".into(), truth.delivered.values().sum(), &[]),
    ];
    let by_event = truth.delivered.iter();
    compared.extend(by_event.map(|(event, count)| messages(format!("messages {event}"), *count, &[("event", event)])));
    compared
}

/// Counts what the demo gave agents in seconds that are unobserved for them.
fn in_unobserved(outcome: &Outcome, truth: &Counters, counts: fn(&Seconds) -> &PerSecond) -> u64 {
    let of_agent = |(id, spans): (String, Vec<RangeInclusive<i64>>)| {
        let agent = truth.by_agent.get(&id)?;
        Some(counts(&agent.seconds).total(|second| spans.iter().any(|span| span.contains(&second))))
    };
    unobserved_seconds(outcome).into_iter().filter_map(of_agent).sum()
}

/// Lists by agent id the seconds of Unix time of its unobserved spans; an agent that came back has
/// several rows.
fn unobserved_seconds(outcome: &Outcome) -> BTreeMap<String, Vec<RangeInclusive<i64>>> {
    let mut unobserved: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for agent in outcome.list("agents") {
        let (Some(id), Some(spans)) = (agent["id"].as_str(), agent["unobserved"].as_array()) else {
            panic!("an agent without id or unobserved spans: {agent:#}\n{}", outcome.context());
        };
        let seconds = spans.iter().map(|span| match (span["from_s"].as_f64(), span["to_s"].as_f64()) {
            (Some(from_s), Some(to_s)) => unix_seconds(outcome, from_s, to_s),
            _ => panic!("an unobserved span of {id} is {span}"),
        });
        unobserved.entry(id.to_owned()).or_default().extend(seconds);
    }
    unobserved
}

fn by_status(answers: Answers) -> BTreeMap<u64, u64> {
    let mut by_status = BTreeMap::new();
    for ((_, status), count) in answers {
        *by_status.entry(status).or_default() += count;
    }
    by_status
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

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    /// The second of Unix time in which the made-up runs began.
    pub(crate) const ZERO: i64 = 1_800_000_000;

    /// Makes up the outcome of a run by its summary.
    pub(crate) fn outcome(mut summary: Value) -> Outcome {
        summary["started_at"] = "2027-01-15T08:00:00Z".into();
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("runs/made-up");
        fs::create_dir_all(&run).unwrap();
        fs::write(run.join("summary.json"), summary.to_string()).unwrap();
        Outcome::read(folder, Some(0), Duration::ZERO)
    }

    /// A run with two agents. Of the first, seconds 10 to 12 are unobserved if `unobserved`; the
    /// demo counted 100 of everything, `in_span` of them for the first agent in its second 11.
    fn check(reported: [u64; 5], unobserved: bool, in_span: u64, expected: &[&str]) {
        check_at(reported, unobserved, (ZERO + 11, in_span), expected);
    }

    #[track_caller]
    fn check_at(reported: [u64; 5], unobserved: bool, in_second: (i64, u64), expected: &[&str]) {
        let [calls, polls, websockets, polling, messages] = reported;
        let spans = if unobserved { json!([{ "from_s": 10, "to_s": 12 }]) } else { json!([]) };
        let series = |name: &str, tags: Value, count: u64| json!({ "name": name, "tags": tags, "count": count });
        let outcome = outcome(json!({
            "agents": [{ "id": "agent-1", "unobserved": spans }, { "id": "agent-2", "unobserved": [] }],
            "metrics": [
                series("http.response", json!({ "name": "anything", "status": "200" }), calls),
                series("http.response", json!({ "name": "vote", "status": "409" }), 7),
                series("socket.poll", json!({}), polls),
                series("socket.connect", json!({ "transport": "websocket" }), websockets),
                series("socket.connect", json!({ "transport": "polling" }), polling),
                series("socket.received", json!({ "event": "vote_open" }), messages),
            ],
        }));
        let (second, count) = in_second;
        let counts = json!([[ZERO, 20], [second, count]]);
        let of = ["calls", "polls", "websocket_opened", "polling_opened", "delivered"];
        let seconds = Value::Object(of.map(|kind| (kind.to_owned(), counts.clone())).into_iter().collect());
        let truth: Counters = serde_json::from_value(json!({
            "requests": {
                "GET /api/programme": { "200": 60 },
                "GET /api/heartbeat": { "200": 40 },
                "POST /api/votes": { "409": 7 },
                "GET /poll": { "200": 100 },
            },
            "sockets_opened": { "websocket": 100, "polling": 100 },
            "delivered": { "vote_open": 100 },
            "received": {},
            "votes": 0,
            "by_agent": {
                "agent-1": { "requests": {}, "seconds": seconds },
                // What another agent got in that time has nothing to do with it.
                "agent-2": { "requests": {}, "seconds": seconds },
            },
        }))
        .unwrap();
        let differences = differences_outside_spans(&outcome, &truth);
        let what: Vec<&str> = differences.iter().map(|text| text.split_once(':').unwrap().0).collect();
        assert_eq!(what, expected, "{differences:#?}");
    }

    #[test]
    fn without_spans_everything_is_equal() {
        check([100; 5], false, 5, &[]);
        let all = [
            "answers 200",
            "answers",
            "polls",
            "websocket sockets",
            "polling sockets",
            "messages",
            "messages vote_open",
        ];
        check([99; 5], false, 5, &all);
        check([101; 5], false, 5, &all);
        check([100, 100, 99, 100, 100], false, 5, &["websocket sockets"]);
    }

    #[test]
    fn with_spans_as_much_may_be_missing_as_the_demo_gave_that_agent_in_them() {
        check([95; 5], true, 5, &[]);
        check([100; 5], true, 5, &[]);
        check([95, 94, 95, 95, 95], true, 5, &["polls"]);
        check([94, 95, 95, 95, 100], true, 5, &["answers 200", "answers"]);
        // Never may more be reported than there was.
        check([100, 100, 100, 101, 101], true, 5, &["polling sockets", "messages", "messages vote_open"]);
    }

    #[test]
    fn spans_are_widened_by_a_second_and_the_fraction_in_which_the_run_began() {
        for (second, is_inside) in [(8, false), (9, true), (12, true), (13, true), (14, false)] {
            let expected: &[&str] = if is_inside { &[] } else { &["polls"] };
            check_at([100, 99, 100, 100, 100], true, (ZERO + second, 5), expected);
        }
    }

    #[test]
    fn spans_that_overlap_once_they_are_widened_count_once() {
        let spans = json!([{ "from_s": 10, "to_s": 12 }, { "from_s": 13, "to_s": 14 }]);
        let agents = json!([{ "id": "agent-1", "unobserved": spans }]);
        let outcome = outcome(json!({ "agents": agents, "metrics": [] }));
        let mut truth = Counters::default();
        let calls = serde_json::from_value(json!([[ZERO + 13, 5]])).unwrap();
        truth.by_agent.entry("agent-1".into()).or_default().seconds.calls = calls;
        truth.requests.entry("GET /".into()).or_default().insert(200, 5);
        assert_eq!(differences_outside_spans(&outcome, &truth), Vec::<String>::new());
        truth.requests.entry("GET /".into()).or_default().insert(200, 6);
        assert_eq!(differences_outside_spans(&outcome, &truth).len(), 2);
    }
}
