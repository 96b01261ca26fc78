//! What a plan says of observed figures, held against what the environment observes.

use serde_json::Value;

use crate::autoscaler::{Backlog, Guard};
use crate::plan::Plan;
use crate::problem::Problem;

/// The figures of supply that a guard may be about, beside the environment's metrics.
pub const SUPPLY_FIGURES: [&str; 4] = ["desired", "running", "ready", "draining"];

/// What is wrong with a plan in an environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unobserved {
    /// What cannot be meant: the run must not start.
    pub mistakes: Vec<Problem>,
    /// What the run can do without, and its author should know.
    pub doubts: Vec<Problem>,
}

impl Plan {
    /// Finds metrics that the plan names and that the environment's `autoscaler` does not observe. Without any
    /// observer the plan is one for other environments: then it is told that nothing is judged, and that guards protect
    /// nothing.
    #[must_use]
    pub fn check_observed(&self, autoscaler: Option<&Value>) -> Unobserved {
        let mut found = Unobserved::default();
        let Some(autoscaler) = autoscaler else {
            found.doubts.extend(self.autoscaler.as_ref().map(|_| {
                Problem::new("autoscaler: it will not be judged: the environment observes nothing")
                    .hint("say in [autoscaler] of the environment where its numbers are")
            }));
            found.doubts.extend(self.guards.iter().map(|Guard { metric, .. }| {
                Problem::new(format!("the guard of `{metric}` protects nothing: the environment observes nothing"))
                    .hint(format!("describe it in [autoscaler.metrics.\"{metric}\"] of the environment"))
            }));
            return found;
        };
        let metrics: Vec<&str> =
            autoscaler["metrics"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let unknown = |what: &str, metric: &str, known: &[&str]| {
            let problem = Problem::new(format!("{what} `{metric}`, which the environment does not observe"));
            let problem = problem.did_you_mean(metric, known.iter().copied());
            let hint = match metric {
                "demand" => format!("numbers of instances that are observed are {}", SUPPLY_FIGURES.join(", ")),
                _ => format!("describe it in [autoscaler.metrics.\"{metric}\"] of the environment"),
            };
            if problem.hint.is_some() { problem } else { problem.hint(hint) }
        };
        if let Some(plan) = &self.autoscaler {
            let bands = plan.keep.iter().map(|keep| ("autoscaler: it is to keep", &keep.band.metric));
            let backlogs = plan.backlogs.iter().map(|Backlog { metric, .. }| ("autoscaler: a backlog of", metric));
            let wrong = bands.chain(backlogs).filter(|(_, metric)| !metrics.contains(&metric.as_str()));
            found.mistakes.extend(wrong.map(|(what, metric)| unknown(what, metric, &metrics)));
        }
        if self.autoscaler.as_ref().is_some_and(|plan| plan.capacity.is_none()) && !autoscaler["supply"].is_null() {
            let problem =
                Problem::new("autoscaler: it has no capacity, so whether supply follows the load is not judged");
            found.doubts.push(problem.hint("add .capacity(users) or .capacity_requests(per_second) of one instance"));
        }
        let known = [metrics.as_slice(), &SUPPLY_FIGURES].concat();
        let wrong = self.guards.iter().filter(|guard| !known.contains(&guard.metric.as_str()));
        found.mistakes.extend(wrong.map(|guard| unknown("a guard of", &guard.metric, &known)));
        found
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::autoscaler::{AutoscalerPlan, Keep, Limit};

    fn plan() -> Plan {
        let guard = |metric: &str| Guard { metric: metric.into(), stays: Limit::Below(900.0) };
        Plan {
            autoscaler: Some(AutoscalerPlan {
                keep: vec![Keep::new("cpu", 10.0, 30.0)],
                backlogs: vec![Backlog { metric: "jobs".into(), below: 1.0, within: std::time::Duration::ZERO }],
                ..AutoscalerPlan::default()
            }),
            guards: vec![guard("db connections"), guard("ready")],
            ..Plan::default()
        }
    }

    fn told(problems: &[Problem]) -> Vec<String> {
        problems.iter().map(Problem::to_string).collect()
    }

    #[test]
    fn what_nobody_observes_is_a_mistake() {
        let found = plan().check_observed(Some(&json!({ "metrics": { "cqu": {} } })));
        let expected = [
            "autoscaler: it is to keep `cpu`, which the environment does not observe (hint: did you mean `cqu`?)",
            "autoscaler: a backlog of `jobs`, which the environment does not observe \
             (hint: describe it in [autoscaler.metrics.\"jobs\"] of the environment)",
            "a guard of `db connections`, which the environment does not observe \
             (hint: describe it in [autoscaler.metrics.\"db connections\"] of the environment)",
        ];
        assert_eq!((told(&found.mistakes), found.doubts), (expected.map(str::to_owned).to_vec(), vec![]));
        let all = json!({ "metrics": { "cpu": {}, "jobs": {}, "db connections": {} } });
        assert_eq!(plan().check_observed(Some(&all)), Unobserved::default());
    }

    #[test]
    fn supply_is_no_use_without_a_capacity() {
        let observed = json!({ "supply": {}, "metrics": { "cpu": {}, "jobs": {}, "db connections": {} } });
        let doubts = |capacity| {
            let mut plan = plan();
            plan.autoscaler.as_mut().unwrap().capacity = capacity;
            plan.check_observed(Some(&observed)).doubts
        };
        assert_eq!(doubts(Some(crate::Capacity::Users(5.0))), []);
        assert!(doubts(None)[0].message.contains("no capacity"));
    }

    #[test]
    fn an_environment_without_observers_leaves_all_in_doubt() {
        let found = plan().check_observed(None);
        assert_eq!((found.mistakes.len(), found.doubts.len()), (0, 3));
        assert!(found.doubts[0].message.contains("not be judged"), "{:?}", found.doubts);
        assert!(found.doubts[1].message.contains("protects nothing"), "{:?}", found.doubts);
    }
}
