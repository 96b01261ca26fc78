//! The report on the terminal: what was asked for first, then why, then all the numbers.
//!
//! It is written for somebody who has been waiting for it: the thresholds with what was measured
//! beside each, the verdict with its reasons, and then tables that can be skipped. Sections without
//! content are left out.

use rehearsal_metrics::{Kind, Span};
use rehearsal_verdict::amounts::{count, number, percent, seconds};
use rehearsal_verdict::{Finding, Grade, Outcome, Severity, Verdict};

use crate::RunReport;
use layout::{Colour, Paint, Table, clean, length, padded, put, put_wrapped};

mod autoscaler;
mod layout;

/// Writes the report for a terminal, with or without colour.
pub fn render(report: &RunReport, colour: bool) -> String {
    let paint = if colour { Paint::Ansi } else { Paint::Plain };
    let mut out = String::new();
    thresholds(report, paint, &mut out);
    verdict(report, paint, &mut out);
    checks(report, paint, &mut out);
    users(report, paint, &mut out);
    calls(report, paint, &mut out);
    sockets(report, paint, &mut out);
    custom(report, paint, &mut out);
    cues(report, paint, &mut out);
    errors(report, paint, &mut out);
    agents(report, paint, &mut out);
    generator(report, paint, &mut out);
    autoscaler::autoscaler(&report.autoscaler, paint, &mut out);
    out
}

fn thresholds(report: &RunReport, paint: Paint, out: &mut String) {
    if report.thresholds.is_empty() {
        return;
    }
    put(out, &paint.paint(Colour::Heading, "Thresholds"));
    let widest = report.thresholds.iter().map(|threshold| length(&threshold.text)).max().unwrap_or(0);
    for threshold in &report.thresholds {
        let (mark, colour) = match threshold.outcome {
            Outcome::Pass => ("✓", Colour::Good),
            Outcome::Fail => ("✗", Colour::Bad),
            Outcome::NoData => ("?", Colour::Doubtful),
        };
        let value = threshold.value_text().unwrap_or_else(|| "no data".to_owned());
        let text = padded(&clean(&threshold.text), widest);
        put(out, &format!("  {} {text}  {}", paint.paint(colour, mark), paint.paint(colour, &value)));
    }
    out.push('\n');
}

fn verdict(report: &RunReport, paint: Paint, out: &mut String) {
    let (word, colour) = match report.verdict {
        Verdict::Pass => ("PASS", Colour::Good),
        Verdict::Fail => ("FAIL", Colour::Bad),
        Verdict::Inconclusive => ("INCONCLUSIVE", Colour::Doubtful),
    };
    let RunReport { scenario, environment, run_id, started_at, duration_s, .. } = report;
    let lasted = seconds(*duration_s);
    let of = format!("{scenario} in {environment}, run {run_id}, {started_at}, {lasted}");
    put(out, &format!("{}  {}", paint.paint(colour, word), paint.paint(Colour::Faint, &clean(&of))));
    if report.verdict == Verdict::Inconclusive {
        put(out, &paint.paint(Colour::Faint, "  What is marked ? leaves it open."));
    }
    report.findings.iter().for_each(|finding| put_finding(finding, paint, out));
    out.push('\n');
}

fn put_finding(finding: &Finding, paint: Paint, out: &mut String) {
    let (mark, colour) = match finding.severity {
        Severity::Error => ("✗", Colour::Bad),
        Severity::Warning if finding.decides => ("?", Colour::Doubtful),
        Severity::Warning => ("!", Colour::Doubtful),
        Severity::Info => ("·", Colour::Faint),
    };
    let about = format!("{}, {}:", clean(&finding.subject), stretch(finding.from_s, finding.to_s));
    let first = format!("  {} {about}", paint.paint(colour, mark));
    put_wrapped(out, &first, length(&about) + 4, &finding.text);
}

fn checks(report: &RunReport, paint: Paint, out: &mut String) {
    let mut table = Table::of_numbers(&["Checks", "passed", "failed", "share"]);
    for check in &report.checks {
        let all = check.passed.saturating_add(check.failed);
        let share = (all > 0).then(|| percent(check.passed as f64 / all as f64));
        table.row([check.name.clone(), count(check.passed), count(check.failed), shown(share)]);
    }
    table.write(paint, out);
}

fn users(report: &RunReport, paint: Paint, out: &mut String) {
    let heading = ["Users", "waiting", "live", "finished", "failed", "dropped", "cancelled", "lost", "restored"];
    let mut table = Table::of_numbers(&heading);
    let planned = format!("{} planned", count(report.users.planned));
    let states = report.users.by_state().map(|(_, users)| count(users));
    table.row([planned].into_iter().chain(states).chain([count(report.users.restored)]));
    table.write(paint, out);
}

fn calls(report: &RunReport, paint: Paint, out: &mut String) {
    let heading = ["Calls", "begun", "answered", "failed", "cut", "open", "p50", "p95", "p99", "max", "per s"];
    let mut table = Table::of_numbers(&heading);
    for call in &report.tables.calls {
        let counts = call.counts;
        let counts = [counts.begun, counts.answered, counts.failed, counts.cut, counts.open()].map(count);
        let times = [call.p50, call.p95, call.p99, call.max].map(time);
        let rate = shown(call.rate.map(|rate| format!("{rate:.1}")));
        table.row([call.name.clone()].into_iter().chain(counts).chain(times).chain([rate]));
    }
    table.write(paint, out);
}

