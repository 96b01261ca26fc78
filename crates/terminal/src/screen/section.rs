//! A section: a label, rows of facts and perhaps a curve beside them. Which rows are shown when there is not room for all.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::chart::Chart;
use crate::palette::Palette;

/// Columns before everything, and those of a label with the space behind it.
const MARGIN: u16 = 1;
const LABEL: u16 = 12;
/// Columns of the facts beside a curve, where there is room and where there is little.
const FACTS: (u16, u16) = (42, 28);
/// A curve with fewer columns says nothing.
const NARROWEST_CHART: u16 = 10;
/// Columns between facts and curve.
const GAP: u16 = 2;

/// How much a row matters, the least first: what is left out first when the terminal is small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Keep {
    /// What makes curves higher or says more of what is there already.
    Comfort,
    /// An empty row between groups.
    Space,
    /// Where the dashboard is, what is going to happen.
    Outlook,
    /// What goes as it should.
    Quiet,
    /// The second rows of facts.
    Detail,
    /// Rules that are kept so far.
    Rule,
    /// Cues that have fired.
    Cue,
    /// What does not go as it should.
    Trouble,
    /// How far the run is.
    Gauge,
    /// Errors, response times, rates, users: what the run is about.
    Core,
    /// What state the run is in.
    Head,
}

/// A row of a section.
pub(super) struct Row<'a> {
    pub keep: Keep,
    pub line: Line<'a>,
}

impl<'a> Row<'a> {
    pub(super) fn new(keep: Keep, line: impl Into<Line<'a>>) -> Self {
        Self { keep, line: line.into() }
    }
}

/// Rows that belong together.
#[derive(Default)]
pub(super) struct Section<'a> {
    /// Without one, the rows take the whole width.
    pub label: Option<&'static str>,
    /// The first is the most important one.
    pub rows: Vec<Row<'a>>,
    pub chart: Option<Chart>,
    /// Rows of a list that are not shown; the last shown one tells how many.
    pub left_out: usize,
    /// Whether the rows are of one kind, so that it must be told how many are left out.
    pub is_list: bool,
}

impl<'a> Section<'a> {
    pub(super) fn labelled(label: &'static str, rows: Vec<Row<'a>>) -> Self {
        Self { label: Some(label), rows, ..Self::default() }
    }

    pub(super) fn list(label: &'static str, rows: Vec<Row<'a>>) -> Self {
        Self { is_list: true, ..Self::labelled(label, rows) }
    }

    pub(super) fn whole(keep: Keep, line: impl Into<Line<'a>>) -> Self {
        Self { rows: vec![Row::new(keep, line)], ..Self::default() }
    }

    pub(super) fn space() -> Self {
        Self::whole(Keep::Space, Line::default())
    }

    pub(super) fn height(&self) -> u16 {
        u16::try_from(self.rows.len()).unwrap_or(u16::MAX)
    }

    /// Draws into an area as high as the section.
    pub(super) fn render(&self, area: Rect, buffer: &mut Buffer, palette: Palette) {
        let start = MARGIN + if self.label.is_some() { LABEL } else { 0 };
        if let Some(label) = self.label {
            let line = Line::styled(label, palette.faint());
            put(buffer, area.x + MARGIN, area.y, &line, area.width.saturating_sub(MARGIN));
        }
        let widths = Widths::of(area.width);
        let chart = self.chart.as_ref().filter(|_| widths.chart > 0);
        let width = if chart.is_some() { widths.facts } else { area.width.saturating_sub(start) };
        let more = if self.left_out > 0 { format!(" · {} more", self.left_out) } else { String::new() };
        for (number, (row, y)) in self.rows.iter().zip(area.y..).enumerate() {
            let more = if number + 1 == self.rows.len() { more.as_str() } else { "" };
            let end = put(buffer, area.x + start, y, &row.line, width.saturating_sub(more.chars().count() as u16));
            buffer.set_stringn(
                end,
                y,
                more,
                usize::from((area.x + start + width).saturating_sub(end)),
                palette.faint(),
            );
        }
        if let Some(chart) = chart {
            let x = area.x + start + widths.facts + GAP;
            chart.render(Rect { x, width: widths.chart, ..area }, buffer, palette);
        }
    }
}

/// Puts a line into the buffer and gives the column behind it; one that is too long ends in an ellipsis.
fn put(buffer: &mut Buffer, x: u16, y: u16, line: &Line<'_>, width: u16) -> u16 {
    if width == 0 {
        return x;
    }
    let (end, _) = buffer.set_line(x, y, line, width);
    if line.width() > usize::from(width) {
        buffer[(x + width - 1, y)].set_symbol("…");
    }
    end
}

/// Columns for facts that stand beside a curve, for the curve, and for facts that stand alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Widths {
    pub facts: u16,
    /// 0 when there is not room for one.
    pub chart: u16,
    pub alone: u16,
    /// For rows without a label.
    pub whole: u16,
}

