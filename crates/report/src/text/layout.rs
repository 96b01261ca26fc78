//! Lays out text for a terminal: aligned columns, wrapped sentences, colours that may be missing.

use std::fmt::Write as _;

/// Columns that a report may use.
const WIDTH: usize = 100;
/// The widest that a name in the first column of a table may be; longer ones are cut.
const WIDEST: usize = 44;

/// What a colour stands for. Everything also reads without it.
#[derive(Clone, Copy)]
pub(super) enum Colour {
    Good,
    Bad,
    Doubtful,
    Heading,
    Faint,
}

/// Paints, or leaves text as it is.
#[derive(Clone, Copy)]
pub(super) enum Paint {
    Plain,
    Ansi,
}

impl Paint {
    pub(super) fn paint(self, colour: Colour, text: &str) -> String {
        let code = match (self, colour) {
            (Paint::Plain, _) => return text.to_owned(),
            (Paint::Ansi, Colour::Good) => "32",
            (Paint::Ansi, Colour::Bad) => "31",
            (Paint::Ansi, Colour::Doubtful) => "33",
            (Paint::Ansi, Colour::Heading) => "1",
            (Paint::Ansi, Colour::Faint) => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Rows of cells under a heading: the first column to the left, the others to the right, and the
/// last one to the left again when it is prose.
pub(super) struct Table {
    heading: Vec<String>,
    rows: Vec<Vec<String>>,
    ends_with_prose: bool,
}

impl Table {
    /// Starts a table of numbers.
    pub(super) fn of_numbers(heading: &[&str]) -> Table {
        Table { heading: heading.iter().map(ToString::to_string).collect(), rows: Vec::new(), ends_with_prose: false }
    }

    /// Starts a table whose last column is prose.
    pub(super) fn with_prose(heading: &[&str]) -> Table {
        Table { ends_with_prose: true, ..Table::of_numbers(heading) }
    }

    /// Adds a row. What comes from the system under test cannot play tricks on the terminal.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| clean(&cell)).collect());
    }

    /// Writes the table with its heading and an empty line after it; nothing when it has no rows.
    pub(super) fn write(mut self, paint: Paint, out: &mut String) {
        if self.rows.is_empty() {
            return;
        }
        let last = self.heading.len().saturating_sub(1);
        for row in &mut self.rows {
            row.iter_mut().take(1).for_each(|cell| *cell = format!("  {}", cut(cell, WIDEST)));
        }
        let rows = || std::iter::once(&self.heading).chain(&self.rows);
        let width_of = |column: usize| rows().filter_map(|row| row.get(column)).map(|cell| length(cell)).max();
        let widths: Vec<usize> = (0..=last).map(|column| width_of(column).unwrap_or(0)).collect();
        for (position, row) in rows().enumerate() {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let is_left = column == 0 || (column == last && self.ends_with_prose);
                let gap = if column == 0 { "" } else { "  " };
                let padding = " ".repeat(width.saturating_sub(length(cell)));
                line += &if is_left { format!("{gap}{cell}{padding}") } else { format!("{gap}{padding}{cell}") };
            }
            let line = line.trim_end();
            let line = if self.ends_with_prose { cut(line, WIDTH) } else { line.to_owned() };
            put(out, &if position == 0 { paint.paint(Colour::Heading, &line) } else { line });
        }
        out.push('\n');
    }
}

/// Adds a line.
pub(super) fn put(out: &mut String, line: &str) {
    writeln!(out, "{line}").expect("writing to a string cannot fail");
}

/// Adds a sentence after a first part, wrapped at the width of the report and indented under
/// itself.
pub(super) fn put_wrapped(out: &mut String, first: &str, first_length: usize, sentence: &str) {
    let indent = " ".repeat(4);
    let (mut line, mut used) = (first.to_owned(), first_length);
    for word in clean(sentence).split_whitespace() {
        if used + 1 + length(word) > WIDTH {
            put(out, &line);
            (line, used) = (indent.clone() + word, indent.len() + length(word));
        } else {
            line = line + " " + word;
            used += 1 + length(word);
        }
    }
    put(out, &line);
}

/// Pads a text to a number of columns.
pub(super) fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(length(text))))
}

/// Counts the columns of a text.
pub(super) fn length(text: &str) -> usize {
    text.chars().count()
}

/// Shortens a text to a number of columns.
fn cut(text: &str, width: usize) -> String {
    match text.char_indices().nth(width.saturating_sub(1)) {
        Some((end, _)) if length(text) > width => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
}

/// Replaces line ends and other control characters, escape sequences among them.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_control_characters_go() {
        let mut table = Table::with_prose(&["Errors", "count", "sample"]);
        table.row(["tïmeout".into(), "2".into(), "after 5 s".into()]);
        table.row(["refused".into(), "1,998".into(), format!("\u{1b}[31m\n{}", "x".repeat(200))]);
        let mut out = String::new();
        table.write(Paint::Plain, &mut out);
        let long = "x".repeat(75);
        let expected =
            format!("Errors     count  sample\n  tïmeout      2  after 5 s\n  refused  1,998   [31m {long}…\n\n");
        assert_eq!(out, expected);
    }

    #[test]
    fn long_sentences_wrap_under_themselves() {
        let mut out = String::new();
        put_wrapped(&mut out, "  ✗", 3, &"word ".repeat(30));
        let lengths: Vec<usize> = out.lines().map(length).collect();
        assert_eq!(lengths, [98, 58]);
        assert!(out.lines().nth(1).unwrap().starts_with("    word"));
    }

    #[test]
    fn colours_are_only_an_addition() {
        assert_eq!(Paint::Plain.paint(Colour::Bad, "✗"), "✗");
        assert_eq!(Paint::Ansi.paint(Colour::Bad, "✗"), "\u{1b}[31m✗\u{1b}[0m");
    }
}
