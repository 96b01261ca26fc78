//! A mistake in a scenario, found before the run: where, what, and what to do about it.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

/// Whether the run can start all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but probably not as meant.
    Warning,
}

/// One mistake. Serialises as one element of `validate --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The file as the user named it.
    pub file: String,
    /// Line, counting from 1; 0 when the mistake is not in one place.
    pub line: usize,
    /// Column in characters, counting from 1; 0 when unknown.
    pub column: usize,
    /// Whether the run can start.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do, if we know.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// Draws the mistake with its line and a caret, as compilers do.
    #[must_use]
    pub fn render(&self, text: &str, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(self.message.as_str());
        let group = match span(text, self.line, self.column) {
            Some(span) => title
                .element(Snippet::source(text).path(self.file.as_str()).annotation(AnnotationKind::Primary.span(span))),
            None => title.element(annotate_snippets::Origin::path(self.file.as_str())),
        };
        let group = match &self.hint {
            Some(hint) => group.element(Level::HELP.message(hint.as_str())),
            None => group,
        };
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}

/// The bytes of the word at a line and column.
fn span(text: &str, line: usize, column: usize) -> Option<std::ops::Range<usize>> {
    let start_of_line: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let line_text = text.get(start_of_line..)?.lines().next().unwrap_or("");
    let mut characters = line_text.char_indices().skip(column.saturating_sub(1));
    let offset = characters.next().map_or(line_text.len(), |(at, _)| at);
    let rest = &line_text[offset..];
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let word: usize = rest.chars().take_while(|c| is_word(*c)).map(char::len_utf8).sum();
    let one = rest.chars().next().map_or(0, char::len_utf8);
    let start = start_of_line + offset;
    Some(start..start + word.max(one))
}

/// Where a literal stands in the text: line and column of its first character, both counting from 1.
pub(crate) fn find_literal(text: &str, literal: &str) -> Option<(usize, usize)> {
    text.lines().enumerate().find_map(|(index, line)| {
        let at = line.find(&format!("\"{literal}\""))?;
        Some((index + 1, line[..at].chars().count() + 2))
    })
}
