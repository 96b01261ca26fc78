//! The autoscaler on the terminal: in a word how it did, then how far supply was off, then each step of the load.

use rehearsal_verdict::Verdict;
use rehearsal_verdict::elasticity::Assessment;

use super::layout::{Colour, Paint, Table, length, put, put_wrapped};
use crate::AutoscalerRow;
use crate::autoscaler::{BANDS, STEPS, SUPPLY, bands, basis, outcome, steadiness, steps, supply};

pub(super) fn autoscaler(row: &AutoscalerRow, paint: Paint, out: &mut String) {
    let title = paint.paint(Colour::Heading, "Autoscaler ");
    match row {
        AutoscalerRow::NotJudged { why } => {
            put_wrapped(out, &title, length("Autoscaler "), &format!("not judged: {why}"));
        }
        AutoscalerRow::Judged(assessment) => judged(assessment, &title, paint, out),
    }
}

fn judged(assessment: &Assessment, title: &str, paint: Paint, out: &mut String) {
    let (verdict, words) = outcome(assessment);
    let (word, colour) = match verdict {
        Verdict::Pass => ("pass", Colour::Good),
        Verdict::Fail => ("fail", Colour::Bad),
        Verdict::Inconclusive => ("inconclusive", Colour::Doubtful),
    };
    put(out, &format!("{title} {}", paint.paint(colour, &format!("{word}: {words}"))));
    put_wrapped(out, " ", 1, &basis(assessment));
    put_wrapped(out, " ", 1, &steadiness(assessment).join(", "));
    out.push('\n');
    table(&SUPPLY, supply(assessment), paint, out);
    table(&STEPS, steps(assessment), paint, out);
    table(&BANDS, bands(assessment), paint, out);
}

fn table<const N: usize>(
    heading: &[&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    paint: Paint,
    out: &mut String,
) {
    let mut table = Table::of_numbers(heading);
    rows.into_iter().for_each(|row| table.row(row));
    table.write(paint, out);
}
