//! The report as a page without scripts and charts, for programs that were built without the bundled page.

use std::fmt::Write as _;

use rehearsal_metrics::Span;
use rehearsal_verdict::amounts::{count, number, percent, seconds};
use rehearsal_verdict::elasticity::Assessment;
use rehearsal_verdict::{Outcome, Severity};

use crate::autoscaler::{BANDS, STEPS, SUPPLY, bands, basis, outcome, steadiness, steps, supply};
use crate::junit::verdict_word;
use crate::{AutoscalerRow, RunReport};

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;margin:.5rem 0 1.5rem}\
th,td{padding:.2rem .8rem;text-align:left;border-bottom:1px solid #8885}\
td.number{text-align:right;font-variant-numeric:tabular-nums}\
.note{opacity:.75}";

/// Writes the report as one page of plain tables.
pub fn fallback_html(report: &RunReport) -> String {
    let mut page = Page::new(report);
    verdict(report, &mut page);
    thresholds(report, &mut page);
    users_and_checks(report, &mut page);
    measured(report, &mut page);
    cues(report, &mut page);
    gaps(report, &mut page);
    page.finish()
}

fn verdict(report: &RunReport, page: &mut Page) {
    let word = verdict_word(report.verdict).to_uppercase();
    page.line("h1", &format!("{word}: {} in {}", report.scenario, report.environment));
    let lasted = seconds(report.duration_s);
    page.line("p", &format!("Run {}, started {}, lasted {lasted}.", report.run_id, report.started_at));
    let rows = report.findings.iter().map(|finding| {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        let stretch = format!("{}–{} s", number(finding.from_s), number(finding.to_s));
        vec![severity.to_owned(), finding.subject.clone(), stretch, finding.text.clone()]
    });
    page.table("Findings", &["Severity", "About", "When", "Finding"], rows);
}

fn thresholds(report: &RunReport, page: &mut Page) {
    let rows = report.thresholds.iter().map(|threshold| {
        let outcome = match threshold.outcome {
            Outcome::Pass => "✓ held",
            Outcome::Fail => "✗ broken",
            Outcome::NoData => "? no data",
        };
        vec![threshold.text.clone(), threshold.value_text().unwrap_or_else(missing), outcome.to_owned()]
    });
    page.table("Thresholds", &["Rule", "Measured", "Outcome"], rows);
}

fn users_and_checks(report: &RunReport, page: &mut Page) {
    let states = report.users.by_state();
    let heading: Vec<&str> = ["Planned"].into_iter().chain(states.iter().map(|(state, _)| *state)).collect();
    let row = [report.users.planned].into_iter().chain(states.map(|(_, users)| users)).map(count);
    page.table("Users", &heading, [row.collect()].into_iter());
    let rows = report.checks.iter().map(|check| {
        let all = check.passed.saturating_add(check.failed);
        let share = if all > 0 { percent(check.passed as f64 / all as f64) } else { missing() };
        vec![check.name.clone(), count(check.passed), count(check.failed), share]
    });
    page.table("Checks", &["Check", "Passed", "Failed", "Share"], rows);
}

fn measured(report: &RunReport, page: &mut Page) {
    let rows = report.tables.calls.iter().map(|row| {
        let counts = row.counts;
        let counts = [counts.begun, counts.answered, counts.failed, counts.cut, counts.open()].map(count);
        let times = [row.p50, row.p95, row.p99, row.max].map(time);
        [row.name.clone()].into_iter().chain(counts).chain(times).collect()
    });
    let heading = ["Call", "Begun", "Answered", "Failed", "Cut", "Open", "p50", "p95", "p99", "Max"];
    page.table("Calls", &heading, rows);
    let rows = report.tables.sockets.iter().map(|row| {
        let counts = [row.opened, row.failed, row.closed, row.sent, row.received].map(count);
        [row.transport.clone()].into_iter().chain(counts).chain([row.p50, row.p99].map(time)).collect()
    });
    let heading = ["Transport", "Opened", "Failed", "Closed", "Sent", "Received", "Opening p50", "Opening p99"];
    page.table("Sockets", &heading, rows);
    let rows = report.tables.custom.iter().map(|row| {
        let times = [row.mean, row.p50, row.p99, row.max].map(time);
        [row.name.clone(), count(row.count)].into_iter().chain(times).collect()
    });
    page.table("The scenario's own metrics", &["Metric", "Count", "Mean", "p50", "p99", "Max"], rows);
    let rows = report.errors.iter().map(|error| vec![error.kind.clone(), count(error.count), error.sample.clone()]);
    page.table("Errors", &["Kind", "Count", "One of them"], rows);
}

fn cues(report: &RunReport, page: &mut Page) {
    let rows = report.cues.iter().map(|cue| {
        let of = |whole: Option<u64>| {
            whole.map_or_else(missing, |whole| format!("{} of {}", count(cue.heard), count(whole)))
        };
        let first = [format!("{} #{}", cue.name, cue.number), seconds(cue.fired_at_s), of(cue.live)];
        let times = [cue.first, cue.p50, cue.p99, cue.last].map(time);
        first.into_iter().chain(times).chain([format!("±{}", seconds(cue.clock_bound_s))]).collect()
    });
    page.table("Cues", &["Cue", "At", "Heard", "First", "p50", "p99", "Last", "Clocks"], rows);
}

/// Who measured, and what is missing.
fn gaps(report: &RunReport, page: &mut Page) {
    let rows = report.agents.iter().map(|agent| {
        let spans = agent.unobserved.iter().map(|Span { from_s, to_s }| format!("unobserved {from_s}–{to_s} s"));
        let gaps: Vec<String> = agent.lost.then(|| "lost".to_owned()).into_iter().chain(spans).collect();
        let bound = agent.clock_bound_s.map_or_else(missing, |bound| format!("±{}", seconds(bound)));
        vec![agent.id.clone(), agent.region.clone(), count(agent.users), bound, gaps.join(", ")]
    });
    page.table("Agents", &["Agent", "Region", "Users", "Clock", "Missing"], rows);
    let grade = report.generator.grade.map_or("unknown: no agent said anything of itself", |grade| grade.name());
    page.line("p", &format!("The load generator was {grade}."));
    match &report.autoscaler {
        AutoscalerRow::NotJudged { why } => page.line("p", &format!("The autoscaler was not judged: {why}.")),
        AutoscalerRow::Judged(assessment) => autoscaler(assessment, page),
    }
}

fn autoscaler(assessment: &Assessment, page: &mut Page) {
    let (verdict, words) = outcome(assessment);
    page.line("h2", "Autoscaler");
    page.line("p", &format!("{}: {words}", verdict_word(verdict)));
    page.line("p", &format!("{}; {}.", basis(assessment), steadiness(assessment).join(", ")));
    page.table("Supply against demand", &SUPPLY, supply(assessment).into_iter().map(Vec::from));
    page.table("Steps of the load, in seconds since the step", &STEPS, steps(assessment).map(Vec::from));
    page.table("Bands", &BANDS, bands(assessment).map(Vec::from));
}

fn time(value: Option<f64>) -> String {
    value.map_or_else(missing, seconds)
}

/// What there is nothing to say about is a dash, never a zero.
fn missing() -> String {
    "–".to_owned()
}

/// A page in the making; all text that it takes is escaped.
struct Page(String);

impl Page {
    fn new(report: &RunReport) -> Page {
        let title = escaped(&format!("{} · {}", report.scenario, report.run_id));
        Page(format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
             <style>{STYLE}</style></head><body>\n"
        ))
    }

    fn line(&mut self, element: &str, text: &str) {
        self.put(&format!("<{element}>{}</{element}>", escaped(text)));
    }

    /// Adds a table under a heading; nothing when it has no rows.
    fn table(&mut self, title: &str, heading: &[&str], rows: impl Iterator<Item = Vec<String>>) {
        let mut rows = rows.peekable();
        if rows.peek().is_none() {
            return;
        }
        self.line("h2", title);
        let heading: String = heading.iter().map(|cell| format!("<th scope=\"col\">{}</th>", escaped(cell))).collect();
        self.put(&format!("<table><thead><tr>{heading}</tr></thead><tbody>"));
        rows.for_each(|row| self.put(&format!("<tr>{}</tr>", row.iter().map(|text| cell(text)).collect::<String>())));
        self.put("</tbody></table>");
    }

    fn finish(mut self) -> String {
        let note = "This page has no charts: the program that wrote it was built without Node. Its numbers are those of \
                    summary.json beside it.";
        self.put(&format!("<p class=\"note\">{note}</p>"));
        self.0 + "</body></html>\n"
    }

    fn put(&mut self, line: &str) {
        writeln!(self.0, "{line}").expect("writing to a string cannot fail");
    }
}

