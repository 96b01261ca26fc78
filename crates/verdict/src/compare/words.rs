//! Says in words what a comparison comes to.

use super::comparison::{Compared, Figure, FigureOutcome, Overall, Unit};
use super::samples::FEWEST_SECONDS;
use super::{Scope, Tolerances};
use crate::amounts;

/// The one sentence for whoever reads no table. The figures are sorted, those that matter most first.
pub(super) fn sentence(overall: Overall, figures: &[Figure], compared: &Compared, tolerances: &Tolerances) -> String {
    let with = |outcome| figures.iter().filter(move |figure| figure.outcome == outcome);
    let most = |outcome| with(outcome).next().map(|figure| format!("most of all {}", told(figure))).unwrap_or_default();
    let of_all = |outcome| format!("{} of {}", with(outcome).count(), amounts::counted(figures.len() as u64, "figure"));
    let limits = || {
        let (relative, share) = (amounts::percent(tolerances.relative), amounts::number(tolerances.share * 100.0));
        format!("{relative} for times and rates, {share} percentage points for shares")
    };
    match overall {
        Overall::Regression => {
            let also = with(FigureOutcome::Better).count();
            let also = if also > 0 { format!("; {also} got better") } else { String::new() };
            format!(
                "B is worse than A: {} got worse, {}{also}",
                of_all(FigureOutcome::Worse),
                most(FigureOutcome::Worse)
            )
        }
        Overall::Improved => {
            format!("B is better than A: {} got better, {}", of_all(FigureOutcome::Better), most(FigureOutcome::Better))
        }
        Overall::NoDifference => format!("no difference: B is as good as A, within {}", limits()),
        Overall::Unclear if compared.seconds < FEWEST_SECONDS => format!(
            "nobody can tell: the runs have only {} to compare, and {FEWEST_SECONDS} are needed",
            amounts::counted(compared.seconds as u64, "second")
        ),
        Overall::Unclear => {
            let whole = || figures.iter().filter(|figure| figure.scope == Scope::Whole);
            let unclear = whole().filter(|figure| figure.outcome == FigureOutcome::Unclear);
            format!(
                "nobody can tell: no figure surely got worse or better, but {} of {} of the whole run may differ by more than {}",
                unclear.count(),
                amounts::counted(whole().count() as u64, "figure"),
                limits()
            )
        }
    }
}

/// Writes a figure with both values and its change.
fn told(figure: &Figure) -> String {
    let [a, b] = [figure.a, figure.b].map(|value| value_text(figure.unit, value));
    format!("{} ({a} → {b}, {})", name_of(figure), change_text(figure.unit, figure.change))
}

/// A figure's name as people read it.
pub(super) fn name_of(figure: &Figure) -> String {
    match figure.unit {
        Unit::PerCall => format!("{} per 1,000 calls", figure.metric),
        Unit::PerSecond => format!("{} per second", figure.label.trim_end_matches(" rate")),
        Unit::Seconds | Unit::Share => figure.label.clone(),
    }
}

/// Writes a value, `–` for one that is missing.
pub(super) fn value_text(unit: Unit, value: Option<f64>) -> String {
    let Some(value) = value else { return "–".to_owned() };
    match unit {
        Unit::Seconds => amounts::seconds(value),
        Unit::Share => amounts::percent(value),
        Unit::PerSecond => plain(value),
        Unit::PerCall => plain(value * 1e3),
    }
}

/// Writes a change with its sign: percent of A's value, percentage points, or errors per 1,000 calls.
pub(super) fn change_text(unit: Unit, change: Option<f64>) -> String {
    let Some(change) = change else { return "–".to_owned() };
    match unit {
        Unit::Seconds | Unit::PerSecond => format!("{}%", signed(change * 100.0)),
        Unit::Share => format!("{} pp", signed(change * 100.0)),
        Unit::PerCall => signed(change * 1e3),
    }
}

fn plain(number: f64) -> String {
    if number >= 100.0 {
        amounts::count(number.round() as u64)
    } else {
        amounts::number((number * 100.0).round() / 100.0)
    }
}

/// Writes a sign, and as many decimals as tell something.
fn signed(number: f64) -> String {
    let decimals = match number.abs() {
        size if size < 0.995 => 2,
        size if size < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{number:+.decimals$}");
    let is_zero = text.trim_start_matches(['+', '-']).chars().all(|digit| matches!(digit, '0' | '.'));
    if is_zero { "0".to_owned() } else { text.replace('-', "−") }
}
