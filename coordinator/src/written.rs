//! The files that a run leaves behind when it has been judged.

use std::time::SystemTime;

use anyhow::Context as _;
use rehearsal_metrics::{Timeline, write_hlog};
use rehearsal_report::RunReport;
use rehearsal_report::view::{RunNow, Second, Snapshot};

use crate::run::folder::Folder;
use crate::web::REPORT_PAGE;

/// Writes `summary.json`, `report.html` and `timeline.hlog`.
pub fn write(
    folder: &Folder,
    report: &RunReport,
    seen: &Snapshot,
    timeline: &Timeline,
    started_at: SystemTime,
) -> anyhow::Result<()> {
    let summary = report.to_json().context("writing the summary as JSON")?;
    folder.write("summary.json", summary.as_bytes())?;
    folder.write("report.html", page(report, &seen.run, &seen.seconds)?.as_bytes())?;
    folder.write("timeline.hlog", &hlog(timeline, started_at)?)
}

/// The report as one page.
pub fn page(report: &RunReport, run: &RunNow, seconds: &[Second]) -> anyhow::Result<String> {
    match REPORT_PAGE {
        Some(template) => rehearsal_report::html(template, report, run, seconds).context("filling the report page"),
        None => Ok(rehearsal_report::fallback_html(report)),
    }
}

/// The timeline as HdrHistogram's own tools read it.
pub fn hlog(timeline: &Timeline, started_at: SystemTime) -> anyhow::Result<Vec<u8>> {
    let mut hlog = Vec::new();
    write_hlog(timeline, started_at, &mut hlog).context("writing the interval log")?;
    Ok(hlog)
}
