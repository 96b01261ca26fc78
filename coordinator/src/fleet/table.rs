//! What happens to a fleet, as it happens: on a terminal a table of regions that is drawn anew, elsewhere a line for each
//! event.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use rehearsal_ec2::progress::{Event, Table};
use rehearsal_terminal::clean;

/// Columns of a terminal of which nothing else is known.
const COLUMNS: usize = 100;

/// A table that many tell.
#[derive(Clone)]
pub(super) struct Progress(Arc<Mutex<Drawn>>);

struct Drawn {
    table: Table,
    /// Rows on the terminal that are drawn over; none where there is no terminal.
    rows: Option<usize>,
}

impl Progress {
    /// A table on standard error.
    pub(super) fn new() -> Self {
        let rows = std::io::stderr().is_terminal().then_some(0);
        Self(Arc::new(Mutex::new(Drawn { table: Table::default(), rows })))
    }

    /// Takes an event in and shows it.
    pub(super) fn tell(&self, event: &Event) {
        let mut drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.table.take(event);
        let _ = drawn.draw(event); // a closed standard error has nobody to tell
    }
}

impl Drawn {
    fn draw(&mut self, event: &Event) -> std::io::Result<()> {
        let mut out = std::io::stderr().lock();
        let Some(rows) = self.rows else {
            return writeln!(out, "{}", line(&self.table, &event.region.0));
        };
        if rows > 0 {
            write!(out, "\x1b[{rows}A")?;
        }
        for region in self.table.rows.keys() {
            let line: String = line(&self.table, &region.0).chars().take(COLUMNS).collect();
            writeln!(out, "\x1b[2K{line}")?;
        }
        self.rows = Some(self.table.rows.len());
        Ok(())
    }
}

/// One region's row.
fn line(table: &Table, region: &str) -> String {
    let row = table.rows.get(&region.into()).cloned().unwrap_or_default();
    let counts = match (row.launched, row.asked) {
        (0, 0) => String::new(),
        (launched, asked) => format!("{launched} of {asked}"),
    };
    format!("{region:<16} {counts:>11}  {}", clean(&row.now))
}

#[cfg(test)]
mod tests {
    use rehearsal_ec2::progress::What;

    use super::*;

    #[test]
    fn a_row_tells_how_many_came_and_what_goes_on() {
        let mut table = Table::default();
        for what in [
            What::Asked { round: 1, agents: 12 },
            What::Got { round: 1, agents: 9, because: Some("no\x1b[2J capacity".into()) },
        ] {
            table.take(&Event { region: "eu-west-1".into(), what });
        }
        let line = line(&table, "eu-west-1");
        assert!(line.starts_with("eu-west-1            9 of 12  round 1: got 9"), "{line}");
        assert!(!line.contains('\x1b'), "what a cloud says commands no terminal: {line}");
    }
}
