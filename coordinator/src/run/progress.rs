//! What the terminal shows while a run goes on: one bar and a few lines that refresh; plain lines when it is no terminal.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rehearsal_metrics::{Points, SeriesKey, Span, Timeline, UserState};
use rehearsal_plan::{RunTime, Versions};
use tokio::time::Instant;

use super::cues::CueBook;
use super::roster::Roster;

/// How often the lines are drawn, and how often a plain line is written.
const REFRESH: Duration = Duration::from_millis(250);
const PLAIN: Duration = Duration::from_secs(5);
/// Seconds that rates and percentiles look back over.
const WINDOW_S: i64 = 5;

/// The display of one run.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    agents: usize,
    shown: Option<Instant>,
}

impl Progress {
    pub(super) fn new(agents: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{bar:32} {prefix}\n{msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, agents, shown: None }
    }

    /// A line that stays.
    pub(super) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => {
                let _ = writeln!(std::io::stderr(), "{line}");
            }
        }
    }

    /// Draws how things stand, if the last drawing is old enough.
    pub(super) fn show(
        &mut self,
        timeline: &Timeline,
        roster: &Roster,
        versions: Option<&Versions>,
        started: RunTime,
        now: RunTime,
        cues: &CueBook,
    ) {
        let pause = if self.bar.is_some() { REFRESH } else { PLAIN };
        if self.shown.is_some_and(|shown| shown.elapsed() < pause) {
            return;
        }
        self.shown = Some(Instant::now());
        let Some(versions) = versions else {
            let joined = roster.len();
            return self.draw(0.0, 1.0, &format!("waiting for agents: {joined} of {} have joined", self.agents), &[]);
        };
        let elapsed = now.since(started).as_secs_f64();
        let whole = versions.end().map_or(elapsed, |end| end.since(started).as_secs_f64());
        let of = if versions.end().is_some() { format!(" of {whole:.0} s") } else { " s".to_owned() };
        let waiting = if elapsed > whole + 1.0 { ", waiting for users to leave and for the last numbers" } else { "" };
        self.draw(elapsed, whole, &format!("{elapsed:.0}{of}{waiting}"), &lines(timeline, cues));
    }

    fn draw(&self, done: f64, whole: f64, prefix: &str, lines: &[String]) {
        match &self.bar {
            Some(bar) => {
                bar.set_length((whole * 1e3) as u64);
                bar.set_position((done.min(whole) * 1e3) as u64);
                bar.set_prefix(prefix.to_owned());
                bar.set_message(lines.join("\n"));
                bar.tick();
            }
            None => self
                .say(&format!("{prefix} | {}", lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" | "))),
        }
    }

    /// Takes the bar away; what follows is the summary.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn lines(timeline: &Timeline, cues: &CueBook) -> Vec<String> {
    let settled = timeline.settled();
    let mut lines = vec![users(timeline)];
    if let Some(last) = settled {
        let span = Span { from_s: (last + 1 - WINDOW_S).max(0), to_s: last + 1 };
        lines.push(requests(timeline, span));
    }
    let errors: Vec<String> = timeline.errors().iter().map(|(kind, error)| format!("{kind} {}", error.count)).collect();
    lines.push(format!("  errors    {}", if errors.is_empty() { "none".to_owned() } else { errors.join(", ") }));
    for fired in cues.fired() {
        lines.push(reach(timeline, &fired.announcement.name, fired.announcement.firing));
    }
    lines
}

fn users(timeline: &Timeline) -> String {
    let Ok(ledger) = timeline.ledger_now() else { return "  users     (agents disagree)".to_owned() };
    let states = UserState::ALL.into_iter().filter(|state| ledger.users(*state) > 0);
    let states: Vec<String> = states.map(|state| format!("{} {}", ledger.users(state), state.name())).collect();
    format!("  users     {}", states.join(", "))
}

fn requests(timeline: &Timeline, span: Span) -> String {
    let seconds = (span.to_s - span.from_s).max(1) as f64;
    match timeline.window(&SeriesKey::new("http.response"), span) {
        Some(Points::Duration(bins)) => {
            let quantile = |q| bins.percentile(q).map_or(0.0, |d: Duration| d.as_secs_f64() * 1e3);
            let rate = bins.count() as f64 / seconds;
            format!(
                "  requests  {rate:.0}/s, p50 {:.1} ms, p99 {:.1} ms (last {seconds:.0} s)",
                quantile(50.0),
                quantile(99.0)
            )
        }
        _ => "  requests  none yet".to_owned(),
    }
}

fn reach(timeline: &Timeline, name: &str, firing: u32) -> String {
    let Some(record) = timeline.cues().get(&firing) else {
        return format!("  cue       {name}: nobody has looked yet");
    };
    let live: u64 = record.points.snapshot.iter().flatten().map(|(_, snapshot)| snapshot.live).sum();
    let heard = record.points.heard_by();
    let share = if live == 0 { 0.0 } else { heard as f64 / live as f64 * 100.0 };
    format!("  cue       {name}: heard by {heard} of {live} ({share:.1} %)")
}
