//! The block of rows that tells how a run stands. Pure: what it is given decides every cell.
//!
//! ```text
//!  ● running  evening · staging                             1:02 of 2:00
//!  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╸─────────────────────────────────
//!
//!  users       label │ facts, the most important first │ a curve over the
//!              last seconds, as high as the facts beside it
//! ```
//!
//! The block is a list of [sections](section::Section), and each row of a section says how much it matters. When there
//! is not room for all, those that matter least are left out.

mod section;
mod chart;
mod head;
mod load;
mod rules;
mod fleet;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use rehearsal_report::view::{RunNow, Second};

use crate::palette::Palette;
use crate::recent::Recent;
use section::{Keep, Section, Widths, fit};

pub(crate) use head::{age_s, state, time};

/// Wider than this the eye no longer finds from the label to the end of the row.
const WIDEST: u16 = 160;

/// What is to be shown.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    pub run: &'a RunNow,
    /// The last few minutes, ascending; what is older than the curves are wide is not looked at.
    pub seconds: &'a [Second],
    /// Where the dashboard is, if there is one.
    pub dashboard: Option<&'a str>,
}

/// A scene with all that the sections ask for.
struct View<'a> {
    scene: Scene<'a>,
    /// Once the load has ended there is nothing that happens now.
    recent: Option<Recent>,
    palette: Palette,
    widths: Widths,
}

/// Gives the room that a terminal of this size has for the block. A row is left for the cursor and a few for the lines
/// above it; a column is left because writing into the last one makes terminals wrap.
#[must_use]
pub fn room(columns: u16, rows: u16) -> Rect {
    let above = (rows / 8).min(3);
    Rect::new(0, 0, columns.saturating_sub(1).min(WIDEST), rows.saturating_sub(1 + above))
}

/// Draws the block into the top of the area and gives the number of rows that it took.
pub fn draw(area: Rect, buffer: &mut Buffer, scene: Scene<'_>, palette: Palette) -> u16 {
    let mut sections = sections(scene, palette, Widths::of(area.width));
    fit(&mut sections, usize::from(area.height));
    let mut top = area.y;
    for section in &sections {
        let rows = section.height();
        section.render(Rect { y: top, height: rows, ..area }, buffer, palette);
        top += rows;
    }
    top - area.y
}

/// The rows that say most, each with its label, for a form without room or colours: the first of each section, and of
/// lists those that call for attention.
pub(crate) fn outline(scene: Scene<'_>) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    for section in sections(scene, Palette::Plain, Widths::UNBOUNDED) {
        let Some(label) = section.label else { continue };
        let (least, most) = if section.is_list { (Keep::Cue, usize::MAX) } else { (Keep::Detail, 1) };
        let shown = section.rows.iter().take(most).filter(|row| row.keep >= least);
        rows.extend(shown.map(|row| (label, row.line.to_string())));
    }
    rows
}

fn sections(scene: Scene<'_>, palette: Palette, widths: Widths) -> Vec<Section<'_>> {
    let recent = if head::is_loaded(scene.run) { Recent::of(scene.seconds) } else { None };
    let view = View { scene, recent, palette, widths };
    let groups = [
        vec![head::head(&view), head::gauge(&view)],
        vec![load::users(&view), load::requests(&view), load::response(&view), load::axis(&view)],
        vec![load::errors(&view), load::sockets(&view), rules::cues(&view)],
        vec![rules::thresholds(&view), rules::findings(&view)],
        vec![fleet::agents(&view), fleet::dashboard(&view)],
    ];
    let filled = groups.map(|group| group.into_iter().filter(|section| !section.rows.is_empty()).collect::<Vec<_>>());
    let mut all = Vec::new();
    for group in filled.into_iter().filter(|group| !group.is_empty()) {
        if !all.is_empty() {
            all.push(Section::space());
        }
        all.extend(group);
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rehearsal_report::view::{CueNow, ErrorNow, RunState, ThresholdNow};

    use super::*;

    /// A run with text that came from outside everywhere.
    fn run_of(text: &str) -> RunNow {
        RunNow {
            scenario: text.to_owned(),
            state: RunState::Running,
            now_s: Some(61.0),
            ends_s: Some(60.0),
            cues: vec![CueNow { name: text.to_owned(), when: text.to_owned(), firings: Vec::new() }; 3],
            errors: vec![ErrorNow { kind: text.to_owned(), count: 1, sample: text.to_owned() }],
            thresholds: vec![ThresholdNow { text: text.to_owned(), ..ThresholdNow::default() }; 4],
            ..RunNow::default()
        }
    }

    proptest! {
        /// However small the terminal and strange the text: the block stays in its room and carries nothing that steers.
        #[test]
        fn the_block_stays_in_its_room(columns in 0_u16..220, rows in 0_u16..60, text in any::<String>()) {
            let run = run_of(&text);
            let area = room(columns, rows);
            let mut buffer = Buffer::empty(area);
            let scene = Scene { run: &run, seconds: &[], dashboard: Some("http://127.0.0.1:7700/") };
            let used = draw(area, &mut buffer, scene, Palette::Colour);
            prop_assert!(used <= area.height);
            prop_assert!(used < rows.max(1), "the cursor needs a row below the block");
            let steers = |c: char| c.is_control() || c == '\u{202e}';
            prop_assert!(!buffer.content().iter().any(|cell| cell.symbol().contains(steers)));
        }
    }

    #[test]
    fn without_colour_no_cell_has_one() {
        let run = run_of("x");
        let area = room(80, 24);
        let colours = |palette| {
            let mut buffer = Buffer::empty(area);
            draw(area, &mut buffer, Scene { run: &run, seconds: &[], dashboard: None }, palette);
            buffer.content().iter().filter(|cell| cell.fg != ratatui::style::Color::Reset).count()
        };
        assert_eq!(colours(Palette::Plain), 0);
        assert!(colours(Palette::Colour) > 0);
    }
}