fn sockets(report: &RunReport, paint: Paint, out: &mut String) {
    let heading = ["Sockets", "opened", "failed", "p50", "p99", "polls", "sent", "received", "closed"];
    let mut table = Table::of_numbers(&heading);
    for row in &report.tables.sockets {
        let before = [row.opened, row.failed].map(count);
        let after = [row.polls, row.sent, row.received, row.closed].map(count);
        let times = [row.p50, row.p99].map(time);
        table.row([row.transport.clone()].into_iter().chain(before).chain(times).chain(after));
    }
    table.write(paint, out);
    let mut events = Table::of_numbers(&["Messages", "received"]);
    for (event, messages) in &report.tables.received {
        let name = if event.is_empty() { "(no event)" } else { event };
        events.row([name.to_owned(), count(*messages)]);
    }
    events.write(paint, out);
}

/// What the scenario measures itself. A ratio has its share where others have how many there were each second.
fn custom(report: &RunReport, paint: Paint, out: &mut String) {
    let mut table = Table::of_numbers(&["Custom", "count", "rate", "mean", "p50", "p99", "max"]);
    for row in &report.tables.custom {
        let rate = row.rate.map(|rate| match row.kind {
            Kind::Ratio => percent(rate),
            Kind::Duration | Kind::Count => format!("{rate:.1}/s"),
        });
        let times = [row.mean, row.p50, row.p99, row.max].map(time);
        table.row([row.name.clone(), count(row.count), shown(rate)].into_iter().chain(times));
    }
    table.write(paint, out);
}

fn cues(report: &RunReport, paint: Paint, out: &mut String) {
    let heading = ["Cues", "at", "reach", "delivery", "first", "p50", "p99", "last", "clocks"];
    let mut table = Table::of_numbers(&heading);
    for cue in &report.cues {
        let of = |whole: Option<u64>| match whole {
            Some(whole) => format!("{} of {}", count(cue.heard), count(whole)),
            None => "unknown".to_owned(),
        };
        let before =
            [format!("{} #{}", cue.name, cue.number), seconds(cue.fired_at_s), of(cue.live), of(cue.connected)];
        let times = [cue.first, cue.p50, cue.p99, cue.last].map(time);
        table.row(before.into_iter().chain(times).chain([format!("±{}", seconds(cue.clock_bound_s))]));
    }
    table.write(paint, out);
}

fn errors(report: &RunReport, paint: Paint, out: &mut String) {
    let mut table = Table::with_prose(&["Errors", "count", "one of them"]);
    for error in &report.errors {
        table.row([error.kind.clone(), count(error.count), error.sample.clone()]);
    }
    table.write(paint, out);
}

fn agents(report: &RunReport, paint: Paint, out: &mut String) {
    let mut table = Table::with_prose(&["Agents", "users", "clock", "bound", "region", "gone or unobserved"]);
    for agent in &report.agents {
        let gone = agent.lost.then(|| "lost".to_owned());
        let unobserved = |span: &Span| format!("unobserved {}", stretch(span.from_s as f64, span.to_s as f64));
        let offset = shown(agent.clock_offset_s.map(seconds));
        let bound = shown(agent.clock_bound_s.map(|bound| format!("±{}", seconds(bound))));
        let missing = gone.into_iter().chain(agent.unobserved.iter().map(unobserved)).collect::<Vec<_>>().join(", ");
        table.row([agent.id.clone(), count(agent.users), offset, bound, agent.region.clone(), missing]);
    }
    table.write(paint, out);
}

fn generator(report: &RunReport, paint: Paint, out: &mut String) {
    let (word, colour) = match report.generator.grade {
        Some(Grade::Good) => ("good", Colour::Good),
        Some(Grade::Fair) => ("fair", Colour::Doubtful),
        Some(Grade::Poor) => ("poor", Colour::Bad),
        None => ("unknown: no agent said anything of itself", Colour::Doubtful),
    };
    put(out, &format!("{}  {}", paint.paint(Colour::Heading, "Generator"), paint.paint(colour, word)));
    for worst in &report.generator.worst {
        let first = format!("  {} {}:", worst.grade.name(), stretch(worst.from_s as f64, worst.to_s as f64));
        put_wrapped(out, &first, length(&first), &worst.reasons.join(", "));
    }
}

/// A stretch of run time, `12–14 s`, or an instant of it.
fn stretch(from_s: f64, to_s: f64) -> String {
    let text = |at: f64| number((at * 10.0).round() / 10.0);
    match text(from_s) == text(to_s) {
        true => format!("{} s", text(from_s)),
        false => format!("{}–{} s", text(from_s), text(to_s)),
    }
}

fn time(value: Option<f64>) -> String {
    shown(value.map(seconds))
}

/// What there is nothing to say about is a dash, never a zero.
fn shown(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".to_owned())
}

#[cfg(test)]
mod tests {
    use rehearsal_verdict::elasticity::imaginary::Character;

    use super::*;
    use crate::{AutoscalerRow, example};

    #[test]
    fn the_text_is_the_golden_one() {
        example::compare("summary.txt", &render(&example::report(), false));
    }

    #[test]
    fn an_autoscaler_is_called_what_it_is_and_measured() {
        let mut text = String::new();
        let row = AutoscalerRow::Judged(Box::new(example::assessment(Character::Flapping)));
        autoscaler::autoscaler(&row, Paint::Plain, &mut text);
        example::compare("autoscaler.txt", &text);
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let report = example::report();
        let mut plain = render(&report, true);
        for code in ["0", "1", "2", "31", "32", "33"] {
            plain = plain.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(plain, render(&report, false));
    }
}
