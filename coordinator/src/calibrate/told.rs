//! What a calibration tells: a line for every trial while it goes on, then the table, or all of it as JSON.

use std::io::Write as _;

use anyhow::Context as _;
use rehearsal_plan::{LoadUnit, TrialTimes};
use rehearsal_verdict::amounts::{counted, number, percent};
use rehearsal_verdict::calibration::{Calibration, Level, SearchEnd, Trial, TrialOutcome};
use serde::Serialize;

use super::trial::Played;
use crate::prepare::Prepared;
use crate::serve::log;

/// Users who are there, as a share of the load, below which the difference is told: less is how users come and go.
const THERE: f64 = 0.95;

/// Everything that a calibration has found.
#[derive(Debug, Serialize)]
pub(super) struct Account {
    scenario: String,
    environment: String,
    /// How long each trial brought its load up, and held it, in seconds.
    ramp_s: f64,
    hold_s: f64,
    #[serde(flatten)]
    pub(super) calibration: Calibration,
    /// What to write into the plan; none when nothing was found.
    plan: Option<String>,
    /// Whether the operator ended it.
    pub(super) is_stopped: bool,
    /// All runs, in their order.
    runs: Vec<Played>,
}

impl Account {
    pub(super) fn of(prepared: &Prepared, times: TrialTimes, calibration: Calibration) -> Self {
        Self {
            scenario: prepared.name.clone(),
            environment: prepared.environment_name.clone(),
            ramp_s: times.ramp.as_secs_f64(),
            hold_s: times.hold.as_secs_f64(),
            calibration,
            plan: None,
            is_stopped: false,
            runs: Vec::new(),
        }
    }

    /// Adds a trial, and what is found since.
    pub(super) fn add(&mut self, played: Played, calibration: Calibration) {
        self.runs.push(played);
        self.calibration = calibration;
        self.plan = self.for_plan();
    }

    /// Prints it on standard output.
    pub(super) fn print(&self, as_json: bool) -> anyhow::Result<()> {
        let text = match as_json {
            true => serde_json::to_string_pretty(self).context("writing the calibration as JSON")? + "\n",
            false => self.text(),
        };
        write!(std::io::stdout(), "{text}").context("printing the calibration")
    }

    /// The last run at the load that so many instances held.
    fn held_run(&self, level: &Level) -> Option<&Played> {
        let mut runs = self.runs.iter().rev().filter(|run| run.outcome == TrialOutcome::Held);
        runs.find(|run| run.trial.instances == level.instances && Some(run.trial.load) == level.held)
    }

    /// The least of a measured figure for each unit of load, over the loads that held.
    fn least_of_load(&self, figure: impl Fn(&Played) -> Option<f64>) -> Option<f64> {
        let held =
            self.calibration.levels.iter().filter(|level| level.is_done).filter_map(|level| self.held_run(level));
        held.filter_map(|run| Some(figure(run)? / run.trial.load)).reduce(f64::min)
    }

    /// Live users for each user of the load, where not all of them stay.
    fn live_share(&self) -> Option<f64> {
        self.least_of_load(|run| run.live).filter(|share| *share < THERE)
    }

    /// What to write into the plan. The verdict counts users who are there, or requests.
    fn for_plan(&self) -> Option<String> {
        let each = self.calibration.per_instance?.at_least;
        let capacity = match self.calibration.unit {
            LoadUnit::Users => format!(".capacity({})", rounded_down(each * self.live_share().unwrap_or(1.0))),
            LoadUnit::StartsPerSecond => {
                let requests = each * self.least_of_load(|run| run.requests_per_s)?;
                format!(".capacity_requests({})", rounded_down(requests))
            }
        };
        let at_most =
            self.calibration.ceiling.map_or(String::new(), |ceiling| format!(".at_most({})", ceiling.instances));
        Some(format!("autoscaler(){capacity}{at_most}"))
    }

    fn text(&self) -> String {
        let mut lines = vec![row(["instances", "held", "failed", "each", "trials", "requests/s", "why it failed"])];
        lines.extend(self.calibration.levels.iter().map(|level| self.level(level)));
        lines.push(String::new());
        lines.extend(self.calibration.contradictions.iter().map(|text| line("but", text)));
        lines.push(line("end", &self.end()));
        lines.extend(self.capacity());
        lines.extend(self.plan.iter().map(|plan| line("plan", plan)));
        lines.join("\n") + "\n"
    }

    fn level(&self, level: &Level) -> String {
        let known = |load: Option<f64>| load.map_or_else(|| "–".to_owned(), number);
        let each = |load: Option<f64>| known(load.map(|load| tenth(load / f64::from(level.instances))));
        let requests = self.held_run(level).and_then(|run| run.requests_per_s).map(tenth);
        let open = if level.is_done { "" } else { "not done; " };
        row([
            &level.instances.to_string(),
            &known(level.held),
            &known(level.failed),
            &format!("{} … {}", each(level.held), each(level.failed)),
            &level.trials.to_string(),
            &known(requests),
            &format!("{open}{}", level.why.as_deref().unwrap_or("–")),
        ])
    }

