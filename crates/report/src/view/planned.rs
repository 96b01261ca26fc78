//! What the plan says of every second: who should come, and how many should be there. Kept until the plan changes.

use rehearsal_plan::{Begun, Load, PlanRate, PlannedSecond, RunTime, Version, Versions};

/// The plan by the second.
#[derive(Debug, Default)]
pub(super) struct PlannedSeconds {
    known: Option<Course>,
    /// From second 0 on; what the last one says holds on.
    seconds: Vec<PlannedSecond>,
}

/// What of a version decides when users come and leave; who plays them does not.
#[derive(Debug, PartialEq)]
struct Course {
    number: u64,
    rate: PlanRate,
    loads: Vec<Load>,
    begun: Vec<Begun>,
}

impl PlannedSeconds {
    /// Follows the plan; tells whether anything may have changed. Without news it costs nothing, with another course a pass
    /// over all its arrivals.
    pub(super) fn follow(&mut self, versions: &Versions, started: RunTime) -> bool {
        let latest = versions.latest();
        if let Some(known) = &mut self.known {
            let mut news = versions.history().filter(|version| version.number > known.number);
            if news.all(|version| known.goes_on_in(version)) {
                known.number = latest.number;
                return false;
            }
        }
        self.known = Some(Course {
            number: latest.number,
            rate: latest.running,
            loads: latest.loads.clone(),
            begun: latest.begun.clone(),
        });
        self.seconds = versions.planned_seconds(started);
        true
    }

    /// Users that should arrive in a second.
    pub(super) fn arrivals(&self, second: i64) -> u64 {
        let planned = usize::try_from(second).ok().and_then(|second| self.seconds.get(second));
        planned.map_or(0, |planned| planned.arrivals)
    }

    /// Users that should be there at the end of a second; `None` where they decide that themselves, or without a plan.
    pub(super) fn live(&self, second: i64) -> Option<u64> {
        self.known.as_ref()?;
        let Ok(second) = usize::try_from(second) else { return Some(0) };
        self.seconds.get(second).or(self.seconds.last()).map_or(Some(0), |planned| planned.live)
    }
}

impl Course {
    fn goes_on_in(&self, version: &Version) -> bool {
        self.rate == version.running && self.loads == version.loads && self.begun == version.begun
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rehearsal_plan::{AgentNumber, Change, SlotTable, Spacing, Stay};

    use super::*;

    fn versions(stay: Stay) -> Versions {
        let load = Load::Arrive { users: 4, over: Duration::from_secs(4), spacing: Spacing::Even, stay };
        Versions::first(RunTime::from_secs_f64(10.0), vec![load], SlotTable::weighted(4, &[(AgentNumber(1), 1)]), 0)
    }

    fn change(versions: &mut Versions, change: Change, at: f64) {
        let next = versions.with(change, RunTime::from_secs_f64(at));
        versions.push(next).unwrap();
    }

    fn course(planned: &PlannedSeconds) -> Vec<(u64, Option<u64>)> {
        (0..7).map(|second| (planned.arrivals(second), planned.live(second))).collect()
    }

    const STARTED: RunTime = RunTime(10_000_000);

    #[test]
    fn pauses_move_the_plan_and_slots_do_not() {
        let mut versions = versions(Stay::Each(Duration::from_secs(2)));
        let mut planned = PlannedSeconds::default();
        assert_eq!(planned.live(0), None, "without a plan nobody knows");
        assert!(planned.follow(&versions, STARTED));
        let undisturbed =
            [(1, 1), (1, 2), (1, 2), (1, 2), (0, 1), (0, 0), (0, 0)].map(|(come, live)| (come, Some(live)));
        assert_eq!(course(&planned), undisturbed);
        let slots = SlotTable::weighted(4, &[(AgentNumber(2), 1)]);
        change(&mut versions, Change::Slots(slots), 11.5);
        assert!(!planned.follow(&versions, STARTED));
        assert_eq!(course(&planned), undisturbed);
        change(&mut versions, Change::Pause, 12.5);
        assert!(planned.follow(&versions, STARTED));
        let paused = [(1, 1), (1, 2), (1, 2), (0, 2), (0, 2), (0, 2), (0, 2)].map(|(come, live)| (come, Some(live)));
        assert_eq!(course(&planned), paused, "who is there stays");
        change(&mut versions, Change::Resume, 13.5);
        assert!(planned.follow(&versions, STARTED));
        let resumed = [(1, 1), (1, 2), (1, 2), (0, 2), (1, 2), (0, 1), (0, 0)].map(|(come, live)| (come, Some(live)));
        assert_eq!(course(&planned), resumed);
    }

    #[test]
    fn nobody_plans_when_users_leave_by_themselves() {
        let mut planned = PlannedSeconds::default();
        planned.follow(&versions(Stay::UntilDone), STARTED);
        assert_eq!((planned.arrivals(0), planned.live(0)), (1, None));
    }
}
