//! From intervals and p values to words: worse, better, same, unclear.

use super::comparison::{Figure, FigureOutcome, Overall};
use super::inference::holm;
use super::subjects::{Better, Scope};

/// The chance that a comparison of equal runs may have to call any figure worse or better.
const SIGNIFICANCE: f64 = 0.05;

/// Corrects the p values of all figures for their number and says what each figure comes to.
pub(super) fn decide(figures: &mut [Figure]) {
    let tested: Vec<f64> = figures.iter().filter_map(|figure| figure.p).collect();
    let tested_figures = figures.iter_mut().filter(|figure| figure.p.is_some());
    for (figure, adjusted) in tested_figures.zip(holm(&tested)) {
        figure.p_adjusted = Some(adjusted);
        figure.decide();
    }
}

/// Says what all figures come to.
pub(super) fn overall(figures: &[Figure]) -> Overall {
    let any = |outcome| figures.iter().any(|figure| figure.outcome == outcome);
    let mut of_whole = figures.iter().filter(|figure| figure.scope == Scope::Whole).peekable();
    if any(FigureOutcome::Worse) {
        Overall::Regression
    } else if any(FigureOutcome::Better) {
        Overall::Improved
    } else if of_whole.peek().is_some() && of_whole.all(|figure| figure.outcome == FigureOutcome::Same) {
        Overall::NoDifference
    } else {
        Overall::Unclear
    }
}

impl Figure {
    fn decide(&mut self) {
        let (Some(change), Some(low), Some(high), Some(p)) = (self.change, self.low, self.high, self.p_adjusted) else {
            return;
        };
        let is_significant = p < SIGNIFICANCE && !(low..=high).contains(&0.0);
        self.outcome = match self.better {
            _ if low >= -self.tolerance && high <= self.tolerance => FigureOutcome::Same,
            _ if !is_significant || change.abs() <= self.tolerance => FigureOutcome::Unclear,
            Better::Unknown => {
                self.reason = Some("it changed, and whether that is good only the scenario's author knows".to_owned());
                FigureOutcome::Unclear
            }
            Better::Lower if change > 0.0 => FigureOutcome::Worse,
            Better::Higher if change < 0.0 => FigureOutcome::Worse,
            Better::Lower | Better::Higher => FigureOutcome::Better,
        };
    }
}
