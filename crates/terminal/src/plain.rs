//! The run in one line, for files and other places that are no terminal.

use crate::screen::{self, Scene};

/// Writes how the run stands: state, run time, then the facts of the block's most important rows.
pub(crate) fn line(scene: Scene<'_>) -> String {
    let state = screen::state(scene.run);
    let mut parts = vec![screen::time(scene.run).map_or(state.clone(), |time| format!("{time} {state}"))];
    parts.extend(screen::age_s(scene.run).map(|age| format!("numbers are {age:.0} s old")));
    parts.extend(screen::outline(scene).into_iter().map(|(label, facts)| format!("{label} {}", facts.trim_end())));
    parts.join(" | ")
}
