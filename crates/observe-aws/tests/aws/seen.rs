//! From what observers read at each look to what the verdict is made of.

use std::time::SystemTime;

use rehearsal_observe::{Observation, Outcome, Reading, Role, Source, Supply};
use rehearsal_plan::Capacity;
use rehearsal_verdict::elasticity::{Activity, Departure, Failure, Observations, Series, demand};

use crate::amazon::{Amazon, at};

/// How often sources are read, in seconds: as ECS and CloudWatch can bear it.
const EVERY: usize = 10;
/// For how long what was seen stands for what comes after it, in seconds.
const MAX_AGE: f64 = 3.0 * EVERY as f64;

/// What was seen of a replay from its beginning to its end.
#[derive(Default)]
pub struct Seen {
    pub observations: Observations,
    /// The most instances that the platform allowed at any time.
    pub most: Option<u64>,
    /// The words of activities that tell no number.
    pub words: Vec<String>,
    told: Vec<rehearsal_observe::Activity>,
}

/// Reads all sources of an environment over a whole replay. `load` is users from which second on.
pub async fn watch(amazon: &Amazon, environment: &str, end: usize, load: &[(f64, f64)], capacity: Option<f64>) -> Seen {
    let mut sources = amazon.sources(environment);
    let mut seen = Seen::default();
    let all = &mut seen.observations;
    (all.from_s, all.to_s) = (0.0, end as f64);
    all.errors = Series::new((0..end).map(|second| (second as f64, Some(0.0))).collect(), 3.0);
    if let Some(users) = capacity {
        let samples = (0..end).map(|second| {
            let step = load.iter().rev().find(|(from, _)| *from <= second as f64);
            (second as f64, step.map(|(_, users)| *users))
        });
        all.demand = demand(Capacity::Users(users), &Series::new(samples.collect(), 3.0));
    }
    for second in (0..end).step_by(EVERY) {
        for source in &mut sources {
            let observation = amazon.observe(source, second as f64).await;
            seen.take(source, second as f64, observation);
        }
    }
    seen.conclude();
    seen
}

impl Seen {
    fn failed(&mut self, source: &Source, at_s: f64, why: String, is_ours: bool) -> Option<Reading> {
        let of = if source.role == Role::Metric { source.name.clone() } else { source.role.to_string() };
        self.observations.failures.push(Failure { at_s, of, why, is_ours });
        None
    }

    fn take(&mut self, source: &Source, second: f64, observation: Observation) {
        for departure in observation.departures {
            let departure = Departure { at_s: second, instance: departure.instance, in_flight: departure.in_flight };
            self.observations.departures.push(departure);
        }
        let reading = match observation.outcome {
            Outcome::Ok(reading) => Some(reading),
            Outcome::Missing(why) => self.failed(source, second, why, false),
            Outcome::Error(kind, text) => self.failed(source, second, format!("{kind}: {text}"), true),
        };
        match (source.role, reading) {
            (Role::Supply, Some(Reading::Supply(supply))) => self.supply(second, supply),
            (Role::Supply, _) => self.supply(second, Supply::default()),
            (Role::Metric, reading) => {
                let value =
                    reading.and_then(|reading| if let Reading::Metric(value) = reading { Some(value) } else { None });
                push(self.observations.metrics.entry(source.name.clone()).or_default(), second, value);
            }
            // Every reading tells all of them again.
            (Role::Activities, Some(Reading::Activities(told))) => self.told.extend(told),
            (Role::Activities, _) => {}
        }
    }

    fn supply(&mut self, second: f64, supply: Supply) {
        let seen = &mut self.observations;
        let all = [
            (&mut seen.desired, supply.desired),
            (&mut seen.running, supply.running),
            (&mut seen.ready, supply.ready),
            (&mut seen.draining, supply.draining),
        ];
        for (series, count) in all {
            push(series, second, count.map(|count| count as f64));
        }
        self.most = self.most.max(supply.max);
    }

    /// Makes of what was told over and over one list; where only the new number was told, the change is that to the one before.
    fn conclude(&mut self) {
        self.told.sort();
        self.told.dedup();
        let mut before = None;
        for activity in std::mem::take(&mut self.told) {
            let change = activity.change.or_else(|| Some(activity.to? as i64 - before? as i64));
            before = activity.to.or(before);
            match change {
                Some(change) => self.observations.activities.push(Activity { at_s: since(activity.at), change }),
                None => self.words.push(activity.why),
            }
        }
    }
}

fn push(series: &mut Series, second: f64, value: Option<f64>) {
    series.max_age_s = MAX_AGE;
    series.samples.push((second, value));
}

fn since(instant: SystemTime) -> f64 {
    instant.duration_since(at(0.0)).map(|time| time.as_secs_f64()).unwrap_or(f64::NEG_INFINITY)
}
