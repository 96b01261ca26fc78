//! The end of a run: its verdict on every screen, its files, its database closed.

use std::io::{IsTerminal as _, Write as _};

use rehearsal_report::view::{RunNow, RunState, ScalerNow, Snapshot, finding_now, threshold_now};
use rehearsal_report::{RunReport, text};

use crate::counters::Comparison;
use crate::exit::ExitCode;
use crate::fleet::Crew;
use crate::judged::{Judged, judge_run};
use crate::prepare::Prepared;
use crate::run::board::Board;
use crate::run::folder::Folder;
use crate::run::{Ending, Outcome};
use crate::serve::log;
use crate::{archive, written};

/// Judges the run, shows its verdict, writes its files.
pub(crate) fn conclude(
    prepared: &Prepared,
    run_id: &str,
    folder: &Folder,
    board: &Board,
    outcome: Outcome,
    counted: &anyhow::Result<Option<Comparison>>,
) -> (Crew, anyhow::Result<Judged>) {
    let judged = if let (Ending::Fault(text), None) = (&outcome.ending, outcome.started) {
        // What agents of this machine said is there; others keep their words.
        Err(anyhow::anyhow!("the run did not start: {text}; what is known of it is in {}", folder.path().display()))
    } else {
        judge_run(prepared, run_id, &outcome, counted)
    };
    let Outcome { crew, store, timeline, started_at, life, .. } = outcome;
    let mut store = store;
    if let (Err(_), Ok(store)) = (&judged, &mut store) {
        archive::store_failure(store);
    }
    let judged = judged.map(|judged| {
        let state = life.judged().state;
        let run = board.run();
        let run = last_seen(run, &judged.report, state);
        let snapshot = Snapshot { run: run.clone(), ..board.snapshot(0) };
        let stored = store.map_err(Into::into).and_then(|store| archive::store(store, &judged.report, &snapshot.run));
        let written = written::write(folder, &judged.report, &snapshot, &timeline, started_at);
        let kept = stored.and(written);
        if let Err(error) = &kept {
            log(&format!("error: the run is not kept: {error:#}"));
        }
        // The verdict stands, whatever the disk says: people are told it in any case. Who sees it can read the report.
        board.publish(|_| run);
        let code = if kept.is_err() && judged.code == ExitCode::Pass { ExitCode::Internal } else { judged.code };
        Judged { code, ..judged }
    });
    (crew, judged)
}

/// The run with its verdict. The picture of the autoscaler is asked for once more: it has its findings now.
fn last_seen(run: RunNow, report: &RunReport, state: RunState) -> RunNow {
    let revision = run.autoscaler.map_or(0, |shown| shown.revision) + 1;
    RunNow {
        state,
        verdict: Some(report.verdict.name().to_owned()),
        findings: report.findings.iter().map(finding_now).collect(),
        thresholds: report.thresholds.iter().map(threshold_now).collect(),
        autoscaler: report.autoscaler.assessment().map(|assessment| ScalerNow::of(assessment, revision)),
        ..run
    }
}

/// Prints the summary for whoever started the run.
pub(crate) fn print(report: &RunReport, folder: &Folder) {
    let mut stdout = std::io::stdout();
    let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // Whoever reads may have gone; the verdict stands all the same.
    if let Err(error) = write!(stdout, "{}", text::render(report, colour)) {
        log(&format!("warning: printing the summary failed: {error}"));
    }
    let page = folder.path().join("report.html");
    if page.exists() {
        log(&format!("\n{}", page.display()));
    }
}