/// Writes a cell; numbers with their units, which are short, stand to the right, so that their digits line up.
fn cell(text: &str) -> String {
    let begins = text.starts_with(|c: char| c.is_ascii_digit() || "±–".contains(c));
    let is_number = begins && text.split(|c: char| !c.is_alphabetic()).all(|word| word.len() <= 2);
    let class = if is_number { " class=\"number\"" } else { "" };
    format!("<td{class}>{}</td>", escaped(text))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use rehearsal_verdict::elasticity::imaginary::Character;

    use super::*;
    use crate::example;

    #[test]
    fn the_page_is_the_golden_one() {
        example::compare("plain.html", &fallback_html(&example::report()));
    }

    #[test]
    fn an_autoscaler_has_its_tables() {
        let mut report = example::report();
        report.autoscaler = AutoscalerRow::Judged(Box::new(example::assessment(Character::Flapping)));
        let page = fallback_html(&report);
        for part in ["<h2>Autoscaler</h2>", "<p>fail: flapping</p>", "share of demand", "up at 60 s", "10–30"] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }

    #[test]
    fn text_of_the_system_under_test_stays_text() {
        let mut report = example::report();
        let plain = fallback_html(&report).matches('<').count();
        report.errors[0].sample = "<script>alert('x')</script>&".to_owned();
        let page = fallback_html(&report);
        assert_eq!(page.matches('<').count(), plain);
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;"));
    }
}
