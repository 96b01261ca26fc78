//! What is told of a run: to screens while it goes on, and afterwards as files.
//!
//! ```text
//!                  ┌─► Second, RunNow ──► dashboard, terminal, Prometheus     (view, prometheus)
//! timeline, plan ──┤         │
//!                  │         └──────────► report.html                         (html)
//!                  └─► RunReport ───────► summary.json, terminal, JUnit, CSV  (report, text, junit, csv)
//! ```
//!
//! All of it is computed from the same merged samples, so that a number is the same wherever it is met. Nothing here does I/O
//! or reads a clock.
#![forbid(unsafe_code)]

mod report;

pub mod view;

mod groups;
mod autoscaler;

pub mod text;

mod csv;
mod html;
mod junit;
mod prometheus;

#[cfg(test)]
mod example;

pub use csv::{csv, seconds_csv};
pub use html::{HtmlError, fallback_html, html};
pub use junit::junit;
pub use prometheus::prometheus;
pub use report::{
    AgentRow, AutoscalerRow, CallRow, CueRow, CustomRow, ReadError, ReportInput, RunReport, SocketRow, Tables, utc,
};
