//! The observations as step functions, with the questions that several judges ask of them.

use std::collections::BTreeMap;

use rehearsal_plan::AutoscalerPlan;

use super::reaction::{LoadStep, load_steps};
use super::steps::{Change, Sample, StepFunction};
use super::{Activity, Observations, Series};
use crate::amounts;
use crate::case::Extent;

/// What the judges look at.
pub(super) struct View<'a> {
    pub plan: &'a AutoscalerPlan,
    pub seen: &'a Observations,
    pub run: Extent,
    pub load: StepFunction,
    pub demand: StepFunction,
    pub desired: StepFunction,
    pub running: StepFunction,
    pub ready: StepFunction,
    pub draining: StepFunction,
    pub errors: StepFunction,
    pub metrics: BTreeMap<&'a str, StepFunction>,
    /// The steps of the load, in order of time.
    pub steps: Vec<LoadStep>,
    /// Where a metric that the scaler goes by was missing for as long as the plan calls an outage.
    pub outages: Vec<(&'a str, Extent)>,
}

impl<'a> View<'a> {
    pub(super) fn new(plan: &'a AutoscalerPlan, seen: &'a Observations) -> View<'a> {
        let run = Extent { from_s: seen.from_s, to_s: seen.to_s };
        let function = |series: &Series| StepFunction::of(&series.samples, run, series.max_age_s);
        let metrics = seen.metrics.iter().map(|(name, series)| (name.as_str(), function(series)));
        let mut view = View {
            plan,
            seen,
            run,
            load: function(&seen.load),
            demand: function(&seen.demand),
            desired: function(&seen.desired),
            running: function(&seen.running),
            ready: function(&seen.ready),
            draining: function(&seen.draining),
            errors: function(&seen.errors),
            metrics: metrics.collect(),
            steps: Vec::new(),
            outages: Vec::new(),
        };
        view.steps = load_steps(&view.demand, view.supply(), run);
        view.outages = view.find_outages();
        view
    }

    /// The instances in service; where readiness was never seen, those that run.
    pub(super) fn supply(&self) -> &StepFunction {
        if self.ready.is_seen() { &self.ready } else { &self.running }
    }

    /// The scaler's decisions; where they were never seen, what became of them.
    pub(super) fn decided(&self) -> &StepFunction {
        if self.desired.is_seen() { &self.desired } else { self.by_existence() }
    }

    /// The changes of what the scaler wants, by its own log where that tells their instant more exactly.
    pub(super) fn decisions(&self) -> Vec<Change> {
        let logged = |change: &Change| {
            let is_same = |activity: &&Activity| (activity.change > 0) == (change.to > change.from);
            let mut log = self.seen.activities.iter().filter(is_same).map(|activity| activity.at_s);
            log.find(|at_s| (change.after_s..=change.at_s).contains(at_s))
        };
        let exactly = |change: Change| match logged(&change) {
            Some(at_s) => Change { after_s: at_s, at_s, ..change },
            None => change,
        };
        self.decided().changes().map(exactly).collect()
    }

    /// The instances that exist, which tells best when one has gone.
    pub(super) fn by_existence(&self) -> &StepFunction {
        if self.running.is_seen() { &self.running } else { &self.ready }
    }

    /// How long the scaler has from a step of the load to ready instances, in seconds.
    pub(super) fn reaction_s(&self) -> f64 {
        self.plan.reaction().as_secs_f64()
    }

    /// The upper bound, infinite if there is none.
    pub(super) fn at_most(&self) -> f64 {
        self.plan.at_most.map_or(f64::INFINITY, f64::from)
    }

    /// The lower bound; nobody runs without an instance.
    pub(super) fn at_least(&self) -> f64 {
        f64::from(self.plan.at_least.unwrap_or(1))
    }

    /// The tick at which instability is taken, in seconds: a minute, and less in a run of few minutes.
    pub(super) fn tick_s(&self) -> f64 {
        if self.run.to_s - self.run.from_s < 600.0 { 10.0 } else { 60.0 }
    }

    /// The share of the run in which a function is known, as a fraction of 1; `None` if it never was.
    pub(super) fn run_share(&self, function: &StepFunction) -> Option<f64> {
        let share = function.known_s(self.run.from_s, self.run.to_s) / (self.run.to_s - self.run.from_s);
        function.is_seen().then_some(share)
    }

    /// Whether the plan says that the scaler goes by a metric.
    pub(super) fn goes_by(&self, metric: &str) -> bool {
        let kept = self.plan.keep.iter().map(|keep| &keep.band.metric);
        kept.chain(self.plan.backlogs.iter().map(|backlog| &backlog.metric)).any(|named| named == metric)
    }

    /// Finds the outages of the metrics that the plan has expectations of, or else of all that are observed.
    /// What was not yet seen at all is no outage.
    fn find_outages(&self) -> Vec<(&'a str, Extent)> {
        let longer_than_s = self.plan.outage.longer_than.as_secs_f64();
        let names_any = !self.plan.keep.is_empty() || !self.plan.backlogs.is_empty();
        let mut outages = Vec::new();
        for (name, function) in &self.metrics {
            let is_watched = !names_any || self.goes_by(name);
            let missing = function.stretches(|value| value.is_none()).into_iter();
            let long = missing.filter(|part| part.from_s > self.run.from_s && part.to_s - part.from_s > longer_than_s);
            outages.extend(long.filter(|_| is_watched).map(|part| (*name, self.certainly_missing(name, part))));
        }
        outages
    }

    /// Ends a stretch in which a metric is missing with the last look that did not find it: what the scaler did
    /// after that it may have done because the metric was back.
    fn certainly_missing(&self, metric: &str, part: Extent) -> Extent {
        let samples = self.seen.metrics.get(metric).into_iter().flat_map(|series| &series.samples);
        let looks = samples.map(|(at_s, _)| *at_s).filter(|at_s| (part.from_s..part.to_s).contains(at_s));
        Extent { to_s: looks.reduce(f64::max).unwrap_or(part.to_s), ..part }
    }

    /// Everything that was seen, for the report.
    pub(super) fn series(&self) -> BTreeMap<String, Vec<Sample>> {
        let instances = [
            ("demand", &self.demand),
            ("desired", &self.desired),
            ("running", &self.running),
            ("ready", &self.ready),
            ("draining", &self.draining),
        ];
        let metrics = self.metrics.iter().map(|(name, function)| (*name, function));
        metrics.chain(instances).map(|(name, function)| (name.to_owned(), function.points())).collect()
    }
}

/// Writes an instant of run time or a length of time as it stands in findings: `90 s`, `12.5 s`.
pub(super) fn seconds(seconds: f64) -> String {
    format!("{} s", amounts::number((seconds * 10.0).round() / 10.0))
}

/// Writes a number of instances.
pub(super) fn instances(number: f64) -> String {
    if number.fract() == 0.0 && number >= 0.0 {
        return amounts::counted(number as u64, "instance");
    }
    format!("{} instances", amounts::number(number))
}

/// Writes a number of instances as what a sentence is about: `1 instance was`, `3 instances were`.
pub(super) fn instances_were(number: f64) -> String {
    format!("{} {}", instances(number), if number == 1.0 { "was" } else { "were" })
}
