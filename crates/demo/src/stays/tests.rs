//! Stays by example, and against a clock that looks at every microsecond.

use proptest::prelude::*;

use super::*;

const USER: u64 = 17;

/// Plays what happened to the user: `+a` begins a visit from agent a, `-a` ends one, each at its
/// own ten microseconds.
fn played(events: &str) -> Stays {
    let mut stays = Stays::default();
    for (event, now_us) in events.split_whitespace().zip((10..).step_by(10)) {
        let (direction, agent) = event.split_at(1);
        match direction {
            "+" => assert!(stays.enter(USER, &agent.into(), now_us)),
            _ => stays.leave(USER, agent, now_us),
        }
    }
    stays
}

/// Writes stays as `a 10-20`, one that lasts as `a 10-`.
fn written(agent: &str, from_us: i64, to_us: Option<i64>) -> String {
    let to_us = to_us.map(|to_us| to_us.to_string()).unwrap_or_default();
    format!("{agent} {from_us}-{to_us}")
}

#[track_caller]
fn check(events: &str, expected: &[&str], expected_twice: &[&str]) {
    let users = played(events).users();
    let stays = users.users.iter().flat_map(|user| &user.stays);
    let stays: Vec<String> = stays.map(|stay| written(&stay.agent, stay.from_us, stay.to_us)).collect();
    assert_eq!(stays, expected, "stays of {events}");
    let twice = users.live_twice.iter();
    let twice: Vec<String> = twice.map(|both| written(&both.agents.join("+"), both.from_us, both.to_us)).collect();
    assert_eq!(twice, expected_twice, "live twice in {events}");
}

#[test]
fn a_user_of_one_agent_is_not_worth_telling() {
    check("", &[], &[]);
    check("+a -a +a +a -a", &[], &[]);
    assert_eq!(played("+a -a +a").users(), Users { followed: 1, ..Users::default() });
}

#[test]
fn a_pause_belongs_to_a_stay_unless_another_agent_came_in_it() {
    check("+a -a +a -a +b -b +b", &["a 10-40", "b 50-"], &[]);
    check("+a -a +b -b +a -a", &["a 10-20", "b 30-40", "a 50-60"], &[]);
    // Somebody who came and went during the first visit does not break the pause after it.
    check("+a +b -b -a +a -a", &["a 10-60", "b 20-30"], &["a+b 20-30"]);
}

#[test]
fn overlaps_of_different_agents_are_told() {
    check("+a +b -a -b", &["a 10-30", "b 20-40"], &["a+b 20-30"]);
    check("+a +b -a", &["a 10-30", "b 20-"], &["a+b 20-30"]);
    check("+a +b", &["a 10-", "b 20-"], &["a+b 20-"]);
    // The socket of a lasts while b asks twice and c once: a was there in the pause of b.
    let stays = ["a 10-", "b 20-30", "b 40-50", "c 60-70"];
    check("+a +b -b +b -b +c -c", &stays, &["a+b 20-30", "a+b 40-50", "a+c 60-70"]);
    // Two requests of a during one of b, with a pause in which b was there.
    let stays = ["a 10-30", "b 20-60", "a 40-50"];
    check("+a +b -a +a -a -b", &stays, &["a+b 20-30", "b+a 40-50"]);
}

#[test]
fn one_after_the_other_in_the_same_microsecond_is_not_together() {
    let mut stays = Stays::default();
    for agent in ["a", "b"] {
        assert!(stays.enter(USER, &agent.into(), 5));
        stays.leave(USER, agent, 5);
    }
    assert_eq!((stays.users().users[0].stays.len(), stays.users().live_twice.len()), (2, 0));
}

#[test]
fn a_reset_keeps_only_who_is_still_there() {
    let mut stays = played("+a -a +b +c -b");
    stays.reset(100);
    assert_eq!(stays.users(), Users { followed: 1, ..Users::default() });
    stays.leave(USER, "c", 110);
    assert!(stays.enter(USER, &"a".into(), 120));
    let from: Vec<i64> = stays.users().users[0].stays.iter().map(|stay| stay.from_us).collect();
    assert_eq!(from, [100, 120]);
    stays.leave(USER, "a", 130);
    stays.reset(140);
    assert_eq!(stays.users(), Users::default());
}

#[test]
fn what_finds_no_room_is_counted() {
    let mut stays = Stays { count: MOST_STAYS - 1, ..Stays::default() };
    let agent = "a".into();
    let entered = [1, 2, 1].map(|user| stays.enter(user, &agent, 10));
    assert_eq!(entered, [true, false, true]);
    assert_eq!((stays.users().followed, stays.users().not_followed), (1, 1));
}

proptest! {
    /// At every microsecond two agents are told to have the user exactly if both have a visit.
    #[test]
    fn live_twice_is_when_visits_of_different_agents_overlap(
        visits in prop::collection::vec((0..3usize, 0..60i64, 1..20i64), 1..12)
    ) {
        let agents: [Arc<str>; 3] = ["a".into(), "b".into(), "c".into()];
        // Places that no two events share: microsecond 32 t + number of the event.
        let spans: Vec<(usize, i64, i64)> = visits.iter().zip((1..).step_by(2)).map(|((agent, from, length), n)| {
            (*agent, from * 32 + n, (from + length) * 32 + n + 1)
        }).collect();
        let mut events: Vec<(i64, bool, usize)> = spans.iter().flat_map(|(agent, from, to)| {
            [(*from, true, *agent), (*to, false, *agent)]
        }).collect();
        events.sort_unstable();
        let mut stays = Stays::default();
        for (now_us, is_arrival, agent) in &events {
            if *is_arrival {
                prop_assert!(stays.enter(USER, &agents[*agent], *now_us));
            } else {
                stays.leave(USER, &agents[*agent], *now_us);
            }
        }
        let told = stays.users().live_twice;
        for (instant, ..) in &events {
            let has_user = |id: usize| spans.iter().any(|(agent, from, to)| {
                *agent == id && (*from..*to).contains(instant)
            });
            let truly = (0..3).filter(|id| has_user(*id)).count() > 1;
            let said = told.iter().any(|both| both.from_us <= *instant && both.to_us.is_none_or(|to| *instant < to));
            prop_assert_eq!(said, truly, "at {}", instant);
        }
    }
}
