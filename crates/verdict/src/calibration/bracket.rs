//! The search with one number of instances: from both sides towards the load at which it begins to fail.
//!
//! | held | failed | next |
//! |---|---|---|
//! | – | – | the start |
//! | a | – | above a, in steps that grow; nothing when a is the most |
//! | – | b | below b, in steps that grow; first no further than what fewer instances held |
//! | a | b, far | halfway |
//! | a | b, near | what would show a gain, if it lies between; then b once more, if it failed but once |

use super::SearchTerms;

/// Contradictions after which results are no longer believed.
const MOST_CONTRADICTIONS: usize = 3;

/// What is known of one number of instances.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bracket {
    start: f64,
    /// The first step away from the start, as a fraction of the load.
    step: f64,
    /// What one instance fewer held.
    before: Option<f64>,
    /// From which load on the last instance was of use.
    gain_at: Option<f64>,
    /// The highest load that held.
    pub(super) held: Option<f64>,
    /// Loads that failed, with how often and why at last; the lowest first, and all above the one that held.
    failures: Vec<Failure>,
    /// Steps away from the start since one side was last lost.
    steps: u32,
    /// Loads that failed and then held, or below a higher one that did.
    pub(super) contradicted: Vec<f64>,
}

#[derive(Clone, Debug, PartialEq)]
struct Failure {
    load: f64,
    times: u32,
    why: String,
}

impl Bracket {
    /// The search with one instance, about which nothing is known.
    pub(super) fn first(terms: &SearchTerms) -> Bracket {
        Bracket::new(terms.rounded(terms.from), 1.0)
    }

    /// The search with one instance more than `instances`, which held `before`; `gain_at` is the load that it
    /// has to hold for the instance to be of use.
    pub(super) fn after(before: f64, instances: u32, gain_at: f64, terms: &SearchTerms) -> Bracket {
        let start = terms.rounded(before * f64::from(instances + 1) / f64::from(instances));
        // If instances carry the same each, the start is at most the precision off.
        let bracket = Bracket::new(start, 2.0 * terms.precision);
        let gain_at = terms.rounded(gain_at.max(before + terms.grain(before)));
        Bracket { before: Some(before), gain_at: Some(gain_at), ..bracket }
    }

    fn new(start: f64, step: f64) -> Bracket {
        Bracket {
            start,
            step,
            before: None,
            gain_at: None,
            held: None,
            failures: Vec::new(),
            steps: 0,
            contradicted: Vec::new(),
        }
    }

    /// The lowest load that failed.
    pub(super) fn failed(&self) -> Option<f64> {
        self.failures.first().map(|failure| failure.load)
    }

    /// Why it failed.
    pub(super) fn why(&self) -> Option<&str> {
        self.failures.first().map(|failure| failure.why.as_str())
    }

    /// Whether the last instance was of use, when the search is done.
    pub(super) fn has_gained(&self) -> bool {
        self.gain_at.is_none_or(|gain_at| self.held.is_some_and(|held| held >= gain_at))
    }

    /// Whether the results contradict each other too often to mean anything.
    pub(super) fn is_hopeless(&self) -> bool {
        self.contradicted.len() >= MOST_CONTRADICTIONS
    }

    /// The load to try next; none when the search is done.
    pub(super) fn next(&self, terms: &SearchTerms) -> Option<f64> {
        match (self.held, self.failures.first()) {
            (None, None) => Some(self.start),
            (Some(held), None) => {
                let above = (held * (1.0 + self.step_now())).max(held + terms.grain(held));
                (held < terms.most).then(|| terms.rounded(above))
            }
            (None, Some(failure)) if failure.load > terms.least => Some(self.below(failure.load, terms)),
            (None, Some(failure)) => failure.unconfirmed(),
            (Some(held), Some(failure)) => self.between(held, failure.load, terms).or_else(|| failure.unconfirmed()),
        }
    }

    /// Notes that a load held.
    pub(super) fn hold(&mut self, load: f64) {
        let lost = self.failures.partition_point(|failure| failure.load <= load);
        let lost: Vec<f64> = self.failures.drain(..lost).map(|failure| failure.load).collect();
        let is_open = self.failures.is_empty();
        self.steps = if is_open && lost.is_empty() { self.steps + 1 } else { 1 };
        self.contradicted.extend(lost);
        self.held = Some(self.held.map_or(load, |held| held.max(load)));
    }

    /// Notes that a load failed.
    pub(super) fn fail(&mut self, load: f64, why: &str) {
        let place = self.failures.partition_point(|failure| failure.load < load);
        match self.failures.get_mut(place).filter(|failure| failure.load == load) {
            Some(failure) => (failure.times, failure.why) = (failure.times + 1, why.to_owned()),
            None => self.failures.insert(place, Failure { load, times: 1, why: why.to_owned() }),
        }
        self.steps = if self.held.is_none() { self.steps + 1 } else { 1 };
    }

    /// How far the next step goes: twice as far as the one before it, and at most to the double.
    fn step_now(&self) -> f64 {
        (self.step * 2f64.powi(self.steps.saturating_sub(1).min(64) as i32)).min(1.0)
    }

    fn below(&self, load: f64, terms: &SearchTerms) -> f64 {
        let wanted = (load / (1.0 + self.step_now())).min(load - terms.grain(load));
        let stop = self.before.filter(|before| *before < load).unwrap_or(0.0);
        terms.rounded(wanted.max(stop))
    }

    fn between(&self, held: f64, failed: f64, terms: &SearchTerms) -> Option<f64> {
        let is_inside = |load: &f64| held < *load && *load < failed;
        let is_wide = failed - held > terms.precision * failed;
        let half = is_wide.then(|| terms.rounded(f64::midpoint(held, failed))).filter(is_inside);
        half.or(self.gain_at.filter(is_inside))
    }
}

impl Failure {
    fn unconfirmed(&self) -> Option<f64> {
        (self.times < 2).then_some(self.load)
    }
}
