//! What a plan will do if nobody touches it: how many come, how many are there, how long it takes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration;
use crate::plan::Plan;
use crate::slots::SlotTable;
use crate::units::RunTime;
use crate::versions::{PlannedSecond, Versions};

/// The points of a curve are so many at most, which is as fine as a chart can show.
const MOST_POINTS: u64 = 300;

/// The forecast of a plan. Loads with random spacing are drawn once more for a run, so seconds may differ a little then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Users who arrive before the end.
    pub users: u64,
    /// The most users who are there at the end of a second; `None` when users decide themselves when they leave.
    pub peak_live: Option<u64>,
    /// The most arrivals in a second.
    pub peak_arrivals_per_s: u64,
    /// When everybody has left, or the plan ends the run; `None` when that is for the users to decide.
    #[serde(with = "duration::optional")]
    pub duration: Option<Duration>,
    /// The instant of the last arrival; `None` when nobody comes.
    #[serde(with = "duration::optional")]
    pub last_arrival: Option<Duration>,
    /// The course of arrivals and of users who are there, 300 points at most.
    pub curve: Vec<ForecastPoint>,
}

/// How the plan stands at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForecastPoint {
    /// Seconds after the start.
    pub second: u64,
    /// Users who have arrived before it.
    pub arrived: u64,
    /// Users who are there just before it; `None` when users decide themselves when they leave.
    pub live: Option<u64>,
}

impl Forecast {
    /// Works out a plan that passed [`Plan::check`].
    #[must_use]
    pub fn of(plan: &Plan) -> Forecast {
        let loads = plan.scenarios.iter().map(|scenario| scenario.load.clone()).collect();
        let versions = Versions::first(RunTime::ZERO, loads, SlotTable::weighted(0, &[]), 0);
        let since_start = |at: RunTime| at.since(RunTime::ZERO);
        let ends_after = plan.ends_after.unwrap_or(Duration::MAX);
        let planned_end = versions.end().map(since_start);
        let duration = planned_end.or(plan.ends_after).map(|end| end.min(ends_after));
        let last_arrival = versions.last_arrival().map(since_start);
        let mut seconds = versions.planned_seconds(RunTime::ZERO);
        if let Some(end) = plan.ends_after {
            seconds.truncate(usize::try_from(whole_seconds(end)).unwrap_or(usize::MAX));
        }
        let before = RunTime::ZERO + ends_after;
        let users = (0..versions.scenarios()).map(|scenario| versions.arrived_before(scenario, before)).sum();
        let peak_live = seconds.iter().try_fold(0, |peak: u64, second| second.live.map(|live| peak.max(live)));
        Forecast {
            users,
            peak_live,
            peak_arrivals_per_s: seconds.iter().map(|second| second.arrivals).max().unwrap_or(0),
            duration,
            last_arrival: last_arrival.filter(|last| *last < ends_after),
            curve: curve(&seconds, users),
        }
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

/// Thins the seconds out to the points of a chart; the first is the start and the last the end, by which no more than
/// `users` have come even if the plan ends in the middle of a second.
fn curve(seconds: &[PlannedSecond], users: u64) -> Vec<ForecastPoint> {
    let length = seconds.len() as u64;
    let step = length.div_ceil(MOST_POINTS - 1).max(1);
    let mut points = vec![ForecastPoint { second: 0, arrived: 0, live: Some(0) }];
    let mut arrived = 0;
    for (second, planned) in (1..).zip(seconds) {
        arrived = users.min(arrived + planned.arrivals);
        if second % step == 0 || second == length {
            points.push(ForecastPoint { second, arrived, live: planned.live });
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Load, RateStage, Spacing, Stage, Stay};
    use crate::plan::Scenario;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn plan(loads: Vec<Load>) -> Plan {
        let name = |number: usize| format!("s{number}");
        let scenarios = loads.into_iter().enumerate();
        let scenarios = scenarios.map(|(number, load)| Scenario { name: name(number), run: "user".into(), load });
        Plan { scenarios: scenarios.collect(), ..Plan::default() }
    }

    fn arrive(users: u64, over: u64, stay: Stay) -> Load {
        Load::Arrive { users, over: seconds(over), spacing: Spacing::Even, stay }
    }

    #[test]
    fn a_show_is_foretold() {
        let show = plan(vec![arrive(3000, 600, Stay::AfterLastArrival(seconds(60)))]);
        let forecast = Forecast::of(&show);
        assert_eq!((forecast.users, forecast.peak_live, forecast.peak_arrivals_per_s), (3000, Some(3000), 5));
        let last = Duration::from_millis(599_800);
        assert_eq!((forecast.last_arrival, forecast.duration), (Some(last), Some(last + seconds(60))));
        assert!(forecast.curve.len() <= 300 && forecast.curve.len() > 200, "{}", forecast.curve.len());
        assert_eq!(forecast.curve[0], ForecastPoint { second: 0, arrived: 0, live: Some(0) });
        let half = forecast.curve.iter().find(|point| point.second == 300);
        assert_eq!(half, Some(&ForecastPoint { second: 300, arrived: 1500, live: Some(1500) }));
        assert_eq!(forecast.curve.last(), Some(&ForecastPoint { second: 660, arrived: 3000, live: Some(0) }));
    }

    #[test]
    fn scenarios_add_up() {
        let stages = vec![Stage::RampTo { users: 20, over: seconds(0) }, Stage::Hold { over: seconds(10) }];
        let crowd = Load::Population { stages, keep_session: false };
        let forecast = Forecast::of(&plan(vec![arrive(10, 10, Stay::Each(seconds(2))), crowd]));
        assert_eq!((forecast.users, forecast.peak_live, forecast.peak_arrivals_per_s), (30, Some(22), 21));
        assert_eq!(forecast.duration, Some(seconds(11)));
    }

    #[test]
    fn what_users_decide_is_not_foretold() {
        let stages =
            vec![RateStage::RampTo { per_second: 5.0, over: seconds(0) }, RateStage::Hold { over: seconds(20) }];
        let mut open = plan(vec![Load::Rate { stages, at_most: 9 }, arrive(10, 0, Stay::Each(seconds(1)))]);
        let forecast = Forecast::of(&open);
        assert_eq!((forecast.users, forecast.peak_live, forecast.duration), (110, None, None));
        open.ends_after = Some(Duration::from_millis(10_100));
        let forecast = Forecast::of(&open);
        assert_eq!((forecast.users, forecast.duration), (61, Some(Duration::from_millis(10_100))));
        assert_eq!(forecast.curve.last(), Some(&ForecastPoint { second: 11, arrived: 61, live: None }));
    }

    #[test]
    fn an_empty_plan_has_an_empty_forecast() {
        let forecast = Forecast::of(&Plan::default());
        assert_eq!((forecast.users, forecast.peak_live, forecast.last_arrival), (0, Some(0), None));
    }
}
