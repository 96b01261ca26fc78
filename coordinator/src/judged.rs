//! From a run's outcome to its report and exit code.
use crate::exit::ExitCode;
use crate::report::RunReport;
pub struct Judged { pub report: RunReport, pub code: ExitCode }
pub fn judge(_p: &crate::prepare::Prepared, _id: &str, _at: std::time::SystemTime, outcome: &crate::run::Outcome, counted: anyhow::Result<Option<crate::counters::Comparison>>) -> anyhow::Result<Judged> {
    let summary = rehearsal_metrics::Summary::of(&outcome.timeline, &outcome.firings, outcome.duration)?;
    if let Ok(Some(c)) = &counted { eprintln!("AGREE {} DIFF {:?}", c.agreement(), c.differences()); } else { eprintln!("counted: {:?}", counted.map(|c| c.is_some())); }
    eprintln!("notes {:?} ending {:?}", outcome.notes, outcome.ending);
    Ok(Judged { report: RunReport(serde_json::to_value(&summary)?), code: ExitCode::Pass })
}
