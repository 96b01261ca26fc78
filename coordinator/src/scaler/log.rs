//! All looks of a run, and what they come to: the observations that the verdict judges.
//!
//! Several sources may tell the same number of instances. Each number is taken from the first of them, in the order of the
//! environment, that ever told it: two sources are not mixed, because they see the same change at different times.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rehearsal_metrics::Timeline;
use rehearsal_observe::{Role, Source, Supply};
use rehearsal_plan::{AutoscalerPlan, RunTime};
use rehearsal_verdict::elasticity::{self, Activity, Assessment, Departure, Failure, Observations, Sample, Series};

use super::load;
use super::look::{Decision, Look, What};

mod notes;

/// One source, as far as its looks need it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    /// Its table in the environment.
    pub(crate) place: String,
    /// Its name within its role.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// How long a value of it stands for what comes after, in seconds.
    pub(crate) max_age_s: f64,
}

/// The looks of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    places: Vec<Place>,
    looks: Vec<Look>,
    /// By what is the same whenever the scaler tells of it.
    decisions: BTreeMap<(i64, Option<i64>, Option<u64>), Decision>,
}

impl Log {
    /// A log of what these sources will tell.
    pub(crate) fn new(sources: &[Source]) -> Log {
        let place = |source: &Source| Place {
            place: source.place.clone(),
            name: source.name.clone(),
            role: source.role,
            max_age_s: source.max_age().as_secs_f64(),
        };
        Log { places: sources.iter().map(place).collect(), ..Log::default() }
    }

    /// Takes a look in, and gives what of it is new: a scaler repeats its activities with every reading.
    pub(crate) fn add(&mut self, mut look: Look) -> &Look {
        let until_us = look.until_us();
        if let What::Activities(all) = &mut look.what {
            all.retain(|decision| self.take_in(decision, until_us));
        }
        self.looks.push(look);
        &self.looks[self.looks.len() - 1]
    }

