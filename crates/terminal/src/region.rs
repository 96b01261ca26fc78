//! Rows at the end of a terminal that are drawn over and over, below lines that stay.
//!
//! The cursor always rests at the start of the row below them, and every move is relative to it. So the terminal need not
//! be asked where the cursor is, which would take its input and be answered on standard output; it stays in its usual mode,
//! in which Ctrl-C works and the next message lands in an empty row; and a process that is killed leaves nothing behind
//! that had to be put right. Every drawing writes all rows, so that whatever came in between is gone with the next one.

use std::io::{self, Write};

use ratatui::backend::IntoCrossterm as _;
use ratatui::buffer::{Buffer, Cell};
use ratatui::crossterm::cursor::{Hide, MoveToColumn, MoveUp, Show};
use ratatui::crossterm::queue;
use ratatui::crossterm::style::Print;
use ratatui::crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use ratatui::style::{Color, Style};
use ratatui::text::Span;

/// What stands on the terminal.
#[derive(Default)]
pub(crate) struct Region {
    rows: Vec<PaintedRow>,
}

/// A row with its control sequences, and how many columns it takes.
struct PaintedRow {
    text: String,
    columns: usize,
}

impl Region {
    /// Draws the first rows of the buffer in the place of those that stand there.
    pub(crate) fn paint(&mut self, out: &mut dyn Write, columns: u16, buffer: &Buffer, rows: u16) -> io::Result<()> {
        let frame = self.open(columns)?;
        let width = usize::from(buffer.area.width).max(1);
        self.rows = buffer.content().chunks(width).take(usize::from(rows)).map(painted).collect();
        self.close(frame, out)
    }

    /// Puts a line above the rows; it stays. A line that is wider than the terminal is wrapped by it.
    pub(crate) fn say(&mut self, out: &mut dyn Write, columns: u16, line: &str) -> io::Result<()> {
        let mut frame = self.open(columns)?;
        // Before the line, because what a wrapped line leaves of older rows could not be cleared after it.
        queue!(frame, Clear(ClearType::FromCursorDown), Print(line), Print("\r\n"))?;
        self.close(frame, out)
    }

    /// Takes the rows away.
    pub(crate) fn clear(&mut self, out: &mut dyn Write, columns: u16) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let frame = self.open(columns)?;
        self.rows.clear();
        self.close(frame, out)
    }

    /// Begins a frame at the place of the first row.
    fn open(&self, columns: u16) -> io::Result<Vec<u8>> {
        let mut frame = Vec::new();
        queue!(frame, BeginSynchronizedUpdate, Hide, MoveToColumn(0))?;
        // A terminal that has become narrower since has wrapped the rows. Rows end where their text ends, so that
        // only those are wrapped that have to be.
        let columns = usize::from(columns.max(1));
        let height = self.rows.iter().map(|row| row.columns.div_ceil(columns).max(1)).sum::<usize>();
        // Moving up by nothing moves up by one.
        if let Ok(height @ 1..) = u16::try_from(height) {
            queue!(frame, MoveUp(height))?;
        }
        Ok(frame)
    }

    /// Writes the rows, clears what is below, and hands the frame over in one piece.
    fn close(&self, mut frame: Vec<u8>, out: &mut dyn Write) -> io::Result<()> {
        for row in &self.rows {
            queue!(frame, Print(&row.text), Clear(ClearType::UntilNewLine), Print("\r\n"))?;
        }
        queue!(frame, Clear(ClearType::FromCursorDown), Show, EndSynchronizedUpdate)?;
        out.write_all(&frame)?;
        out.flush()
    }
}

/// Writes a row of cells, without the blanks at its end.
fn painted(cells: &[Cell]) -> PaintedRow {
    let is_blank = |cell: &Cell| cell.symbol() == " ";
    let columns = cells.iter().rposition(|cell| !is_blank(cell)).map_or(0, |last| last + 1);
    let mut text = String::new();
    let mut rest = &cells[..columns];
    while let Some(first) = rest.first() {
        let alike = rest.iter().take_while(|cell| cell.style() == first.style()).count();
        let (run, after) = rest.split_at(alike);
        text.push_str(&style(first).into_crossterm().apply(symbols(run)).to_string());
        rest = after;
    }
    PaintedRow { text, columns }
}

/// The text of cells; a wide character takes the cells after it, too.
fn symbols(cells: &[Cell]) -> String {
    let mut text = String::new();
    let mut next = 0;
    for (column, cell) in cells.iter().enumerate() {
        if column >= next {
            text.push_str(cell.symbol());
            next = column + Span::raw(cell.symbol()).width().max(1);
        }
    }
    text
}

/// The style of a cell without colours that only say "the usual one": text without colour needs no sequences.
fn style(cell: &Cell) -> Style {
    let named = |colour: Option<Color>| colour.filter(|colour| *colour != Color::Reset);
    let style = cell.style();
    Style { fg: named(style.fg), bg: named(style.bg), underline_color: None, ..style }
}
