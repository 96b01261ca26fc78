//! `coordinator validate`: every mistake at once; with `--trace`, one user's steps against the real target.

use std::io::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rehearsal_engine::{RunClock, Setup, Solo};
use rehearsal_metrics::{Limits, UserState};
use rehearsal_plan::{AgentNumber, Load, Stay};
use rehearsal_script::Diagnostic;
use tokio::time::Instant;

use crate::cli;
use crate::exit::ExitCode;
use crate::prepare::{Prepared, Unprepared, prepare, print, unfit_target};
use crate::run::target::Target;

/// How long a traced user may stay if nothing sends it away.
const TRACE_LIMIT: Duration = Duration::from_secs(60);

/// Looks at a scenario and says what is wrong with it.
pub fn validate(options: &cli::Validate) -> anyhow::Result<ExitCode> {
    let (mut diagnostics, source, mut prepared) = match prepare(&options.place) {
        Ok(prepared) => (prepared.warnings.clone(), prepared.source.clone(), Some(prepared)),
        Err(Unprepared::Mistakes(mistakes, source)) => (mistakes, source, None),
        Err(Unprepared::Failed(error)) => return Err(error),
    };
    if let Some(fault) = prepared.as_ref().map(unfit).transpose()?.flatten() {
        diagnostics.push(fault);
        prepared = None;
    }
    if options.json {
        let text = serde_json::to_string_pretty(&diagnostics).context("writing the mistakes as JSON")?;
        writeln!(std::io::stdout(), "{text}").context("printing")?;
    } else {
        print(&diagnostics, &source);
    }
    let Some(prepared) = prepared else { return Ok(ExitCode::Usage) };
    if options.trace {
        return trace(prepared);
    }
    if !options.json {
        let _ = writeln!(
            std::io::stderr(),
            "{}: ready to start, {} users planned",
            prepared.source.name,
            planned(&prepared)
        );
    }
    Ok(ExitCode::Pass)
}

/// Looks whether the environment's target can be followed, if it is one that is.
fn unfit(prepared: &Prepared) -> anyhow::Result<Option<Diagnostic>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting a runtime")?;
    Ok(runtime.block_on(unfit_target(prepared)))
}

fn planned(prepared: &Prepared) -> u64 {
    prepared.plan.scenarios.iter().map(|scenario| rehearsal_plan::Schedule::new(&scenario.load, 0).planned()).sum()
}

/// Plays user 0 of the first scenario and prints what it does as it happens.
fn trace(prepared: Prepared) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting a runtime")?;
    runtime.block_on(async {
        let target = Target::open(&prepared.environment, None).await?;
        let first = prepared.plan.scenarios.first().context("the plan has no scenario")?;
        let (run, stay) = (first.run.clone(), stay(&first.load));
        let setup = Setup {
            source: prepared.source,
            environment: target.environment(&prepared.environment),
            target: target.url().clone(),
            instances: target.instances(),
            plan: prepared.plan,
            data: prepared.data,
            common: serde_json::Value::Null,
            seed: 0,
            agent: AgentNumber(0),
            agent_id: "trace".to_owned(),
            region: "local".to_owned(),
            limits: Limits::default(),
        };
        let clock = Arc::new(RunClock::starting_at(Instant::now()));
        let tracer = Rc::new(|at: Duration, line: String| {
            let _ = writeln!(std::io::stdout(), "{:>9.3} s  {line}", at.as_secs_f64());
        });
        let end = traced(setup, clock, tracer, &run, stay).await;
        target.close().await;
        end
    })
}

/// How long the traced user stays: as the load says of a user who comes alone.
fn stay(load: &Load) -> Duration {
    match load {
        Load::Arrive { stay: Stay::AfterLastArrival(d) | Stay::Each(d), .. } => *d,
        _ => TRACE_LIMIT,
    }
}

async fn traced(
    mut setup: Setup,
    clock: Arc<RunClock>,
    tracer: rehearsal_engine::Tracer,
    run: &str,
    stay: Duration,
) -> anyhow::Result<ExitCode> {
    let solo = Solo::new(Arc::new(setup.clone()), Arc::clone(&clock), Some(Rc::clone(&tracer)))?;
    if solo.has("setup") {
        let outcome = solo.call("setup", None).await;
        let failed = outcome.failure.map(|failure| failure.to_string());
        match failed.map_or(outcome.returned, Err) {
            Ok(common) => setup.common = common,
            Err(failure) => {
                let _ = writeln!(std::io::stderr(), "setup() failed: {failure}");
                return Ok(ExitCode::Failed);
            }
        }
    }
    let solo = Solo::new(Arc::new(setup), clock, Some(tracer))?;
    let end = solo.play(run, 0, Some(Instant::now() + stay)).await;
    let _ = writeln!(std::io::stderr(), "the user has left: {}", end.name());
    if solo.has("teardown")
        && let Some(failure) = solo.call("teardown", None).await.failure
    {
        let _ = writeln!(std::io::stderr(), "teardown() failed: {failure}");
    }
    Ok(if end == UserState::Failed { ExitCode::Failed } else { ExitCode::Pass })
}
