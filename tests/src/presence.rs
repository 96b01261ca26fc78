//! Holds who was live where, as the demo saw it, against the promise that no user number is live on
//! two agents at once outside the stretches that the report states.

use std::collections::BTreeSet;

use rehearsal_demo::{LiveTwice, UserStays, Users};

use crate::outcome::Outcome;
use crate::truth::unix_seconds;

/// Asserts that no user was live on two agents of the run at once, except in the allowed stretches
/// of run time (`(from_s, to_s)`, widened by a second on both sides).
///
/// Users of scripts without sockets are between two requests most of the time, so two agents can
/// take turns with one and never overlap. That an agent has a user again which another had in
/// between is therefore the same fault: from the moment when the other came until then. Where a
/// run moves a user away and back for a reason, that time has to be allowed.
///
/// The environment must ask for `user_header = "x-rehearsal-user"` and
/// `agent_header = "x-rehearsal-agent"`. Requests of setup and cue functions name the coordinator,
/// which is no agent, and are left out.
#[track_caller]
pub fn assert_nobody_twice(users: &Users, outcome: &Outcome, allowed: &[(f64, f64)]) {
    assert!(users.followed > 0, "the demo saw no user: does the environment ask for both headers?");
    assert_eq!(users.not_followed, 0, "the demo could not follow every user");
    let twice = live_twice_outside(users, outcome, allowed);
    let first: Vec<&LiveTwice> = twice.iter().take(10).collect();
    assert!(
        twice.is_empty(),
        "live twice outside {allowed:?} of the run: {} times, first {first:#?}\nagents: {:#}\n{}",
        twice.len(),
        outcome.summary["agents"],
        outcome.context()
    );
}

/// Lists what [`assert_nobody_twice`] would complain of.
pub fn live_twice_outside(users: &Users, outcome: &Outcome, allowed: &[(f64, f64)]) -> Vec<LiveTwice> {
    let agents: BTreeSet<&str> = outcome.list("agents").iter().filter_map(|agent| agent["id"].as_str()).collect();
    let allowed: Vec<_> = allowed.iter().map(|(from_s, to_s)| unix_seconds(outcome, *from_s, *to_s)).collect();
    let is_allowed = |both: &LiveTwice| {
        let (from, to) = (both.from_us / 1_000_000, both.to_us.map(|to_us| to_us / 1_000_000));
        let holds = |to: i64| allowed.iter().any(|span| span.contains(&from) && span.contains(&to));
        to.is_some_and(holds)
    };
    let turns = users.users.iter().flat_map(|user| turns_taken(user, &agents));
    let of_agents = |both: &LiveTwice| both.agents.iter().all(|id| agents.contains(id.as_str()));
    let overlaps = users.live_twice.iter().filter(|both| of_agents(both)).cloned();
    overlaps.chain(turns).filter(|both| !is_allowed(both)).collect()
}

/// Finds the agents that had a user, and again after another one came.
fn turns_taken(user: &UserStays, agents: &BTreeSet<&str>) -> Vec<LiveTwice> {
    let stays: Vec<_> = user.stays.iter().filter(|stay| agents.contains(stay.agent.as_str())).collect();
    let mut turns = Vec::new();
    for (place, again) in stays.iter().enumerate() {
        let Some(before) = stays[..place].iter().rposition(|stay| stay.agent == again.agent) else { continue };
        let Some(between) = stays[before + 1..place].first() else { continue };
        turns.push(LiveTwice {
            user: user.user,
            agents: [again.agent.clone(), between.agent.clone()],
            from_us: between.from_us,
            to_us: Some(again.from_us),
        });
    }
    turns
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::truth::tests::{ZERO, outcome};

    /// Makes up a user by stays (agent, from, to), in seconds of the run, and the overlaps that the
    /// demo would tell; the run had agents a and b.
    #[track_caller]
    fn check(
        stays: &[(&str, i64, Option<i64>)],
        overlaps: &[(i64, Option<i64>)],
        allowed: &[(f64, f64)],
        twice: usize,
    ) {
        let instant = |second: i64| (ZERO + second) * 1_000_000;
        let stay = |(agent, from, to): &(&str, i64, Option<i64>)| json!({ "agent": agent, "from_us": instant(*from), "to_us": to.map(instant) });
        let both = |(from, to): &(i64, Option<i64>)| json!({ "user": 17, "agents": ["a", "b"], "from_us": instant(*from), "to_us": to.map(instant) });
        let users: Users = serde_json::from_value(json!({
            "followed": 1,
            "not_followed": 0,
            "users": [{ "user": 17, "stays": stays.iter().map(stay).collect::<Vec<_>>() }],
            "live_twice": overlaps.iter().map(both).collect::<Vec<_>>(),
        }))
        .unwrap();
        let outcome = outcome(json!({ "agents": [{ "id": "a" }, { "id": "b" }] }));
        let found = live_twice_outside(&users, &outcome, allowed);
        assert_eq!(found.len(), twice, "{found:#?}");
    }

    #[test]
    fn one_after_the_other_is_right() {
        check(&[("a", 5, Some(10)), ("b", 10, None)], &[], &[], 0);
    }

    #[test]
    fn overlaps_are_wrong_outside_what_is_allowed() {
        let stays = [("a", 5, Some(20)), ("b", 10, Some(30))];
        let overlap = [(10, Some(20))];
        check(&stays, &overlap, &[], 1);
        check(&stays, &overlap, &[(11.0, 19.0)], 0);
        check(&stays, &overlap, &[(11.0, 15.0), (15.0, 19.0)], 1);
        check(&stays, &overlap, &[(12.0, 19.0)], 1);
        check(&stays, &overlap, &[(11.0, 18.0)], 1);
        // Nobody knows how long it went on.
        check(&[("a", 5, None), ("b", 10, None)], &[(10, None)], &[(0.0, 1e6)], 1);
    }

    #[test]
    fn taking_turns_is_wrong_although_nothing_overlaps() {
        let stays = [("a", 5, Some(6)), ("b", 7, Some(8)), ("a", 9, Some(10)), ("b", 11, Some(12))];
        check(&stays, &[], &[], 2);
        check(&stays, &[], &[(8.0, 10.0)], 0);
        check(&stays[..3], &[], &[], 1);
    }

    #[test]
    fn the_coordinator_is_no_agent() {
        let stays = [("a", 5, Some(6)), ("coordinator", 7, Some(8)), ("a", 9, Some(10)), ("b", 11, Some(12))];
        check(&stays, &[], &[], 0);
    }

    #[test]
    #[should_panic(expected = "the demo saw no user")]
    fn a_demo_that_saw_nobody_proves_nothing() {
        assert_nobody_twice(&Users::default(), &outcome(json!({ "agents": [] })), &[]);
    }
}
