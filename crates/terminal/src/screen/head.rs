//! The first rows: in what state the run is, how far, and how old the numbers below are.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use rehearsal_report::view::{RunNow, RunState};
use rehearsal_verdict::amounts::count;

use super::View;
use super::section::{Keep, Section};
use crate::palette::Palette;
use crate::words::{clean, clock};

/// Numbers are at most this old, in seconds, when all goes well: agents tell once a second, and a second is settled when the
/// last of them has told.
const FRESH_S: f64 = 2.0;

pub(super) fn head<'a>(view: &View<'a>) -> Section<'a> {
    let (run, palette) = (view.scene.run, view.palette);
    let (mark, style) = mark(run, palette);
    let mut left = vec![Span::styled(format!("{mark} {}", state(run)), style)];
    let mut right = Vec::new();
    if let Some(age) = age_s(run) {
        let what = format!("numbers are {age:.0} s old");
        right.extend([Span::styled(what, palette.doubtful()), Span::raw("   ")]);
    }
    right.extend(time(run).map(|time| Span::styled(time, palette.strong())));
    let subject = subject(run);
    let used: usize = left.iter().chain(&right).map(Span::width).sum();
    let room = usize::from(view.widths.whole).saturating_sub(used);
    // The name is the first thing to go: whoever looks knows what was started.
    let between = Span::styled(format!("   {subject}"), palette.faint());
    if between.width() + 3 <= room {
        let rest = room - between.width();
        left.extend([between, Span::raw(" ".repeat(rest))]);
    } else {
        left.push(Span::raw(" ".repeat(room)));
    }
    left.extend(right);
    Section::whole(Keep::Head, left)
}

fn subject(run: &RunNow) -> String {
    let names = [&run.scenario, &run.environment].map(|name| clean(name));
    names.iter().filter(|name| !name.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" · ")
}

/// Says in words in what state the run is.
pub(crate) fn state(run: &RunNow) -> String {
    match run.state {
        RunState::Draft => "being checked".to_owned(),
        RunState::Launching => "launching agents".to_owned(),
        RunState::Gathering => match run.agents.len() as u64 {
            0 => "waiting for agents".to_owned(),
            joined => format!("waiting for agents, {} so far", count(joined)),
        },
        RunState::Armed => "about to start".to_owned(),
        RunState::Running if run.paused => "arrivals are paused".to_owned(),
        RunState::Running => "running".to_owned(),
        RunState::Stopping => "stopping: users leave".to_owned(),
        RunState::Collecting => "the load has ended, the last numbers arrive".to_owned(),
        RunState::Judged => run.verdict.as_deref().map_or_else(|| "judged".to_owned(), clean),
        RunState::Failed => "failed".to_owned(),
        RunState::Cancelled => "cancelled".to_owned(),
    }
}

fn mark(run: &RunNow, palette: Palette) -> (&'static str, Style) {
    match (run.state, run.verdict.as_deref()) {
        (RunState::Running, _) if run.paused => ("●", palette.doubtful()),
        (RunState::Running, _) => ("●", palette.good()),
        (RunState::Stopping | RunState::Collecting, _) => ("●", palette.strong()),
        (RunState::Judged, Some("pass")) => ("✓", palette.good()),
        (RunState::Judged, Some("fail")) | (RunState::Failed, _) => ("✗", palette.bad()),
        (RunState::Judged, _) => ("?", palette.doubtful()),
        _ => ("○", palette.strong()),
    }
}

/// Gives the run time and the planned end, as far as there are any: `1:02 of 2:00`.
pub(crate) fn time(run: &RunNow) -> Option<String> {
    let now = clock(run.now_s?);
    Some(run.ends_s.map_or(now.clone(), |end| format!("{now} of {}", clock(end))))
}

/// Says how old the numbers are, in seconds, when they are older than they should be. Before and after the load there is
/// nothing new to be told, so they are as fresh as can be.
pub(crate) fn age_s(run: &RunNow) -> Option<f64> {
    let complete_until = run.settled_s.map_or(0.0, |second| second as f64 + 1.0);
    let age = run.now_s? - complete_until;
    (is_loaded(run) && age > FRESH_S).then_some(age.floor())
}

/// Whether users are at work, so that numbers change.
pub(super) fn is_loaded(run: &RunNow) -> bool {
    matches!(run.state, RunState::Running | RunState::Stopping)
}

pub(super) fn gauge<'a>(view: &View<'a>) -> Section<'a> {
    let (run, palette) = (view.scene.run, view.palette);
    let share = match (run.now_s, run.ends_s) {
        (Some(now), Some(end)) if end > 0.0 => (now / end).clamp(0.0, 1.0),
        _ => 0.0,
    };
    let width = usize::from(view.widths.whole);
    let halves = (share * 2.0 * width as f64).round() as usize;
    let half = if halves.is_multiple_of(2) { "" } else { "╸" };
    let done = format!("{}{half}", "━".repeat(halves / 2));
    let rest = "─".repeat(width.saturating_sub(halves.div_ceil(2)));
    Section::whole(
        Keep::Gauge,
        Line::from(vec![Span::styled(done, palette.curve()), Span::styled(rest, palette.faint())]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_numbers_are_told_from_those_that_are_on_their_way() {
        let rows = [
            (RunState::Running, Some(10.0), Some(8), None, "the last second has just ended"),
            (RunState::Running, Some(11.0), Some(8), None, "on the limit"),
            (RunState::Running, Some(14.7), Some(8), Some(5.0), "an agent is silent"),
            (RunState::Running, Some(3.5), None, Some(3.0), "nobody has told anything"),
            (RunState::Running, Some(1.5), None, None, "nobody could have told anything"),
            (RunState::Collecting, Some(99.0), Some(8), None, "there is nothing new to tell"),
            (RunState::Gathering, None, None, None, "not started"),
        ];
        for (state, now_s, settled_s, expected, what) in rows {
            let run = RunNow { state, now_s, settled_s, ..RunNow::default() };
            assert_eq!(age_s(&run), expected, "{what}");
        }
    }
}