    fn end(&self) -> String {
        match (&self.calibration.end, self.calibration.ceiling) {
            (None, _) if self.is_stopped => "stopped by the operator".to_owned(),
            (None, _) => "broken off".to_owned(),
            (Some(SearchEnd::UpTo), _) => {
                "as many instances were tried as were asked for; no ceiling was met".to_owned()
            }
            (Some(SearchEnd::Ceiling), Some(ceiling)) => {
                let (instances, unit) = (counted(ceiling.instances.into(), "instance"), unit(self.calibration.unit));
                let (held, failed) = (number(ceiling.held), number(ceiling.failed));
                format!(
                    "a ceiling: more than {instances} are of no use; something else holds {held} and fails at {failed} {unit}"
                )
            }
            (Some(SearchEnd::Ceiling), None) => "a ceiling".to_owned(),
            (Some(SearchEnd::MostLoad), _) => "the highest load held that may be tried: --most raises it".to_owned(),
            (Some(SearchEnd::NothingHeld { why }), _) => {
                format!("one instance fails even with the smallest load: {why}")
            }
            (Some(SearchEnd::Inconclusive { trial, why }), _) => {
                format!("nobody can tell: {}: {why}", named(*trial, self.calibration.unit))
            }
        }
    }

    fn capacity(&self) -> Vec<String> {
        let Some(each) = self.calibration.per_instance else { return vec![line("capacity", "unknown")] };
        let unit = unit(self.calibration.unit);
        let at_least = number(tenth(each.at_least));
        let range = each
            .at_most
            .map_or_else(|| format!("{at_least} or more"), |most| format!("{at_least} to {}", number(tenth(most))));
        let mut lines = vec![line(
            "capacity",
            &format!("{range} {unit} per instance; by least squares {}", number(tenth(each.slope))),
        )];
        lines.extend(each.linearity.map(|share| {
            line(
                "linearity",
                &format!(
                    "with the most instances that count each carries {} of what the first does",
                    percent((share * 1e3).round() / 1e3)
                ),
            )
        }));
        lines.extend(self.live_share().filter(|_| self.calibration.unit == LoadUnit::Users).map(|share| {
            line(
                "users",
                &format!(
                    "only {} of the load was there on average: users leave by themselves",
                    percent((share * 1e3).round() / 1e3)
                ),
            )
        }));
        lines
    }
}

/// A trial begins.
pub(super) fn begin(trial: Trial, unit: LoadUnit) {
    log(&format!("trial     {}", named(trial, unit)));
}

/// It has ended.
pub(super) fn end(played: &Played) {
    let told = match &played.outcome {
        TrialOutcome::Held => "held".to_owned(),
        TrialOutcome::Failed(why) => format!("failed: {why}"),
        TrialOutcome::Inconclusive(why) => format!("inconclusive: {why}"),
    };
    log(&format!("          {told}  ({})", played.run));
}

fn named(trial: Trial, counted_in: LoadUnit) -> String {
    let instances = counted(trial.instances.into(), "instance");
    format!("{instances}, {} {}", number(trial.load), unit(counted_in))
}

fn unit(unit: LoadUnit) -> &'static str {
    match unit {
        LoadUnit::Users => "users",
        LoadUnit::StartsPerSecond => "starts a second",
    }
}

/// Whole from 10 on, with a decimal below: down, because nobody is to be asked for more than was measured.
fn rounded_down(load: f64) -> f64 {
    if load >= 10.0 { load.floor() } else { (load * 10.0).floor() / 10.0 }
}

fn tenth(load: f64) -> f64 {
    (load * 10.0).round() / 10.0
}

fn row(cells: [&str; 7]) -> String {
    let [instances, held, failed, each, trials, requests, why] = cells;
    format!("{instances:<11}{held:<10}{failed:<10}{each:<18}{trials:<8}{requests:<12}{why}")
}

fn line(what: &str, text: &str) -> String {
    format!("{what:<11}{text}")
}

#[cfg(test)]
mod tests {
    use rehearsal_verdict::calibration::{Search, SearchTerms};

    use super::*;

    /// What is told of a system of instances for 100 users, of whom a share is there, and each asks four times a second.
    fn account(unit: LoadUnit, limit: f64, share: f64) -> Account {
        let terms = SearchTerms {
            unit,
            from: 50.0,
            least: 1.0,
            most: 1_000.0,
            up_to: 3,
            precision: 0.1,
            least_gain: 0.1,
            tries: 3,
        };
        let mut search = Search::new(terms).unwrap();
        let mut account = Account {
            scenario: "evening".to_owned(),
            environment: "dev".to_owned(),
            ramp_s: 10.0,
            hold_s: 30.0,
            calibration: search.result(),
            plan: None,
            is_stopped: false,
            runs: Vec::new(),
        };
        while let Some(trial) = search.next() {
            let holds = trial.load <= limit.min(100.0 * f64::from(trial.instances));
            let outcome = if holds { TrialOutcome::Held } else { TrialOutcome::Failed("too slow".to_owned()) };
            search.record(&outcome);
            let (live, requests_per_s) = (Some(trial.load * share), Some(trial.load * share * 4.0));
            let run = format!("run-{}", account.runs.len());
            account.add(Played { run, trial, outcome, live, requests_per_s }, search.result());
        }
        account
    }

    #[test]
    fn the_plan_gets_what_the_verdict_counts() {
        let rows = [
            (LoadUnit::Users, f64::INFINITY, 1.0, "autoscaler().capacity(100)"),
            (LoadUnit::Users, f64::INFINITY, 0.5, "autoscaler().capacity(50)"),
            (LoadUnit::StartsPerSecond, 100.0, 1.0, "autoscaler().capacity_requests(400).at_most(1)"),
        ];
        for (unit, limit, share, plan) in rows {
            assert_eq!(account(unit, limit, share).plan.as_deref(), Some(plan), "{unit:?} {limit} {share}");
        }
    }
}
