//! The text against a small reader of the format, and the Grafana dashboard against the text.

use std::collections::BTreeSet;
use std::time::Duration;

use rehearsal_plan::{Cue, CueTime, RunTime};
use serde_json::Value;

use super::*;
use crate::example::{CORES, LENGTH, example};
use crate::view::{
    FiringState, RunState, Screen, agent_now, calls_now, checks_now, cue_now, errors_now, firing_now, generator_now,
    sockets_now, thresholds_now, users_now,
};

/// One line of samples.
#[derive(Debug, PartialEq)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

/// Takes a name off the front.
fn name(text: &str) -> (&str, &str) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    assert!(name.starts_with(|c: char| c.is_ascii_alphabetic()), "a name, found `{text}`");
    (name, rest)
}

/// Reads a line by the grammar `name [ "{" label "=" quoted { "," … } "}" ] " " number`.
fn sample(line: &str) -> Sample {
    let (metric, mut rest) = name(line);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            rest = rest.strip_prefix(',').unwrap_or(rest);
            let (label, value) = name(rest);
            let (value, after) = quoted(value.strip_prefix('=').unwrap());
            labels.push((label.to_owned(), value));
            rest = after;
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').unwrap().parse().unwrap();
    Sample { name: metric.to_owned(), labels, value }
}

fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.strip_prefix('"').unwrap().char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return (value, &text[position + 2..]),
            '\\' => value.push(match characters.next().unwrap().1 {
                'n' => '\n',
                escaped @ ('\\' | '"') => escaped,
                other => panic!("no such escape: {other}"),
            }),
            character => value.push(character),
        }
    }
    panic!("the quotes do not end: {text}");
}

/// Reads a whole text: families with their types, then samples, each in the family before it.
fn read(text: &str) -> Vec<Sample> {
    let (body, end) = text.split_at(text.len() - "# EOF\n".len());
    assert_eq!(end, "# EOF\n");
    let (mut family, mut kind, mut samples) = (String::new(), String::new(), Vec::new());
    let mut families = BTreeSet::new();
    for line in body.lines() {
        if let Some(of) = line.strip_prefix("# HELP ") {
            family = of.split_once(' ').unwrap().0.to_owned();
            assert!(families.insert(family.clone()), "{family} comes once");
            continue;
        }
        if let Some(of) = line.strip_prefix("# TYPE ") {
            let (name, of_kind) = of.split_once(' ').unwrap();
            assert_eq!(name, family);
            kind = of_kind.to_owned();
            continue;
        }
        let sample = sample(line);
        let suffixes: &[&str] = match kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_sum", "_count"],
            other => panic!("no such type: {other}"),
        };
        let suffix = sample.name.strip_prefix(&family).unwrap();
        assert!(suffixes.contains(&suffix), "{} in a {kind}", sample.name);
        samples.push(sample);
    }
    samples
}

fn run() -> (RunNow, BTreeMap<String, Bins>) {
    let example = example();
    let timeline = &example.timeline;
    let mut screen = Screen::new(CORES);
    screen.update(timeline, timeline.known_seconds(), None, RunTime::ZERO);
    let metrics = screen.metrics(timeline, &example.firings, LENGTH);
    let when = CueTime::AfterArrivals(Duration::from_secs(5));
    let cue = Cue { name: "open_vote".to_owned(), event: None, pointer: None, when };
    let firing = firing_now(timeline, &example.firings[0], FiringState::Sent, "plan");
    let agent = timeline.agents().get(&1);
    let run = RunNow {
        id: "r1".to_owned(),
        scenario: "say \"hi\"\\\n".to_owned(),
        state: RunState::Running,
        now_s: Some(4.0),
        settled_s: Some(3),
        users: users_now(&timeline.ledger_now().unwrap()),
        calls: calls_now(timeline, &metrics),
        sockets: sockets_now(&metrics),
        agents: vec![agent_now(("agent-1", "local"), "connected", agent, Some(3), CORES)],
        cues: vec![cue_now(&cue, vec![firing])],
        checks: checks_now(&metrics),
        errors: errors_now(timeline),
        thresholds: thresholds_now(&example.thresholds, &metrics, &[]),
        generator: generator_now(timeline, CORES),
        ..RunNow::default()
    };
    (run, screen.responses())
}

