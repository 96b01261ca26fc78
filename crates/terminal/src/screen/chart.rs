//! A curve over the last seconds, one column for each.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::{Sparkline, Widget as _};
use rehearsal_report::view::Second;

use crate::palette::Palette;

/// Seconds that are looked at: more than the widest curve has columns.
const LOOKED_AT_S: i64 = 200;
/// The heights that a bar may have within one cell.
const EIGHTHS: u64 = 8;

/// Values by second, the last at the right.
#[derive(Debug)]
pub(super) struct Chart {
    /// Missing where nothing was measured.
    values: Vec<Option<u64>>,
    /// What the values should be, drawn as a line where they are below it.
    targets: Vec<Option<u64>>,
}

impl Chart {
    /// A curve of something of each settled second.
    pub(super) fn new(seconds: &[Second], value: impl Fn(&Second) -> Option<u64>) -> Chart {
        Chart { values: settled(seconds).map(|second| value(second?)).collect(), targets: Vec::new() }
    }

    /// Adds what the values should be.
    pub(super) fn with_target(mut self, seconds: &[Second], target: impl Fn(&Second) -> Option<u64>) -> Chart {
        self.targets = settled(seconds).map(|second| target(second?)).collect();
        self
    }

    pub(super) fn render(&self, area: Rect, buffer: &mut Buffer, palette: Palette) {
        let (values, targets) = (last(&self.values, area.width), last(&self.targets, area.width));
        let Some(top) = values.iter().chain(targets).flatten().max().copied().filter(|top| *top > 0) else { return };
        let scale = Scale { top, eighths: EIGHTHS * u64::from(area.height) };
        let bars = values.iter().map(|value| value.map(|value| scale.height(value)));
        let curve = Sparkline::default().data(bars).max(scale.eighths).style(palette.curve());
        curve.absent_value_symbol(" ").render(area, buffer);
        for (column, (value, x)) in values.iter().zip(area.x..).enumerate() {
            match (value, targets.get(column).copied().flatten()) {
                (None, _) => set_if_empty(buffer, x, area.bottom() - 1, "·", palette.faint()),
                (Some(_), Some(target)) => mark(scale.height(target), x, area, buffer, palette),
                (Some(_), None) => {}
            }
        }
    }
}

/// How values become heights.
struct Scale {
    /// The largest value.
    top: u64,
    /// Of the whole area.
    eighths: u64,
}

impl Scale {
    /// The largest value leaves an eighth free, so that curves below one another do not touch. What is not nothing is
    /// seen, however little it is.
    fn height(&self, value: u64) -> u64 {
        // 128 bits hold every product of a count and a height, and the result is at most `eighths`.
        let height = u128::from(value) * u128::from(self.eighths - 1) / u128::from(self.top);
        u64::try_from(height).unwrap_or(self.eighths).max(u64::from(value > 0))
    }
}

/// Marks the height of the target where the bar does not reach it.
fn mark(height: u64, x: u16, area: Rect, buffer: &mut Buffer, palette: Palette) {
    let Some(below) = height.checked_sub(1) else { return };
    let symbol = match below % EIGHTHS {
        0..=1 => "▁",
        2..=5 => "─",
        _ => "▔",
    };
    // The cell lies within the area, because no value is higher than the area is.
    let cell = u16::try_from(below / EIGHTHS).unwrap_or(0);
    set_if_empty(buffer, x, area.bottom() - 1 - cell, symbol, palette.faint());
}

fn set_if_empty(buffer: &mut Buffer, x: u16, y: u16, symbol: &str, style: Style) {
    let cell = &mut buffer[(x, y)];
    if cell.symbol() == " " {
        cell.set_symbol(symbol).set_style(style);
    }
}

/// The first and the last second that a curve of this width shows.
pub(super) fn extent(seconds: &[Second], width: u16) -> Option<(i64, i64)> {
    let last = last_settled(seconds)?;
    let shown = settled(seconds).count().min(usize::from(width));
    Some((last + 1 - i64::try_from(shown).ok()?, last))
}

/// Every second from the first that is known to the last settled one, missing ones included.
fn settled(seconds: &[Second]) -> impl Iterator<Item = Option<&Second>> {
    let span = seconds.first().zip(last_settled(seconds));
    let all = span.map(|(first, last)| first.s.max(last + 1 - LOOKED_AT_S)..=last);
    let found = |s: i64| Some(&seconds[seconds.binary_search_by_key(&s, |second| second.s).ok()?]);
    all.into_iter().flatten().map(move |s| found(s).filter(|second| second.settled))
}

fn last_settled(seconds: &[Second]) -> Option<i64> {
    seconds.iter().rfind(|second| second.settled).map(|second| second.s)
}

fn last<T>(values: &[T], width: u16) -> &[T] {
    &values[values.len().saturating_sub(usize::from(width))..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(s: i64, arrivals: u64, target: u64) -> Second {
        Second { s, settled: true, arrivals, target: Some(target), ..Second::default() }
    }

    #[track_caller]
    fn check(seconds: &[Second], (width, height): (u16, u16), expected: &[&str], what: &str) {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        let chart = Chart::new(seconds, |second| Some(second.arrivals)).with_target(seconds, |second| second.target);
        chart.render(area, &mut buffer, Palette::Plain);
        let rows = buffer.content().chunks(usize::from(width));
        let rows: Vec<String> = rows.map(|row| row.iter().map(|cell| cell.symbol()).collect()).collect();
        assert_eq!(rows, expected, "{what}");
    }

    #[test]
    fn curves_show_value_target_and_what_is_missing() {
        let ramp: Vec<Second> = (0..4).map(|s| second(s, 4 + 4 * s as u64, 16)).collect();
        check(&ramp, (6, 1), &["▁▃▅▇  "], "they grow to the right");
        check(&ramp, (2, 1), &["▅▇"], "and keep what is latest");
        check(&ramp, (4, 2), &["▔▔▃▇", "▃▇██"], "where the target is not reached, it is seen above");
        let mut gap = ramp.clone();
        gap.remove(1);
        check(&gap, (4, 1), &["▁·▅▇"], "a second that is not known is no zero");
        gap[0].settled = false;
        check(&gap, (4, 1), &["··▅▇"], "nor is one that still rises");
        let little = [second(0, 1, 0), second(1, 0, 0), second(2, 1000, 0)];
        check(&little, (3, 1), &["▁ ▇"], "little is seen, nothing is not");
        check(&[second(0, 0, 0)], (3, 1), &["   "], "nothing at all");
        check(&[], (3, 1), &["   "], "no second yet");
    }

    #[test]
    fn the_extent_is_of_what_is_seen() {
        let seconds: Vec<Second> = (10..40).map(|s| second(s, 1, 1)).collect();
        assert_eq!(extent(&seconds, 20), Some((20, 39)));
        assert_eq!(extent(&seconds, 99), Some((10, 39)));
        assert_eq!(extent(&[], 99), None);
    }
}
