//! What an agent answers to a version that it takes in late: how many arrivals and returns of its own it could not start.

use std::collections::BTreeSet;

use rehearsal_plan::{AgentNumber, RunTime, Versions};

/// Counts what the latest version of a history wanted of an agent before now, without what the history before it had wanted
/// of it just the same: that was played.
pub(crate) fn missed(before: Option<&Versions>, after: &Versions, agent: AgentNumber, now: RunTime) -> u64 {
    let version = after.latest();
    let was_played = |scenario: usize, index: u64| {
        before.is_some_and(|before| {
            let was_due = before.arrival(scenario, index).is_some_and(|arrival| arrival.at < now);
            was_due && before.owner(scenario, index) == Some(agent)
        })
    };
    let of_scenario = |(scenario, base): (usize, &u64)| {
        let due = after.arrivals_of(agent, scenario, *base).take_while(|arrival| arrival.at < now);
        due.filter(|arrival| !was_played(scenario, arrival.index)).count() as u64
    };
    let arrivals: u64 = version.base.iter().enumerate().map(of_scenario).sum();
    let returns = |versions: &Versions| {
        let due = versions.returns_of(agent).into_iter().filter(|returning| returning.arrival.at < now);
        due.map(|returning| (returning.version, returning.scenario, returning.arrival.index)).collect::<BTreeSet<_>>()
    };
    let returned = before.map(returns).unwrap_or_default();
    arrivals + returns(after).difference(&returned).count() as u64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rehearsal_plan::{Change, Load, Returns, SlotTable, Spacing, Stay};

    use super::*;

    const ME: AgentNumber = AgentNumber(1);
    const OTHER: AgentNumber = AgentNumber(2);

    fn at(seconds: f64) -> RunTime {
        RunTime::from_secs_f64(seconds)
    }

    /// Ten users, one a second; the even ones are mine.
    fn first() -> Versions {
        let over = Duration::from_secs(10);
        let load = Load::Arrive { users: 10, over, spacing: Spacing::Even, stay: Stay::UntilDone };
        Versions::first(RunTime::ZERO, vec![load], SlotTable::weighted(2, &[(ME, 1), (OTHER, 1)]), 0)
    }

    fn changed(before: &Versions, change: Change, instant: f64) -> Versions {
        let mut after = before.clone();
        after.push(before.with(change, at(instant))).unwrap();
        after
    }

    fn check(sentence: &str, before: Option<&Versions>, after: &Versions, now: f64, expected: u64) {
        assert_eq!(missed(before, after, ME, at(now)), expected, "{sentence}");
    }

    #[test]
    fn only_what_was_not_played_was_missed() {
        let first = first();
        check("a first version in time", None, &first, -0.5, 0);
        check("a first version after 0, 2 and 4", None, &first, 4.5, 3);
        let alone = SlotTable::weighted(2, &[(ME, 1)]);
        let taken_over = changed(&first, Change::Slots(alone.clone()), 2.5);
        check("a takeover in time", Some(&first), &taken_over, 2.4, 0);
        check("3 and 5 passed; 4 and 6 I had anyway", Some(&first), &taken_over, 6.5, 2);
        let pause = changed(&first, Change::Pause, 2.5);
        check("who is held up is not missed", Some(&first), &pause, 6.5, 0);
    }

    #[test]
    fn returns_can_be_missed_too() {
        let alone = SlotTable::weighted(2, &[(ME, 1)]);
        let taken_over = changed(&first(), Change::Slots(alone), 2.5);
        let back = Returns { over: Duration::from_secs(2), users: vec![vec![1, 2]] };
        let returning = changed(&taken_over, Change::Return(back), 4.0);
        check("in time", Some(&taken_over), &returning, 3.9, 0);
        check("the first of two has passed", Some(&taken_over), &returning, 4.5, 1);
        check("of what was wanted anyway none is missed", Some(&returning), &returning, 9.5, 0);
    }
}
