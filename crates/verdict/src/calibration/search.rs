//! The search over numbers of instances, trial by trial.

use rehearsal_plan::Problem;

use super::bracket::Bracket;
use super::capacity::{Ceiling, Level, PerInstance};
use super::{Calibration, SearchEnd, SearchTerms, Trial, TrialOutcome};
use crate::amounts::number;

/// A search as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    terms: SearchTerms,
    /// Numbers of instances that are done.
    levels: Vec<Level>,
    /// The number of instances that is searched now, one more than are done.
    bracket: Bracket,
    /// Trials with it.
    trials: u32,
    /// How often in a row nobody could tell how the present trial ended.
    unclear: u32,
    contradictions: Vec<String>,
    end: Option<SearchEnd>,
}

impl Search {
    /// Begins a search.
    ///
    /// # Errors
    /// With terms that make no sense, all of what is wrong with them.
    pub fn new(terms: SearchTerms) -> Result<Search, Vec<Problem>> {
        let problems = terms.check();
        if !problems.is_empty() {
            return Err(problems);
        }
        let bracket = Bracket::first(&terms);
        let (levels, contradictions) = (Vec::new(), Vec::new());
        Ok(Search { terms, levels, bracket, trials: 0, unclear: 0, contradictions, end: None })
    }

    /// The trial to make next; none when the search has ended.
    #[must_use]
    pub fn next(&self) -> Option<Trial> {
        let load = self.bracket.next(&self.terms).filter(|_| self.end.is_none())?;
        Some(Trial { instances: self.instances(), load })
    }

    /// Takes in how the trial that was next has ended. After the end of the search it is of no effect.
    pub fn record(&mut self, outcome: &TrialOutcome) {
        let Some(trial) = self.next() else { return };
        self.trials += 1;
        match outcome {
            TrialOutcome::Held => self.bracket.hold(trial.load),
            TrialOutcome::Failed(why) => self.bracket.fail(trial.load, why),
            TrialOutcome::Inconclusive(why) => {
                self.unclear += 1;
                if self.unclear >= self.terms.tries {
                    self.end = Some(SearchEnd::Inconclusive { trial, why: why.clone() });
                }
                return;
            }
        }
        self.unclear = 0;
        if self.bracket.is_hopeless() {
            let loads: Vec<String> = self.bracket.contradicted.iter().map(|load| number(*load)).collect();
            let why = format!("loads failed once and held later, or below higher ones that held: {}", loads.join(", "));
            self.end = Some(SearchEnd::Inconclusive { trial, why });
        } else if self.bracket.next(&self.terms).is_none() {
            self.finish_level();
        }
    }

    /// What has been found so far.
    #[must_use]
    pub fn result(&self) -> Calibration {
        let mut levels = self.levels.clone();
        if self.trials > 0 {
            levels.push(self.level(false));
        }
        let ceiling = match self.end {
            Some(SearchEnd::Ceiling) => Ceiling::of(&self.levels),
            _ => None,
        };
        let contradicted = self.bracket.contradicted.iter().map(|load| self.contradiction(*load));
        Calibration {
            unit: self.terms.unit,
            per_instance: PerInstance::of(&self.levels, ceiling),
            ceiling,
            contradictions: self.contradictions.iter().cloned().chain(contradicted).collect(),
            trials: levels.iter().map(|level| level.trials).sum(),
            levels,
            end: self.end.clone(),
        }
    }

    fn instances(&self) -> u32 {
        self.levels.len() as u32 + 1
    }

    fn level(&self, is_done: bool) -> Level {
        let (held, failed) = (self.bracket.held, self.bracket.failed());
        let why = self.bracket.why().map(str::to_owned);
        Level { instances: self.instances(), held, failed, why, trials: self.trials, is_done }
    }

    fn contradiction(&self, load: f64) -> String {
        format!("with {} a load of {} failed, and then it or a higher one held", self.instances_text(), number(load))
    }

    fn instances_text(&self) -> String {
        crate::amounts::counted(u64::from(self.instances()), "instance")
    }

    /// Ends a number of instances, and begins with one more unless that is of no use.
    fn finish_level(&mut self) {
        let level = self.level(true);
        let contradicted = std::mem::take(&mut self.bracket.contradicted);
        self.contradictions.extend(contradicted.into_iter().map(|load| self.contradiction(load)).collect::<Vec<_>>());
        self.contradictions.extend(self.shrinking(&level));
        let gained = level.held.filter(|_| self.bracket.has_gained());
        let (instances, why) = (level.instances, level.why.clone().unwrap_or_default());
        self.levels.push(level);
        self.trials = 0;
        let first = self.levels.first().and_then(|first| first.held);
        self.end = match (gained, first) {
            (_, None) => Some(SearchEnd::NothingHeld { why }),
            (None, _) => Some(SearchEnd::Ceiling),
            (Some(held), _) if held >= self.terms.most => Some(SearchEnd::MostLoad),
            _ if instances >= self.terms.up_to => Some(SearchEnd::UpTo),
            (Some(held), Some(first)) => {
                let gain_at = held + self.terms.least_gain * first;
                self.bracket = Bracket::after(held, instances, gain_at, &self.terms);
                None
            }
        };
    }

    /// Tells that more instances carried less.
    fn shrinking(&self, level: &Level) -> Option<String> {
        let (before, failed) = (self.levels.last()?.held?, level.failed?);
        let text = || {
            format!(
                "{} failed at a load of {}, and one fewer held {}",
                self.instances_text(),
                number(failed),
                number(before)
            )
        };
        (failed <= before).then(text)
    }
}
