//! Did the autoscaler follow the load? From what was observed of it to figures, and findings in plain words.
//!
//! **Demand** is how many instances the load needs, **supply** how many are ready. Both are step functions of
//! run time that may be missing in places ([`steps`]). From them come the SPEC metrics ([`accuracy`]) and, for
//! every step of the load, how long the scaler took to notice, decide, start and be ready ([`reaction`]). The
//! other files each judge one expectation of the plan.
//!
//! A finding *fails* the run, leaves its verdict *in doubt*, or is only *told*. Without evidence an expectation
//! is in doubt: it neither passes nor counts as zero. What the scaler could not help, its own bounds above all,
//! is never held against it.

use std::collections::BTreeMap;

use rehearsal_plan::{AutoscalerPlan, Capacity};
use serde::{Deserialize, Serialize};

use crate::generator::Generator;
use view::View;

mod steps;
mod view;

mod accuracy;
mod reaction;
mod settling;
mod bands;

mod lateness;
mod shortage;
mod overshoot;
mod flapping;
mod bounds;
mod draining;
mod outage;
mod backlog;
mod coverage;
mod contradiction;
mod fullness;

mod finding;
mod file;

#[cfg(any(test, feature = "imaginary"))]
pub mod imaginary;

pub use bands::KeptBand;
pub use finding::{Kind, ScalerFinding, Weight};
pub use reaction::{Direction, Step};
pub use steps::Sample;

/// Numbers by the names that they have in `summary.json` and, after `autoscaler.`, in thresholds.
pub type Figures = BTreeMap<String, f64>;

/// Everything that was seen of the autoscaler under test and of the load that it was to follow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observations {
    /// The run time from which on it was observed, in seconds.
    pub from_s: f64,
    /// The run time at which the load ended, in seconds.
    pub to_s: f64,
    /// The load itself, in the unit of the plan's capacity; empty if nobody measured it. It is shown, and judged as
    /// `demand`.
    pub load: Series,
    /// How many instances the load needs, as [`demand`] computes it; empty if nobody knows.
    pub demand: Series,
    /// How many instances the scaler wants.
    pub desired: Series,
    /// How many instances run, ready or not.
    pub running: Series,
    /// How many instances are in service.
    pub ready: Series,
    /// How many instances are leaving.
    pub draining: Series,
    /// What the scaler looks at, by the names in the environment's `autoscaler.metrics`.
    pub metrics: BTreeMap<String, Series>,
    /// The errors of users, per second.
    pub errors: Series,
    /// The scaler's own log.
    pub activities: Vec<Activity>,
    /// The instances that went away, if they are observed one by one.
    pub departures: Vec<Departure>,
    /// The observations that failed; their samples are missing in the series, too.
    pub failures: Vec<Failure>,
}

/// The samples of one observed value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// When something was seen, and what; `None` if nothing could be.
    pub samples: Vec<Sample>,
    /// For how long a sample stands for what comes after it, in seconds; then the value is missing.
    pub max_age_s: f64,
}

/// An entry of the scaler's own log. Serialized, it is `[at_s, change]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "(f64, i64)", into = "(f64, i64)")]
pub struct Activity {
    /// When it decided, in seconds of run time.
    pub at_s: f64,
    /// By how many instances, below 0 if there were to be fewer.
    pub change: i64,
}

/// An instance that went away.
#[derive(Clone, Debug, PartialEq)]
pub struct Departure {
    /// When it was seen for the last time, in seconds of run time.
    pub at_s: f64,
    /// Its name.
    pub instance: String,
    /// What it still had to do then: requests, connections or tasks; `None` if nobody saw.
    pub in_flight: Option<u64>,
}

/// An observation that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// When, in seconds of run time.
    pub at_s: f64,
    /// Of what: `supply`, `activities`, or a metric's name.
    pub of: String,
    /// Why.
    pub why: String,
    /// Whether it was the looking that failed. A source that answers and has no value is seen well: then the scaler
    /// has none, either.
    pub is_ours: bool,
}

/// What is to be said of an autoscaler. Serialized, it is `autoscaler` in `summary.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "file::Row", into = "file::Row")]
pub struct Assessment {
    /// The run time from which on it was judged, in seconds.
    pub from_s: f64,
    /// The run time until which it was judged, in seconds. The last sample of each series holds until then.
    pub to_s: f64,
    /// What one instance was taken to carry.
    pub capacity: Option<Capacity>,
    /// How many instances it may want, as far as the plan says.
    pub bounds: Bounds,
    /// What could be computed; a figure without evidence is not there.
    pub figures: Figures,
    /// What the scaler did about each step of the load.
    pub steps: Vec<Step>,
    /// How well its metrics were kept in their bands.
    pub bands: Vec<KeptBand>,
    /// What was seen, by name, with one sample for every change.
    pub series: BTreeMap<String, Vec<Sample>>,
    /// The load in the capacity's unit, with one sample for every change. It stands apart from `series`, since a
    /// metric may well be called `load`.
    pub load: Vec<Sample>,
    /// The scaler's own log, in order of time.
    pub activities: Vec<Activity>,
    /// What follows. The run's own findings have the same statements, as its judge weighs them.
    pub findings: Vec<ScalerFinding>,
}

