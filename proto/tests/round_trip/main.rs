//! What is sent is what arrives, for every message; and bytes that nobody meant are
//! refused without a panic.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod strategies;

use proptest::{collection::vec, prelude::*};
use prost::Message;
use rehearsal_link::{ToAgent, ToCoordinator};
use rehearsal_metrics::Interval;
use rehearsal_proto::{WireError, v1};

use strategies::{to_agent, to_coordinator};

fn from_agent(bytes: &[u8]) -> Option<Result<ToCoordinator<Interval>, WireError>> {
    v1::AgentMessage::decode(bytes).ok().map(ToCoordinator::try_from)
}

fn from_coordinator(bytes: &[u8]) -> Option<Result<ToAgent, WireError>> {
    v1::CoordinatorMessage::decode(bytes).ok().map(ToAgent::try_from)
}

proptest! {
    #[test]
    fn what_an_agent_says_arrives(message in to_coordinator()) {
        let bytes = v1::AgentMessage::from(message.clone()).encode_to_vec();
        prop_assert_eq!(from_agent(&bytes).unwrap().unwrap(), message);
    }

    #[test]
    fn what_the_coordinator_says_arrives(message in to_agent()) {
        let bytes = v1::CoordinatorMessage::from(message.clone()).encode_to_vec();
        prop_assert_eq!(from_coordinator(&bytes).unwrap().unwrap(), message);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = (from_agent(&bytes), from_coordinator(&bytes));
    }

    #[test]
    fn no_damage_makes_it_panic(said in to_coordinator(), answered in to_agent(), damage in vec(any::<(prop::sample::Index, u8)>(), 1..6)) {
        let mut messages = [v1::AgentMessage::from(said).encode_to_vec(), v1::CoordinatorMessage::from(answered).encode_to_vec()];
        for bytes in messages.iter_mut().filter(|bytes| !bytes.is_empty()) {
            damage.iter().for_each(|(at, value)| {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            });
        }
        let _ = (from_agent(&messages[0]), from_coordinator(&messages[1]));
    }
}

/// Each row is an interval as only a broken or hostile agent sends it.
#[test]
fn intervals_that_nobody_could_have_measured_are_refused() {
    let second = v1::Interval { from_s: 0, to_s: 1, ..v1::Interval::default() };
    assert!(Interval::try_from(second.clone()).is_ok());
    let check = |what: &str, wire: v1::Interval, expected: &str| {
        let error = Interval::try_from(wire).expect_err(what);
        assert_eq!(error.to_string(), expected, "{what}");
    };
    check(
        "ends before it begins",
        v1::Interval { to_s: -1, ..second.clone() },
        "reading a message: the seconds of an interval out of range",
    );
    check(
        "reaches over all time",
        v1::Interval { from_s: i64::MIN, to_s: i64::MAX, ..second.clone() },
        "reading a message: the seconds of an interval out of range",
    );
    let health = vec![v1::HealthRow { second: 7, ..v1::HealthRow::default() }];
    check(
        "tells of another second",
        v1::Interval { health, ..second.clone() },
        "reading a message: a row's second out of range",
    );
    let point = v1::Point { series: 1, value: Some(v1::point::Value::Count(1)) };
    check(
        "has a series twice",
        v1::Interval { points: vec![point; 2], ..second.clone() },
        "reading a message: a series twice or out of order",
    );
    let ratio = v1::point::Value::Ratio(v1::Ratio { yes: 2, total: 1 });
    check(
        "has more cases than cases",
        v1::Interval { points: vec![v1::Point { series: 1, value: Some(ratio) }], ..second.clone() },
        "reading a message: a ratio out of range",
    );
    let transitions = vec![v1::Transition { from: 3, to: 1, users: 1 }];
    check(
        "lets users begin again",
        v1::Interval { users: vec![v1::UserRow { second: 0, transitions }], ..second },
        "reading the transitions of second 0",
    );
}
