//! A comparison for people at a terminal.
//!
//! What failed the eye comes first: a sentence, whether the runs are like for like, the figures that
//! got worse. What nobody can tell is one line, unless it is asked for.

use super::comparison::{Comparison, Figure, FigureOutcome, Overall, ThresholdPair};
use super::words::{change_text, name_of, value_text};
use crate::amounts::{count, counted};
use crate::judge::Verdict;
use crate::thresholds::{Outcome, ThresholdOutcome};

/// The widest that a figure's name may be; longer ones lose their middle, because tags tell what is
/// meant and the statistic stands at the end.
const WIDEST: usize = 48;

/// Which figures a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Those of which something can be said; the others are counted in one line.
    Clear,
    /// All of them.
    All,
}

/// Writes a comparison as text, with ANSI colours if asked for; without them nothing is lost.
pub fn render(comparison: &Comparison, rows: Rows, colour: bool) -> String {
    let paint = Paint { colour };
    let mut out = String::new();
    write_head(comparison, paint, &mut out);
    write_figures(comparison, rows, paint, &mut out);
    write_thresholds(&comparison.thresholds, paint, &mut out);
    write_limits(comparison, &mut out);
    out
}

fn write_head(comparison: &Comparison, paint: Paint, out: &mut String) {
    let (code, word) = match comparison.overall {
        Overall::Regression => (RED, "REGRESSION"),
        Overall::Improved => (GREEN, "IMPROVED"),
        Overall::NoDifference => (GREEN, "NO DIFFERENCE"),
        Overall::Unclear => (YELLOW, "UNCLEAR"),
    };
    put(out, &format!("{}  {}", paint.paint(code, word), clean(&comparison.sentence)));
    out.push('\n');
    for (letter, run) in [("A", &comparison.a), ("B", &comparison.b)] {
        let planned = run.planned.map_or_else(|| "unknown".to_owned(), count);
        let verdict = match run.verdict {
            Verdict::Pass => "passed",
            Verdict::Fail => "failed",
            Verdict::Inconclusive => "inconclusive",
        };
        let (name, scenario, environment) = (clean(&run.name), clean(&run.scenario), clean(&run.environment));
        let (arrived, lasted) = (count(run.arrived), count(run.duration_s.round() as u64));
        put(
            out,
            &format!(
                "  {letter}  {name}: {scenario} in {environment}, {arrived} of {planned} users arrived, {lasted} s, {verdict}"
            ),
        );
    }
    out.push('\n');
    if !comparison.mismatches.is_empty() {
        let differ = comparison.mismatches.iter();
        let differ = differ.map(|mismatch| format!("{} {} in A, {} in B", mismatch.what, mismatch.a, mismatch.b));
        let text = format!("NOT LIKE FOR LIKE: {}.", clean(&differ.collect::<Vec<_>>().join("; ")));
        put(out, &paint.paint(YELLOW, &text));
        put(out, "What differs below may come from that rather than from the system.\n");
    }
}

fn write_figures(comparison: &Comparison, rows: Rows, paint: Paint, out: &mut String) {
    let is_shown = |figure: &&Figure| rows == Rows::All || figure.outcome != FigureOutcome::Unclear;
    let shown: Vec<&Figure> = comparison.figures.iter().filter(is_shown).collect();
    let cells = shown.iter().map(|figure| {
        let interval = match (figure.low, figure.high) {
            (Some(_), Some(_)) => {
                let [low, high] = [figure.low, figure.high].map(|end| change_text(figure.unit, end));
                format!("{low} … {high}")
            }
            _ => String::new(),
        };
        [
            shortened(&clean(&name_of(figure))),
            value_text(figure.unit, figure.a),
            value_text(figure.unit, figure.b),
            change_text(figure.unit, figure.change),
            interval,
        ]
    });
    let heading = ["Figure", "A", "B", "change", "95% interval"].map(str::to_owned);
    let lines = aligned(std::iter::once(heading).chain(cells).collect());
    let words = shown.iter().map(|figure| {
        let (code, word) = match figure.outcome {
            FigureOutcome::Worse => (RED, "worse"),
            FigureOutcome::Better => (GREEN, "better"),
            FigureOutcome::Same => (PLAIN, "same"),
            FigureOutcome::Unclear => (YELLOW, "unclear"),
        };
        let reason = figure.reason.as_ref().map_or_else(String::new, |reason| format!(": {}", clean(reason)));
        format!("{}{reason}", paint.paint(code, word))
    });
    let mut lines = lines.into_iter();
    if !shown.is_empty() {
        put(out, &paint.paint(BOLD, lines.next().unwrap_or_default().trim_end()));
        lines.zip(words).for_each(|(line, word)| put(out, &format!("{line}  {word}")));
    }
    let hidden = comparison.figures.len() - shown.len();
    if hidden > 0 {
        let more = if shown.is_empty() { "" } else { "more " };
        put(
            out,
            &format!("  {hidden} {more}unclear: more or longer runs would tell, or there is too little to measure"),
        );
    }
    out.push('\n');
}