/// The bounds that a plan states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// The fewest instances that the scaler may want; `None` if the plan does not say.
    pub at_least: Option<u32>,
    /// The most instances that it may want; `None` if the plan does not say.
    pub at_most: Option<u32>,
}

/// Computes how many instances a load needs at every moment, from samples of live users or of requests per
/// second, whichever the capacity is about.
#[must_use]
pub fn demand(capacity: Capacity, load: &Series) -> Series {
    let instances = |(at_s, load): &Sample| (*at_s, load.map(|load| capacity.instances_for(load)));
    Series { samples: load.samples.iter().map(instances).collect(), ..*load }
}

/// Judges an autoscaler by what the plan expects of it.
#[must_use]
pub fn assess(plan: &AutoscalerPlan, observations: &Observations) -> Assessment {
    let view = View::new(plan, observations);
    let steps: Vec<Step> = view.steps.iter().map(|step| reaction::measure(&view, step)).collect();
    let bands = bands::measure(&view);
    let mut findings = coverage::judge(&view);
    findings.extend(fullness::judge(&view));
    findings.extend(lateness::judge(&view));
    findings.extend(settling::judge(&view));
    findings.extend(overshoot::judge(&view));
    findings.extend(flapping::judge(&view));
    findings.extend(bounds::judge(&view));
    findings.extend(bands::judge(&view, &bands));
    findings.extend(draining::judge(&view));
    findings.extend(outage::judge(&view));
    findings.extend(backlog::judge(&view));
    let contradictions = contradiction::judge(&view);
    contradiction::demote(&mut findings, &contradictions);
    findings.extend(shortage::of_scaler(&view, &findings));
    findings.extend(contradictions);
    findings.sort_by(|one, other| one.weight.cmp(&other.weight).then(one.from_s.total_cmp(&other.from_s)));
    let mut activities = observations.activities.clone();
    activities.sort_by(|one, other| one.at_s.total_cmp(&other.at_s));
    Assessment {
        from_s: view.run.from_s,
        to_s: view.run.to_s,
        capacity: plan.capacity,
        bounds: Bounds { at_least: plan.at_least, at_most: plan.at_most },
        figures: figures(&view, &steps),
        steps,
        bands,
        series: view.series(),
        load: view.load.points(),
        activities,
        findings,
    }
}

/// Computes all figures. Those that are not of the SPEC metrics: `observed_share`, the share of the run in
/// which supply was known, in percent; `readiness_s` and `overshoot`, the worst of all steps; `reversals`,
/// changes of mind while the load was flat.
fn figures(view: &View<'_>, steps: &[Step]) -> Figures {
    let mut figures = accuracy::figures(&view.demand, view.supply(), view.run, view.tick_s());
    let worst = |of: fn(&Step) -> Option<f64>| steps.iter().filter_map(of).reduce(f64::max);
    let others = [
        ("observed_share", view.run_share(view.supply()).map(|share| 100.0 * share)),
        ("readiness_s", view.steps.iter().filter_map(|step| waited(view, step)).reduce(f64::max)),
        ("overshoot", worst(|step| step.overshoot.filter(|_| step.direction == Direction::Up))),
        ("reversals", flapping::count(view)),
        ("errors_while_draining", draining::errors(view).map(f64::round)),
    ];
    figures.extend(others.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    figures
}

/// How long a rise of the load waited for its instances; of one that never got them, until the load took it back or
/// the run ended.
fn waited(view: &View<'_>, step: &reaction::LoadStep) -> Option<f64> {
    let rise = reaction::slowest(view.supply(), step);
    let is_known = rise.direction == Direction::Up && view.supply().is_seen();
    let until_s = || reaction::readiness(view.supply(), &rise).unwrap_or(rise.opposed_s);
    is_known.then(|| until_s() - rise.at_s)
}

impl Series {
    /// Puts samples together with the time for which each of them stands, in seconds.
    #[must_use]
    pub fn new(samples: Vec<Sample>, max_age_s: f64) -> Series {
        Series { samples, max_age_s }
    }
}

impl Assessment {
    /// Weighs all findings beside the load generator; see [`ScalerFinding::beside`].
    #[must_use]
    pub fn beside(self, generator: &Generator) -> Assessment {
        let findings = self.findings.into_iter().map(|finding| finding.beside(generator)).collect();
        Assessment { findings, ..self }
    }

    /// Leaves out the samples from before an instant of run time; what holds at that instant becomes its sample. The
    /// rest stays whole. For screens that have the samples from before.
    #[must_use]
    pub fn since(&self, from_s: f64) -> Assessment {
        let cut = |samples: &Vec<Sample>| -> Vec<Sample> {
            let after = samples.partition_point(|(at_s, _)| *at_s <= from_s);
            let held = samples[..after].last().map(|(_, value)| (from_s, *value));
            held.into_iter().chain(samples[after..].iter().copied()).collect()
        };
        let series = self.series.iter().map(|(name, samples)| (name.clone(), cut(samples))).collect();
        Assessment { series, load: cut(&self.load), ..self.clone() }
    }
}

#[cfg(test)]
mod tests;