    /// Takes a decision in that was told by an instant; false if it is known. A clock that is ahead of ours cannot have
    /// made it later than that.
    fn take_in(&mut self, decision: &Decision, told_us: i64) -> bool {
        match self.decisions.entry((decision.unix_us, decision.change, decision.to)) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(Decision { at_us: decision.at_us.min(told_us), ..decision.clone() });
                true
            }
        }
    }

    /// Whether a look is the first of its source, and failed: then the source is probably described wrongly.
    pub(crate) fn is_false_start(&self, look: &Look) -> bool {
        matches!(look.what, What::Error(_)) && !self.looks.iter().any(|known| known.place == look.place)
    }

    /// The source of a look.
    pub(crate) fn place_of(&self, look: &Look) -> Option<&Place> {
        self.places.iter().find(|place| place.place == look.place)
    }

    /// Whether no source ever gave what it is asked for.
    pub(crate) fn is_silent(&self) -> bool {
        !self.looks.iter().any(Look::is_value)
    }

    /// Judges the scaler by its plan; one of which nothing is expected is shown, if it was seen, and not judged.
    pub(crate) fn judge(
        &self,
        plan: Option<&AutoscalerPlan>,
        timeline: &Timeline,
        started: RunTime,
        until: RunTime,
    ) -> Option<Assessment> {
        match plan {
            Some(plan) => self.assess(plan, timeline, started, until),
            None => {
                let seen = self.assess(&AutoscalerPlan::default(), timeline, started, until)?;
                Some(Assessment { findings: Vec::new(), ..seen })
            }
        }
    }

    /// Judges the scaler by what was seen of it from the start of the run to an instant; `None` if nothing was.
    fn assess(
        &self,
        plan: &AutoscalerPlan,
        timeline: &Timeline,
        started: RunTime,
        until: RunTime,
    ) -> Option<Assessment> {
        if self.is_silent() || until <= started {
            return None;
        }
        let plan = self.within_bounds(plan);
        Some(elasticity::assess(&plan, &self.observations(&plan, timeline, started, until)))
    }

    /// The plan with the bounds that the platform told: beyond its maximum there is nothing that a scaler could do.
    fn within_bounds(&self, plan: &AutoscalerPlan) -> AutoscalerPlan {
        let told = |number: &str| self.numbers(number).iter().rev().find_map(|(_, value)| *value);
        let bound = |number: &str| told(number).map(|value| value as u32);
        AutoscalerPlan {
            at_least: plan.at_least.or(bound("min")),
            at_most: plan.at_most.into_iter().chain(bound("max")).min(),
            ..plan.clone()
        }
    }

    fn observations(
        &self,
        plan: &AutoscalerPlan,
        timeline: &Timeline,
        started: RunTime,
        until: RunTime,
    ) -> Observations {
        let at_s = |at_us: i64| (at_us - started.0) as f64 / 1e6;
        let dated = |samples: Vec<Dated>, max_age_s: f64| {
            let samples: Vec<Sample> = samples.into_iter().map(|(at_us, value)| (at_s(at_us), value)).collect();
            Series::new(samples, max_age_s)
        };
        let supply = |number: &str| dated(self.numbers(number), self.age_of(number));
        let load = plan.capacity.map(|capacity| load::load(timeline, capacity));
        let metrics = self.places.iter().filter(|place| place.role == Role::Metric);
        let load = load.unwrap_or_default();
        let departures = |look: &Look| {
            let at_s = at_s(look.at_us);
            let gone = look.gone.clone().into_iter();
            gone.map(move |(instance, in_flight)| Departure { at_s, instance, in_flight }).collect::<Vec<_>>()
        };
        let failure = |look: &Look| {
            let (why, is_ours) = match &look.what {
                What::Error(why) => (why.clone(), true),
                What::Missing(why) => (why.clone(), false),
                _ => return None,
            };
            Some(Failure { at_s: at_s(look.at_us), of: self.name_of(look)?, why, is_ours })
        };
        Observations {
            from_s: 0.0,
            to_s: at_s(until.0),
            demand: plan.capacity.map(|capacity| elasticity::demand(capacity, &load)).unwrap_or_default(),
            load,
            desired: supply("desired"),
            running: supply("running"),
            ready: supply("ready"),
            draining: supply("draining"),
            metrics: metrics
                .map(|place| {
                    let (samples, lag_s) = self.values(place);
                    (place.name.clone(), dated(samples, place.max_age_s + lag_s))
                })
                .collect(),
            errors: load::errors(timeline),
            activities: self.activities(started),
            departures: self.looks.iter().flat_map(departures).collect(),
            failures: self.looks.iter().filter_map(failure).collect(),
        }
    }

    fn looks_of<'a>(&'a self, place: &'a Place) -> impl Iterator<Item = &'a Look> {
        self.looks.iter().filter(|look| look.place == place.place)
    }

    fn name_of(&self, look: &Look) -> Option<String> {
        let place = self.place_of(look)?;
        Some(if place.role == Role::Metric { place.name.clone() } else { place.role.to_string() })
    }

    /// The source that a number of instances is taken from.
    fn teller(&self, number: &str) -> Option<(&Place, usize)> {
        let index = Supply::NAMES.iter().position(|name| *name == number)?;
        let tells = |look: &Look| matches!(&look.what, What::Supply(numbers) if numbers[index].is_some());
        let supply = self.places.iter().filter(|place| place.role == Role::Supply);
        let teller = supply.into_iter().find(|place| self.looks_of(place).any(tells))?;
        Some((teller, index))
    }

    /// How often a number of instances was seen, and what it was then.
    fn numbers(&self, number: &str) -> Vec<Dated> {
        let Some((place, index)) = self.teller(number) else { return Vec::new() };
        let value = |look: &Look| match &look.what {
            What::Supply(numbers) => numbers[index].map(|number| number as f64),
            _ => None,
        };
        self.looks_of(place).map(|look| (look.at_us, value(look))).collect()
    }

    fn age_of(&self, number: &str) -> f64 {
        self.teller(number).map_or(0.0, |(place, _)| place.max_age_s)
    }

    /// The values of a metric, and by how much their own time is behind the time at which they can be read. A value that
    /// its source dates stands at that time, and an error in between says nothing of it: the next reading tells.
    fn values(&self, place: &Place) -> (Vec<Dated>, f64) {
        let mut values = BTreeMap::new();
        let is_dated = self.looks_of(place).any(|look| look.of_us.is_some());
        let mut lag_us = 0;
        for look in self.looks_of(place) {
            match &look.what {
                What::Metric(value) => {
                    let of_us = look.of_us.unwrap_or(look.at_us).min(look.at_us);
                    lag_us = lag_us.max(look.at_us - of_us);
                    values.insert(of_us, Some(*value));
                }
                What::Error(_) if is_dated => {}
                _ => {
                    values.insert(look.at_us, None);
                }
            }
        }
        (values.into_iter().collect(), lag_us as f64 / 1e6)
    }

    /// The scaler's decisions. One that says only to how many instances is a change from what the one before said.
    fn activities(&self, started: RunTime) -> Vec<Activity> {
        let mut before: Option<u64> = None;
        let mut found = Vec::new();
        for decision in self.decisions.values() {
            let step = before.zip(decision.to).map(|(from, to)| to as i64 - from as i64);
            let change = decision.change.or(step).filter(|change| *change != 0);
            before = decision.to.or(before);
            found.extend(change.map(|change| Activity { at_s: (decision.at_us - started.0) as f64 / 1e6, change }));
        }
        found
    }
}

/// A value with its time in microseconds of run time.
type Dated = (i64, Option<f64>);

#[cfg(test)]
mod tests;
