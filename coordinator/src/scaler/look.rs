//! One look at the autoscaler: a reading of one source as it is stored, dated in run time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rehearsal_observe::{Outcome, Reading, Sighting, Supply};
use rehearsal_plan::RunTime;
use serde::{Deserialize, Serialize};

/// A reading of one source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Look {
    /// The source's table in the environment.
    pub(crate) place: String,
    /// When it began, in microseconds of run time. What it gave is at least as new: dated so, nothing looks later than it was.
    pub(crate) at_us: i64,
    /// How long the answer took, in microseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) took_us: u64,
    /// The same of the instant that the value is of, if the source says so; by its clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) of_us: Option<i64>,
    /// How much later than planned the reading began, in microseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) late_us: u64,
    /// How many readings were left out before it, because those before took too long.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) skipped: u64,
    /// The instances that it saw go since the reading before, with what each of them still had to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) gone: Vec<(String, Option<u64>)>,
    /// What it gave.
    #[serde(flatten)]
    pub(crate) what: What,
}

/// What a reading gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// Numbers of instances, in the order of [`Supply::NAMES`].
    Supply([Option<u64>; 6]),
    /// A number that the scaler looks at.
    Metric(f64),
    /// What the scaler decided.
    Activities(Vec<Decision>),
    /// The source answered, and has nothing to say.
    Missing(String),
    /// The source did not answer as it should.
    Error(String),
}

/// One decision of the scaler.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Decision {
    /// When, in microseconds of Unix time, by the clock of the source: the same in every reading that repeats it.
    pub(crate) unix_us: i64,
    /// The same in microseconds of run time.
    pub(crate) at_us: i64,
    /// By how many instances, if the source says so.
    pub(crate) change: Option<i64>,
    /// To how many instances, if the source says so.
    pub(crate) to: Option<u64>,
    /// The scaler's own words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) why: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Look {
    /// Dates what was sighted; `now` is the same instant by the run's clock and by the machine's.
    pub(crate) fn of(sighting: Sighting, now: (RunTime, SystemTime)) -> Look {
        let run_us = |at: SystemTime| now.0.0.saturating_add(micros_between(at, now.1));
        let observation = sighting.observation;
        let what = match observation.outcome {
            Outcome::Ok(Reading::Supply(supply)) => What::Supply(numbers(supply)),
            Outcome::Ok(Reading::Metric(value)) => What::Metric(value),
            Outcome::Ok(Reading::Activities(all)) => {
                let decision = |activity: rehearsal_observe::Activity| Decision {
                    unix_us: micros_between(activity.at, UNIX_EPOCH),
                    at_us: run_us(activity.at),
                    change: activity.change,
                    to: activity.to,
                    why: activity.why,
                };
                What::Activities(all.into_iter().map(decision).collect())
            }
            Outcome::Missing(why) => What::Missing(why),
            Outcome::Error(kind, why) => What::Error(format!("{kind}: {why}")),
        };
        Look {
            place: sighting.place,
            at_us: run_us(observation.observed_at.checked_sub(observation.took).unwrap_or(observation.observed_at)),
            took_us: micros(observation.took),
            of_us: observation.source_time.map(run_us),
            late_us: micros(sighting.late),
            skipped: sighting.skipped,
            gone: observation.departures.into_iter().map(|gone| (gone.instance, gone.in_flight)).collect(),
            what,
        }
    }

    /// When the answer was in, in microseconds of run time.
    pub(crate) fn until_us(&self) -> i64 {
        self.at_us.saturating_add_unsigned(self.took_us)
    }

    /// Whether the source gave what it is asked for.
    pub(crate) fn is_value(&self) -> bool {
        matches!(self.what, What::Supply(_) | What::Metric(_) | What::Activities(_))
    }
}

fn numbers(supply: Supply) -> [Option<u64>; 6] {
    let Supply { desired, running, ready, draining, min, max } = supply;
    [desired, running, ready, draining, min, max]
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// From `since` to `at`, below 0 if that is before.
fn micros_between(at: SystemTime, since: SystemTime) -> i64 {
    let signed = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    match at.duration_since(since) {
        Ok(ahead) => signed(ahead),
        Err(behind) => -signed(behind.duration()),
    }
}

#[cfg(test)]
mod tests {
    use rehearsal_observe::{Activity, Departure, ErrorKind, Observation, Role};

    use super::*;

    fn sighting(outcome: Outcome) -> Sighting {
        Sighting {
            place: "autoscaler.supply".into(),
            name: "supply".into(),
            role: Role::Supply,
            late: Duration::from_millis(5),
            skipped: 1,
            observation: Observation {
                observed_at: UNIX_EPOCH + Duration::from_secs(99),
                took: Duration::from_millis(250),
                source_time: Some(UNIX_EPOCH + Duration::from_secs(90)),
                outcome,
                departures: vec![Departure { instance: "web-1".into(), in_flight: Some(2) }],
            },
        }
    }

    fn look(outcome: Outcome) -> Look {
        Look::of(sighting(outcome), (RunTime(30_000_000), UNIX_EPOCH + Duration::from_secs(100)))
    }

    #[test]
    fn the_machines_time_becomes_run_time() {
        let supply = Supply { ready: Some(3), max: Some(40), ..Supply::default() };
        let seen = look(Outcome::Ok(Reading::Supply(supply)));
        assert_eq!((seen.at_us, seen.took_us, seen.of_us), (28_750_000, 250_000, Some(20_000_000)));
        assert_eq!((seen.late_us, seen.skipped), (5_000, 1));
        assert_eq!(seen.what, What::Supply([None, None, Some(3), None, None, Some(40)]));
        assert_eq!(seen.gone, [("web-1".to_owned(), Some(2))]);
        let at = UNIX_EPOCH + Duration::from_secs(101);
        let activity = Activity { at, change: Some(-1), to: None, why: "idle".into() };
        let What::Activities(decided) = look(Outcome::Ok(Reading::Activities(vec![activity]))).what else { panic!() };
        assert_eq!((decided[0].unix_us, decided[0].at_us), (101_000_000, 31_000_000));
        assert_eq!((decided[0].change, &*decided[0].why), (Some(-1), "idle"));
    }

    #[test]
    fn an_error_is_never_a_value_and_all_survive_the_disk() {
        let error = look(Outcome::Error(ErrorKind::Timeout, "no answer within 5s".into()));
        assert_eq!(error.what, What::Error("timeout: no answer within 5s".into()));
        let missing = look(Outcome::Missing("no data point".into()));
        let metric = look(Outcome::Ok(Reading::Metric(0.0)));
        let activities = look(Outcome::Ok(Reading::Activities(vec![])));
        assert_eq!([&error, &missing, &metric, &activities].map(Look::is_value), [false, false, true, true]);
        for look in [error, missing, metric, activities] {
            let stored = serde_json::to_string(&look).unwrap();
            assert_eq!(serde_json::from_str::<Look>(&stored).unwrap(), look, "{stored}");
        }
    }
}
