//! Everything that is decided before the start: what `plan()` of a scenario returned, as one value.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::autoscaler::{AutoscalerPlan, Guard};
use crate::catalogue::AUTOSCALER;
use crate::data::DataSource;
use crate::duration;
use crate::load::{Load, MOST_USERS};
use crate::problem::Problem;
use crate::schedule::Schedule;
use crate::threshold::Threshold;

/// A plan; it is checked by the coordinator and sent to every agent as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// What the users do; at least one.
    pub scenarios: Vec<Scenario>,
    /// The moments of the show.
    pub cues: Vec<Cue>,
    /// The rules that decide about pass and fail.
    pub thresholds: Vec<Threshold>,
    /// The run time at which the run ends, whoever is still there.
    #[serde(with = "duration::optional")]
    pub ends_after: Option<Duration>,
    /// What is expected of the autoscaler under test.
    pub autoscaler: Option<AutoscalerPlan>,
    /// What the load must not kill: the run stops at once when one of these is crossed.
    pub guards: Vec<Guard>,
    /// The files of data that users draw rows from, by name.
    pub data: BTreeMap<String, DataSource>,
    /// When the slots of an agent move whose connection is gone.
    pub takeover: Takeover,
    /// Whether users of a lost agent come back elsewhere, and over which time they do.
    #[serde(with = "duration::optional")]
    pub restore: Option<Duration>,
}

/// One kind of user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    /// Its name in the report, the `scenario` tag of its metrics.
    pub name: String,
    /// The function of the script that a user runs.
    pub run: String,
    /// How its users come.
    pub load: Load,
}

/// A moment of the show that the director fires.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cue {
    /// Its name, and that of the function that fires it.
    pub name: String,
    /// The event that its audience hears, if any.
    pub event: Option<String>,
    /// The JSON pointer to where the event's data repeats the id of the firing, if it does.
    pub pointer: Option<String>,
    /// When it fires.
    pub when: CueTime,
}

/// When a cue fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CueTime {
    /// This long after the last planned arrival.
    AfterArrivals(#[serde(with = "duration::text")] Duration),
    /// At this run time.
    At(#[serde(with = "duration::text")] Duration),
    /// When the operator says so.
    ByHand,
}

/// When the slots of an agent move whose connection is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Takeover {
    /// When its lease has run out, so that no slot ever has two owners.
    #[default]
    Lease,
    /// Soon, at the risk of double load, which is then reported.
    Eager,
}

impl Plan {
    /// Finds everything that is wrong with the plan by itself; whether its functions and files exist is for
    /// those to say who know them.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.check_scenarios(&mut problems);
        self.check_cues(&mut problems);
        self.check_thresholds(&mut problems);
        if self.ends_after.is_some_and(|end| end.is_zero()) {
            problems.push(Problem::new("the run ends as it starts").hint("give `ends_after` a duration above 0"));
        }
        for (name, source) in &self.data {
            if source.path.is_empty() {
                problems.push(Problem::new(format!("the data `{name}` has no file")));
            }
        }
        problems.extend(self.autoscaler.iter().flat_map(AutoscalerPlan::validate));
        problems.extend(self.guards.iter().flat_map(Guard::validate));
        problems
    }

    /// Counts the users of all scenarios, whether or not the run goes on for long enough.
    #[must_use]
    pub fn planned_users(&self) -> u64 {
        let planned = |scenario: &Scenario| match &scenario.load {
            Load::Arrive { users, .. } => (*users).min(MOST_USERS), // no need to draw the instants of random ones
            load => Schedule::new(load, 0).planned(),
        };
        self.scenarios.iter().map(planned).fold(0, u64::saturating_add)
    }

    fn check_scenarios(&self, problems: &mut Vec<Problem>) {
        if self.scenarios.is_empty() {
            problems.push(Problem::new("the plan has nothing to run").hint("give it a `load`, or `scenarios`"));
        }
        check_names("scenario", self.scenarios.iter().map(|scenario| scenario.name.as_str()), problems);
        for scenario in &self.scenarios {
            let place = format!("scenario `{}`", scenario.name);
            if scenario.run.is_empty() {
                problems.push(Problem::new("it names no function to run").within(&place));
            }
            problems.extend(scenario.load.check().into_iter().map(|problem| problem.within(&place)));
        }
    }

    fn check_cues(&self, problems: &mut Vec<Problem>) {
        check_names("cue", self.cues.iter().map(|cue| cue.name.as_str()), problems);
        for cue in &self.cues {
            let place = format!("cue `{}`", cue.name);
            if let Some(pointer) =
                cue.pointer.as_ref().filter(|pointer| !pointer.is_empty() && !pointer.starts_with('/'))
            {
                let problem =
                    Problem::new(format!("`{pointer}` is not a JSON pointer")).hint(format!("write `/{pointer}`"));
                problems.push(problem.within(&place));
            }
            if cue.pointer.is_some() && cue.event.is_none() {
                problems.push(Problem::new("it has a JSON pointer but no event").within(&place));
            }
        }
    }

    /// Finds thresholds on scenarios and cues that the plan does not have: they would never see any data.
    fn check_thresholds(&self, problems: &mut Vec<Problem>) {
        let scenarios: Vec<&str> = self.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
        let cues: Vec<&str> = self.cues.iter().map(|cue| cue.name.as_str()).collect();
        for threshold in &self.thresholds {
            let mut found: Vec<Problem> = threshold.known_metric().err().into_iter().collect();
            for (tag, known) in [("scenario", &scenarios), ("cue", &cues)] {
                let unknown = threshold.tags.get(tag).filter(|name| !known.contains(&name.as_str()));
                found.extend(unknown.map(|name| {
                    Problem::new(format!("the plan has no {tag} `{name}`")).did_you_mean(name, known.iter().copied())
                }));
            }
            found.extend(self.autoscaler_problem(threshold));
            problems.extend(found.into_iter().map(|problem| problem.within(format!("threshold `{threshold}`"))));
        }
    }
}

