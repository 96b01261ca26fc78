//! Shows a run where it can be shown: chooses the form, keeps the pace, and leaves the terminal as it was.

use std::io::{self, IsTerminal as _, Write};
use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use rehearsal_report::view::{RunNow, RunState, Second};

use crate::palette::Palette;
use crate::plain;
use crate::region::Region;
use crate::screen::{self, Scene};
use crate::words::clean;

/// Four times a second is as often as eyes can read; a line every five seconds keeps a log of an hour short.
const LIVE_PAUSE: Duration = Duration::from_millis(250);
const PLAIN_PAUSE: Duration = Duration::from_secs(5);
/// Of terminals that do not know how large they are.
const USUAL_SIZE: (u16, u16) = (80, 24);

/// In which form a run is shown.
#[derive(Clone, Copy, Debug)]
pub enum Look {
    /// A block of rows that is drawn again and again; `size` gives the columns and rows of the terminal at each drawing.
    Live { palette: Palette, size: fn() -> (u16, u16) },
    /// A line now and then.
    Plain,
}

impl Look {
    /// Chooses by what standard error is and by the variables `TERM` and `NO_COLOR`.
    #[must_use]
    pub fn of_stderr() -> Look {
        let variable = |name| std::env::var(name).ok();
        Look::choose(io::stderr().is_terminal(), variable("TERM").as_deref(), variable("NO_COLOR").as_deref())
    }

    fn choose(is_terminal: bool, term: Option<&str>, no_color: Option<&str>) -> Look {
        let can_draw = is_terminal && !matches!(term, None | Some("" | "dumb"));
        // An empty NO_COLOR forbids nothing: https://no-color.org.
        let palette = if no_color.is_some_and(|value| !value.is_empty()) { Palette::Plain } else { Palette::Colour };
        if can_draw { Look::Live { palette, size: size_of_stderr } } else { Look::Plain }
    }

    fn pause(self) -> Duration {
        match self {
            Look::Live { .. } => LIVE_PAUSE,
            Look::Plain => PLAIN_PAUSE,
        }
    }
}

fn size_of_stderr() -> (u16, u16) {
    match rustix::termios::tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        _ => USUAL_SIZE,
    }
}

/// The display of one run.
///
/// While it shows something, whatever else is written to the same terminal lands in the empty row below and is drawn over;
/// lines that are to stay go through [`Display::say`]. Dropping it clears it, unless the thread panics: then the
/// message of the panic stands below, and the last figures stay above it.
///
/// Nothing here fails: a terminal that has gone away is no reason to end a run.
pub struct Display {
    out: Box<dyn Write + Send>,
    look: Look,
    region: Region,
    shown: Option<(Instant, RunState)>,
}

impl Display {
    /// A display on standard error, so that standard output stays free for data.
    #[must_use]
    pub fn new() -> Self {
        Self::onto(io::stderr(), Look::of_stderr())
    }

    /// A display on something else.
    pub fn onto(out: impl Write + Send + 'static, look: Look) -> Self {
        Self { out: Box::new(out), look, region: Region::default(), shown: None }
    }

    /// Writes lines that stay, above what changes.
    pub fn say(&mut self, text: &str) {
        for line in text.lines().map(clean) {
            let _ = match self.look {
                Look::Live { size, .. } => self.region.say(&mut self.out, size().0, &line),
                Look::Plain => writeln!(self.out, "{line}"),
            };
        }
    }

    /// Whether [`Display::show`] would draw a run in this state now: the last time is long enough ago, or the state was
    /// another one. Whoever asks first need not gather what is not shown.
    #[must_use]
    pub fn is_due(&self, state: RunState, now: Instant) -> bool {
        let is_fresh = |last| now.saturating_duration_since(last) < self.look.pause();
        self.shown.is_none_or(|(last, shown)| shown != state || !is_fresh(last))
    }

    /// Shows how the run stands, if [it is due](Display::is_due).
    ///
    /// `seconds` are ascending; the last 200 are looked at. `dashboard` is where the dashboard is.
    pub fn show(&mut self, run: &RunNow, seconds: &[Second], dashboard: Option<&str>, now: Instant) {
        if !self.is_due(run.state, now) {
            return;
        }
        self.shown = Some((now, run.state));
        let scene = Scene { run, seconds, dashboard };
        let _ = match self.look {
            Look::Live { palette, size } => {
                let (columns, rows) = size();
                let area = screen::room(columns, rows);
                let mut buffer = Buffer::empty(area);
                let used = screen::draw(area, &mut buffer, scene, palette);
                self.region.paint(&mut self.out, columns, &buffer, used)
            }
            Look::Plain => writeln!(self.out, "{}", plain::line(scene)),
        };
    }

    /// Takes away what changes; lines that were said stay. Showing again is possible.
    pub fn clear(&mut self) {
        if let Look::Live { size, .. } = self.look {
            let _ = self.region.clear(&mut self.out, size().0);
        }
        self.shown = None;
    }
}

impl Default for Display {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_follows_the_surroundings() {
        let rows = [
            (true, Some("xterm-256color"), None, Some(Palette::Colour)),
            (true, Some("xterm-256color"), Some("1"), Some(Palette::Plain)),
            (true, Some("xterm-256color"), Some(""), Some(Palette::Colour)),
            (true, Some("dumb"), None, None),
            (true, None, None, None),
            (false, Some("xterm-256color"), None, None),
        ];
        for (is_terminal, term, no_color, expected) in rows {
            let palette = match Look::choose(is_terminal, term, no_color) {
                Look::Live { palette, .. } => Some(palette),
                Look::Plain => None,
            };
            assert_eq!(palette, expected, "terminal: {is_terminal}, TERM={term:?}, NO_COLOR={no_color:?}");
        }
    }
}
