//! `coordinator compare`: whether a run differs from another, beyond chance.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;
use rehearsal_verdict::{Comparison, Overall, Rows, Side, Tolerances, compare, render};

use crate::archive::Finished;
use crate::cli;
use crate::exit::ExitCode;
use crate::run::folder::Folder;

/// Prints the comparison; a regression has the code of a failed threshold.
pub fn compare_runs(options: &cli::Compare) -> anyhow::Result<ExitCode> {
    let open = |run: &str| Finished::open(&Folder::find(&options.runs.out, run)?);
    let comparison = compared(&open(&options.a)?, &open(&options.b)?)?;
    let mut stdout = std::io::stdout();
    let text = match options.json {
        true => serde_json::to_string_pretty(&comparison).context("writing the comparison as JSON")? + "\n",
        false => {
            let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
            render(&comparison, if options.all { Rows::All } else { Rows::Clear }, colour)
        }
    };
    write!(stdout, "{text}").context("printing the comparison")?;
    Ok(match comparison.overall {
        Overall::Regression => ExitCode::Failed,
        Overall::Unclear => ExitCode::Inconclusive,
        Overall::Improved | Overall::NoDifference => ExitCode::Pass,
    })
}

fn compared(a: &Finished, b: &Finished) -> anyhow::Result<Comparison> {
    Ok(compare(&side(a)?, &side(b)?, &Tolerances::default()))
}

fn side(run: &Finished) -> anyhow::Result<Side<'_>> {
    let report = run.judged()?;
    Ok(Side {
        name: report.run_id.clone(),
        scenario: report.scenario.clone(),
        environment: report.environment.clone(),
        timeline: &run.timeline,
        firings: &run.firings,
        duration: std::time::Duration::from_secs_f64(report.duration_s),
        verdict: report.verdict,
        thresholds: &report.thresholds,
        generator: &report.generator,
    })
}