impl Plan {
    /// What is wrong with a threshold on a figure of the autoscaler, which is one value for the whole run.
    fn autoscaler_problem(&self, threshold: &Threshold) -> Option<Problem> {
        if !threshold.metric.starts_with(AUTOSCALER) {
            return None;
        }
        if self.autoscaler.is_none() {
            let problem = Problem::new("the plan does not say that an autoscaler is to be judged");
            return Some(problem.hint("add `autoscaler: autoscaler().capacity(500)`, or what else you expect of it"));
        }
        let is_timed = threshold.abort || threshold.held_for.is_some();
        is_timed
            .then(|| Problem::new("a figure of the autoscaler is known only at the end: leave out `for` and `abort`"))
    }
}

fn check_names<'a>(what: &str, names: impl Iterator<Item = &'a str>, problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.is_empty() {
            problems.push(Problem::new(format!("a {what} has no name")));
        } else if !seen.insert(name) {
            problems.push(Problem::new(format!("there are two {what}s named `{name}`")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autoscaler::{Capacity, Keep, Limit};
    use crate::data::Exhausted;
    use crate::load::{Spacing, Stay};

    fn scenario(name: &str, users: u64) -> Scenario {
        let load = Load::Arrive { users, over: Duration::from_secs(5), spacing: Spacing::Even, stay: Stay::UntilDone };
        Scenario { name: name.into(), run: "user".into(), load }
    }

    fn show() -> Plan {
        let when = CueTime::AfterArrivals(Duration::from_secs(5));
        Plan {
            scenarios: vec![scenario("user", 5)],
            cues: vec![Cue {
                name: "open_vote".into(),
                event: Some("vote_open".into()),
                pointer: Some("/ballot".into()),
                when,
            }],
            thresholds: vec!["cue.reach{cue:open_vote} rate > 99.9%".parse().unwrap()],
            ..Plan::default()
        }
    }

    #[test]
    fn a_sound_plan_survives_the_wire() {
        let plan = show();
        assert_eq!(plan.check(), []);
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan, "{text}");
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let mut plan = show();
        plan.scenarios.push(scenario("user", 0));
        plan.cues[0].pointer = Some("ballot".into());
        plan.cues[0].name = "open_votes".into();
        plan.ends_after = Some(Duration::ZERO);
        plan.data.insert("accounts".into(), DataSource { path: String::new(), exhausted: Exhausted::Stop });
        plan.autoscaler = Some(AutoscalerPlan {
            capacity: Some(Capacity::Users(0.0)),
            keep: vec![Keep::new("cpu", 30.0, 10.0)],
            at_least: Some(3),
            at_most: Some(2),
            ..AutoscalerPlan::default()
        });
        plan.guards = vec![Guard { metric: "connections".into(), stays: Limit::Below(f64::NAN) }];
        let found: Vec<String> = plan.check().iter().map(Problem::to_string).collect();
        assert_eq!(
            found,
            [
                "there are two scenarios named `user`",
                "scenario `user`: the load has no users",
                "cue `open_votes`: `ballot` is not a JSON pointer (hint: write `/ballot`)",
                "threshold `cue.reach{cue:open_vote} rate > 99.9%`: the plan has no cue `open_vote` (hint: did you mean `open_votes`?)",
                "the run ends as it starts (hint: give `ends_after` a duration above 0)",
                "the data `accounts` has no file",
                "autoscaler: a capacity of 0 per instance is not above 0",
                "autoscaler: at least 3 and at most 2 instances exclude each other",
                "autoscaler: `cpu` cannot stay between 30 and 10",
                "the guard of `connections` has no limit (hint: say where it stays: guard(…).below(900) or .above(2))",
            ]
        );
        assert_eq!(Plan::default().check()[0].message, "the plan has nothing to run");
    }
}
