//! The few styles of the live view. Colour is never the only sign: marks and words say the same.

use ratatui::style::{Color, Modifier, Style};

/// Whether colours may be used. The sixteen colours of the terminal's own theme are, so that dark and light ones both work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    /// Colours that mean something: green, yellow and red for good, doubtful and bad; cyan for curves.
    Colour,
    /// Bold and dim only.
    Plain,
}

impl Palette {
    fn colour(self, colour: Color) -> Style {
        match self {
            Palette::Colour => Style::new().fg(colour),
            Palette::Plain => Style::new(),
        }
    }

    pub(crate) fn good(self) -> Style {
        self.colour(Color::Green)
    }

    pub(crate) fn doubtful(self) -> Style {
        self.colour(Color::Yellow)
    }

    pub(crate) fn bad(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(crate) fn curve(self) -> Style {
        self.colour(Color::Cyan)
    }

    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    // Dim, not "bright black": several themes give that the colour of the background.
    pub(crate) fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// For counts that should be nothing.
    pub(crate) fn bad_if(self, is_bad: bool) -> Style {
        if is_bad { self.bad() } else { Style::new() }
    }
}