impl Widths {
    /// For forms that are not cut.
    pub(super) const UNBOUNDED: Widths = Widths { facts: u16::MAX, chart: 0, alone: u16::MAX, whole: 0 };

    pub(super) fn of(width: u16) -> Widths {
        let whole = width.saturating_sub(MARGIN);
        let alone = whole.saturating_sub(LABEL);
        let (wide, narrow) = FACTS;
        let facts = if alone >= wide + GAP + 2 * NARROWEST_CHART { wide } else { narrow };
        match alone.checked_sub(facts + GAP) {
            Some(chart) if chart >= NARROWEST_CHART => Widths { facts, chart, alone, whole },
            _ => Widths { facts: alone, chart: 0, alone, whole },
        }
    }
}

/// Leaves out rows until the rest has room, always the last of those that matter least.
pub(super) fn fit(sections: &mut Vec<Section<'_>>, room: usize) {
    let height = |sections: &[Section<'_>]| sections.iter().map(|section| section.rows.len()).sum::<usize>();
    for _ in room..height(sections) {
        let rows = sections.iter().enumerate().flat_map(|(number, section)| {
            section.rows.iter().enumerate().map(move |(row, Row { keep, .. })| (*keep, number, row))
        });
        // The least that matters, and of equals the last.
        let Some((_, number, row)) =
            rows.min_by_key(|(keep, number, row)| (*keep, usize::MAX - number, usize::MAX - row))
        else {
            return;
        };
        let section = &mut sections[number];
        section.rows.remove(row);
        section.left_out += usize::from(section.is_list);
    }
    sections.retain(|section| !section.rows.is_empty());
}

/// Sets items side by side, as many as each line has room for. The last of at most `lines` lines says how many had none.
pub(super) fn flow<'a>(items: Vec<Span<'a>>, width: u16, lines: usize, palette: Palette) -> Vec<Line<'a>> {
    let all = items.len();
    let mut flowed: Vec<Line<'a>> = Vec::new();
    for (number, item) in items.into_iter().enumerate() {
        let is_full = flowed.len() >= lines;
        match flowed.last_mut() {
            Some(line) if line.width() + 3 + item.width() <= usize::from(width) => {
                line.spans.extend([Span::styled(" · ", palette.faint()), item]);
            }
            Some(line) if is_full => {
                line.spans.push(Span::styled(format!(" · {} more", all - number), palette.faint()));
                break;
            }
            _ => flowed.push(item.into()),
        }
    }
    flowed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(rows: &[(Keep, &'static str)]) -> Section<'static> {
        Section::list("", rows.iter().map(|(keep, text)| Row::new(*keep, *text)).collect())
    }

    fn shown(sections: &[Section<'_>]) -> Vec<String> {
        sections.iter().flat_map(|section| &section.rows).map(|row| row.line.to_string()).collect()
    }

    #[test]
    fn what_matters_least_is_left_out_first_and_of_equals_the_last() {
        let all = || {
            vec![
                section(&[(Keep::Core, "users"), (Keep::Detail, "waiting")]),
                Section::space(),
                section(&[(Keep::Rule, "first"), (Keep::Trouble, "broken"), (Keep::Rule, "second")]),
            ]
        };
        let rows: [(usize, &[&str]); 5] = [
            (9, &["users", "waiting", "", "first", "broken", "second"]),
            (5, &["users", "waiting", "first", "broken", "second"]),
            (3, &["users", "first", "broken"]),
            (1, &["users"]),
            (0, &[]),
        ];
        for (room, expected) in rows {
            let mut sections = all();
            fit(&mut sections, room);
            assert_eq!(shown(&sections), expected, "room for {room}");
        }
    }

    #[test]
    fn a_list_tells_how_many_are_left_out() {
        let mut sections = vec![section(&[(Keep::Rule, "first"), (Keep::Rule, "second"), (Keep::Rule, "third")])];
        fit(&mut sections, 1);
        let area = Rect::new(0, 0, 40, 1);
        let mut buffer = Buffer::empty(area);
        sections[0].render(area, &mut buffer, Palette::Plain);
        let text: String = buffer.content().iter().map(|cell| cell.symbol()).collect();
        assert_eq!(text.trim(), "first · 2 more");
    }

    #[test]
    fn items_flow_into_lines() {
        let lines = |width, lines| -> Vec<String> {
            let items = ["one", "two", "three", "four"].map(Span::raw).to_vec();
            flow(items, width, lines, Palette::Plain).iter().map(Line::to_string).collect()
        };
        assert_eq!(lines(99, 1), ["one · two · three · four"]);
        assert_eq!(lines(9, 3), ["one · two", "three", "four"]);
        assert_eq!(lines(9, 2), ["one · two", "three · 1 more"]);
    }
}
