//! What the run is judged by: cues and who heard them, thresholds, findings.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use rehearsal_report::view::{CueNow, FiringNow, ThresholdNow};
use rehearsal_verdict::amounts::{count, percent, seconds};

use super::View;
use super::section::{Keep, Row, Section, flow};
use crate::palette::Palette;
use crate::words::{clean, clock};

/// Findings that are shown; the report has all.
const FINDINGS: usize = 6;

pub(super) fn cues<'a>(view: &View<'a>) -> Section<'a> {
    let cues = &view.scene.run.cues;
    let widest = cues.iter().map(|cue| Span::raw(clean(&cue.name)).width()).max().unwrap_or(0);
    Section::list("cues", cues.iter().map(|cue| cue_row(cue, widest, view)).collect())
}

fn cue_row<'a>(cue: &CueNow, widest: usize, view: &View<'a>) -> Row<'a> {
    let palette = view.palette;
    let name = clean(&cue.name);
    let padding = " ".repeat(2 + widest - Span::raw(name.as_str()).width());
    let name = Span::raw(format!("{name}{padding}"));
    let Some(firing) = cue.firings.last() else {
        return Row::new(Keep::Outlook, vec![name, Span::styled(clean(&cue.when), palette.faint())]);
    };
    let (keep, style, text) = firing_text(firing, palette);
    let which = if cue.firings.len() > 1 { format!("firing {}: ", cue.firings.len()) } else { String::new() };
    let mut items = vec![Span::styled(format!("{which}{text}"), style)];
    let delays = [("p99", firing.p99), ("last", firing.last), ("p50", firing.p50)];
    let delays = delays.into_iter().filter_map(|(name, delay)| Some(format!("{name} {}", seconds(delay?))));
    items.extend(delays.map(|delay| Span::styled(delay, palette.faint())));
    let width = view.widths.alone.saturating_sub(name.width() as u16);
    // As many of the delays as there is room for; none is cut.
    let first = flow(items, width, usize::MAX, palette).into_iter().next().unwrap_or_default();
    Row::new(keep, std::iter::once(name).chain(first.spans).collect::<Line<'a>>())
}

fn firing_text(firing: &FiringNow, palette: Palette) -> (Keep, Style, String) {
    match firing.state.as_str() {
        "announced" => (Keep::Cue, palette.doubtful(), format!("fires at {}", clock(firing.at_s))),
        "sent" => (Keep::Cue, palette.strong(), heard(firing)),
        other => (Keep::Trouble, palette.bad(), format!("{} at {}", clean(other), clock(firing.at_s))),
    }
}

/// The reach: who heard it, of all that were there.
fn heard(firing: &FiringNow) -> String {
    match firing.live {
        Some(0) => format!("nobody was there, heard by {}", count(firing.heard)),
        Some(live) => {
            let share = percent(firing.heard as f64 / live as f64);
            format!("{share} heard it, {} of {}", count(firing.heard), count(live))
        }
        None => format!("heard by {} so far, nobody has said of how many", count(firing.heard)),
    }
}

pub(super) fn thresholds<'a>(view: &View<'a>) -> Section<'a> {
    let palette = view.palette;
    let thresholds = &view.scene.run.thresholds;
    let value = |threshold: &ThresholdNow| threshold.shown.as_deref().map_or_else(|| "no data".to_owned(), clean);
    let values: Vec<Span<'a>> = thresholds.iter().map(|threshold| Span::raw(value(threshold))).collect();
    let widest = values.iter().map(Span::width).max().unwrap_or(0);
    let row = |(threshold, value): (&ThresholdNow, Span<'a>)| {
        let (keep, mark, style) = match threshold.outcome.as_str() {
            "pass" => (Keep::Rule, "✓", palette.good()),
            "fail" => (Keep::Trouble, "✗", palette.bad()),
            _ => (Keep::Rule, "?", palette.doubtful()),
        };
        let padding = " ".repeat(2 + widest - value.width());
        let value = value.style(if threshold.shown.is_some() { style } else { palette.faint() });
        // The value first: where there is little room the rule may be cut, which people know, but no figure.
        let spans = vec![Span::styled(format!("{mark} "), style), value, Span::raw(padding)];
        Row::new(keep, spans.into_iter().chain([Span::raw(clean(&threshold.text))]).collect::<Line<'a>>())
    };
    Section::list("thresholds", thresholds.iter().zip(values).map(row).collect())
}

pub(super) fn findings<'a>(view: &View<'a>) -> Section<'a> {
    let palette = view.palette;
    let all = &view.scene.run.findings;
    let shown = all.iter().take(FINDINGS).map(|finding| {
        let (keep, mark, style) = match finding.severity.as_str() {
            "error" => (Keep::Trouble, "✗", palette.bad()),
            "warning" => (Keep::Trouble, "!", palette.doubtful()),
            _ => (Keep::Quiet, "·", palette.faint()),
        };
        let text = format!("{}: {}", clean(&finding.subject), clean(&finding.text));
        Row::new(keep, Line::from(vec![Span::styled(format!("{mark} "), style), Span::raw(text)]))
    });
    let section = Section::list("findings", shown.collect());
    Section { left_out: all.len().saturating_sub(FINDINGS), ..section }
}
