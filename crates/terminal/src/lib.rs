//! What `coordinator start` shows while a run goes on.
//!
//! On a terminal a block of rows stands below the lines that were said and is drawn anew four times a second; everywhere
//! else there is one line every five seconds. Both tell the same facts, from the shapes that the dashboard is drawn from.
//!
//! ```no_run
//! # use rehearsal_report::view::RunNow;
//! # use std::time::Instant;
//! # let (run, seconds) = (RunNow::default(), Vec::new());
//! let mut display = rehearsal_terminal::Display::new();
//! display.say("4 agents were launched");
//! if display.is_due(run.state, Instant::now()) {
//!     display.show(&run, &seconds, Some("http://127.0.0.1:7700/"), Instant::now());
//! }
//! display.clear();
//! ```
#![forbid(unsafe_code)]

mod display;
mod screen;
mod palette;
mod recent;
mod plain;
mod region;
mod words;

pub use display::{Display, Look};
pub use palette::Palette;
pub use screen::{Scene, draw, room};
pub use words::clean;