fn write_thresholds(pairs: &[ThresholdPair], paint: Paint, out: &mut String) {
    if pairs.is_empty() {
        return;
    }
    let told = |outcome: &Option<ThresholdOutcome>| {
        let Some(outcome) = outcome else { return "no such rule".to_owned() };
        let value = outcome.value_text().map_or_else(String::new, |value| format!(" {value}"));
        match outcome.outcome {
            Outcome::Pass => format!("pass{value}"),
            Outcome::Fail => format!("fail{value}"),
            Outcome::NoData => "no data".to_owned(),
        }
    };
    let rows = pairs.iter().map(|pair| [clean(&pair.text), told(&pair.a), told(&pair.b)]);
    let heading = ["Threshold, over the whole run", "A", "B"].map(str::to_owned);
    for (position, line) in aligned(std::iter::once(heading).chain(rows).collect()).iter().enumerate() {
        put(out, &if position == 0 { paint.paint(BOLD, line.trim_end()) } else { line.clone() });
    }
    out.push('\n');
}

/// Says what the figures rest on, and what they cannot tell.
fn write_limits(comparison: &Comparison, out: &mut String) {
    let compared = &comparison.compared;
    let over = match (compared.from_s, compared.to_s) {
        (Some(from_s), Some(to_s)) => {
            let seconds = counted(compared.seconds as u64, "second");
            format!(
                "Compared: {seconds} between {from_s} s and {to_s} s, when both runs had load; cues over the whole runs."
            )
        }
        _ => "Compared: nothing, as the runs never had load in the same second.".to_owned(),
    };
    put(out, &over);
    for stretch in &compared.excluded {
        put(out, &format!("Left out of both: {} s to {} s: {}.", stretch.from_s, stretch.to_s, clean(&stretch.why)));
    }
    if compared.excluded_firings > 0 {
        let firings = counted(compared.excluded_firings as u64, "firing");
        put(out, &format!("Left out: {firings} of cues while the generator was the limit."));
    }
    put(
        out,
        "A change counts when it is larger than the runs fluctuate by themselves, corrected for the number of figures,\n\
         and larger than the tolerance. How much runs differ from day to day, two runs cannot tell.",
    );
}

const PLAIN: &str = "0";
const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

#[derive(Clone, Copy)]
struct Paint {
    colour: bool,
}

impl Paint {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour && code != PLAIN { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Lines up columns: the first to the left, the others to the right.
fn aligned<const COLUMNS: usize>(rows: Vec<[String; COLUMNS]>) -> Vec<String> {
    let length = |cell: &String| cell.chars().count();
    let widths: [usize; COLUMNS] =
        std::array::from_fn(|column| rows.iter().map(|row| length(&row[column])).max().unwrap_or(0));
    let line = |row: &[String; COLUMNS]| {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            let padding = " ".repeat(width - length(cell));
            if column == 0 { format!("  {cell}{padding}") } else { format!("  {padding}{cell}") }
        });
        cells.collect::<String>()
    };
    rows.iter().map(line).collect()
}

/// Takes out of the middle what is too long.
fn shortened(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= WIDEST {
        return text.to_owned();
    }
    let (head, tail) = (WIDEST / 2, WIDEST - WIDEST / 2 - 1);
    let part = |characters: &[char]| characters.iter().collect::<String>();
    format!("{}…{}", part(&characters[..head]), part(&characters[characters.len() - tail..]))
}

/// Replaces control characters: what names come from the system under test cannot play tricks on the
/// terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn put(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}