#[test]
fn every_line_follows_the_grammar() {
    let (run, responses) = run();
    let samples = read(&prometheus(Some(&run), &responses));
    let value = |name: &str, labels: &[(&str, &str)]| {
        let is_wanted = |sample: &&Sample| {
            let has = |(key, value): &(&str, &str)| sample.labels.contains(&(key.to_string(), value.to_string()));
            sample.name == name && labels.iter().all(has)
        };
        samples.iter().find(is_wanted).map(|sample| sample.value)
    };
    assert_eq!(value("rehearsal_run_info", &[("scenario", "say \"hi\"\\\n")]), Some(1.0));
    assert_eq!(value("rehearsal_run_state", &[("state", "running")]), Some(1.0));
    assert_eq!(value("rehearsal_users", &[("state", "finished")]), Some(5.0));
    assert_eq!(value("rehearsal_calls_total", &[("name", "vote"), ("outcome", "failed")]), Some(1.0));
    assert_eq!(value("rehearsal_errors_total", &[("kind", "refused")]), Some(1.0));
    assert_eq!(value("rehearsal_sockets_open", &[("transport", "websocket")]), Some(4.0));
    assert_eq!(value("rehearsal_cue_reach_ratio", &[("cue", "open_vote"), ("firing", "1")]), Some(5.0 / 6.0));
    assert_eq!(value("rehearsal_generator_grade", &[("grade", "fair")]), Some(1.0));
    assert_eq!(value("rehearsal_agents", &[("state", "connected")]), Some(1.0));
    let votes = |name: &str| value(name, &[("name", "vote")]);
    assert_eq!(votes("rehearsal_http_response_seconds_count"), Some(4.0));
    assert!((votes("rehearsal_http_response_seconds_sum").unwrap() - 0.74).abs() < 1e-9);
    let of_votes = samples.iter().filter(|sample| {
        sample.name.ends_with("_seconds_bucket") && sample.labels.contains(&("name".to_owned(), "vote".to_owned()))
    });
    let counts: Vec<f64> = of_votes.map(|sample| sample.value).collect();
    assert_eq!(counts[4..11], [0.0, 0.0, 2.0, 3.0, 4.0, 4.0, 4.0], "80, 90, 120 and 450 ms from 20 ms to 2 s");
    assert_eq!(counts.last(), Some(&4.0), "the last bucket has no bound");
}

#[test]
fn a_sample_on_a_bound_is_within_it() {
    for (position, bound) in BUCKETS.into_iter().enumerate() {
        let mut bins = Bins::default();
        bins.record(Duration::from_secs_f64(bound));
        let text = prometheus(Some(&RunNow::default()), &[("a".to_owned(), bins)].into());
        let buckets: Vec<f64> = read(&text)
            .into_iter()
            .filter(|sample| sample.name.ends_with("_bucket"))
            .map(|sample| sample.value)
            .collect();
        assert_eq!(buckets.iter().position(|count| *count > 0.0), Some(position), "{bound} s");
    }
}

#[test]
fn without_a_run_there_is_only_the_end() {
    assert_eq!(prometheus(None, &BTreeMap::new()), "# EOF\n");
}

/// What is unknown is left out, not zero.
#[test]
fn a_run_of_which_nothing_is_known_says_so() {
    let samples = read(&prometheus(Some(&RunNow::default()), &BTreeMap::new()));
    let names: BTreeSet<&str> = samples.iter().map(|sample| sample.name.as_str()).collect();
    let expected =
        ["paused", "run_info", "run_state", "users", "users_planned"].map(|name| format!("rehearsal_{name}"));
    assert_eq!(names, expected.iter().map(String::as_str).collect());
}

/// All queries of a dashboard.
fn queries<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                match field {
                    Value::String(text) if key == "expr" => found.push(text),
                    field => queries(field, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

#[test]
fn the_grafana_dashboard_asks_for_metrics_that_there_are() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/grafana.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut all = Vec::new();
    queries(&dashboard["panels"], &mut all);
    assert!(all.len() >= 15, "{all:?}");
    let (run, responses) = run();
    let written: BTreeSet<String> = read(&prometheus(Some(&run), &responses)).into_iter().map(|s| s.name).collect();
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for query in all {
        let asked: Vec<&str> = query.split(|c| !is_part(c)).filter(|word| word.starts_with("rehearsal_")).collect();
        assert!(!asked.is_empty(), "{query}");
        assert!(asked.iter().all(|metric| written.contains(*metric)), "{query}");
    }
    assert_eq!(dashboard["__inputs"][0]["name"], "DS_PROMETHEUS");
}
