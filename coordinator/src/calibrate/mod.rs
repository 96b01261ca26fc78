//! `coordinator calibrate`: how much load one instance of the system under test carries.
//!
//! The search is [`rehearsal_verdict::calibration`]'s; here its trials are made. A hook brings the system to a number
//! of instances, each [`trial`] is a run like any other, and at the end, whatever happened, another hook lets the
//! system go.

mod options;
mod hook;
mod trial;
mod told;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rehearsal_plan::{Problem, Target, TrialTimes, Trials};
use rehearsal_verdict::amounts::counted;
use rehearsal_verdict::calibration::{Search, SearchEnd, SearchTerms, Trial};

use crate::exit::ExitCode;
use crate::fleet::{Home, Wish};
use crate::opening::Wishes;
use crate::prepare::{Prepared, prepared_or_told};
use crate::run::Interrupts;
use crate::serve::log;
use crate::start::{doors, refusal};
use crate::studio::Studio;
pub use options::Calibrate;
use options::PLACEHOLDER;
use told::Account;
use trial::Stage;

/// How often a load is tried of which nobody could tell whether it held.
const TRIES: u32 = 3;
/// The first load is the plan's peak divided by this: plans are made for many instances.
const FROM: f64 = 8.0;
/// The highest load is the plan's peak times this: beyond it the search is more likely lost than right.
const MOST: f64 = 10.0;

/// Measures what one instance carries.
pub fn calibrate(options: &Calibrate) -> anyhow::Result<ExitCode> {
    let Some(mut prepared) = prepared_or_told(&options.place)? else { return Ok(ExitCode::Usage) };
    let standing = options.crew.join(&mut prepared)?;
    let intended = match (refusal(&prepared, options.crew.yes), intend(&prepared, options)) {
        (None, Ok(intended)) => intended,
        (refusal, intended) => {
            let problems = intended.err().unwrap_or_default();
            let refused = refusal.into_iter().map(str::to_owned).chain(problems.iter().map(Problem::to_string));
            refused.for_each(|problem| log(&format!("error: {problem}")));
            return Ok(ExitCode::Usage);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.context("starting a runtime")?.block_on(perform(prepared, intended, standing, options))
}

/// What is going to be done.
struct Intended {
    trials: Trials,
    search: Search,
}

/// Works out what is to be done, or everything that stands in the way.
fn intend(prepared: &Prepared, options: &Calibrate) -> Result<Intended, Vec<Problem>> {
    let mut problems = Vec::new();
    if prepared.environment.target == Target::Demo {
        let text = "the target is the demo in this process: it begins anew with every trial, and no command can pin it";
        let hint = "start `coordinator demo --autoscaler healthy` and say --set target=http://127.0.0.1:8080";
        problems.push(Problem::new(text).hint(hint));
    }
    let times = TrialTimes { ramp: options.ramp.unwrap_or(options.hold / 3), hold: options.hold };
    let trials = Trials::new(&prepared.plan, times);
    let (trials, notes) = match trials {
        Ok(trials) => trials,
        Err(others) => return Err(problems.into_iter().chain(others).collect()),
    };
    let (peak, least) = (trials.peak(), trials.least());
    let terms = SearchTerms {
        unit: trials.unit(),
        from: options.from.unwrap_or((peak / FROM).max(least)),
        least,
        most: options.most.unwrap_or(peak * MOST),
        up_to: options.up_to,
        precision: options.precision,
        least_gain: options.gain,
        tries: TRIES,
    };
    match Search::new(terms) {
        Ok(search) if problems.is_empty() => {
            notes.iter().for_each(|note| log(&format!("note: {note}")));
            Ok(Intended { trials, search })
        }
        others => Err(problems.into_iter().chain(others.err().unwrap_or_default()).collect()),
    }
}

async fn perform(
    prepared: Prepared,
    intended: Intended,
    standing: Option<Home>,
    options: &Calibrate,
) -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::new()?;
    let studio = Arc::new(Studio::new(&options.runs.out, None));
    let (server, dashboard) = doors(&studio, options.crew.dashboard)?;
    let agents = Wish { standing, advertised: options.crew.advertise.clone(), ..Wish::default() };
    let wishes = Wishes { dashboard, agents, ..Wishes::default() };
    let Intended { trials, search } = intended;
    let stage = Stage { prepared, trials, studio, interrupts: &mut interrupts, wishes };
    let mut account = Account::of(&stage.prepared, stage.trials.times(), search.result());
    let searched = search_on(stage, search, options, &mut account).await;
    let freed = let_go(options).await;
    server.stop().await;
    // What was found is told in any case: it may have taken hours.
    account.print(options.json)?;
    if let (Err(error), Err(_)) = (&freed, &searched) {
        log(&format!("error: {error:#}")); // the other one is told by whoever called
    }
    searched.and(freed).map(|()| code(&account))
}

/// Searches until it is done or the operator has had enough.
async fn search_on(
    mut stage: Stage<'_>,
    mut search: Search,
    options: &Calibrate,
    account: &mut Account,
) -> anyhow::Result<()> {
    let mut pinned = None;
    while let Some(trial) = search.next() {
        let is_ready = match pinned == Some(trial.instances) {
            true => rest(&mut stage, options.rest).await,
            false => pin(&mut stage, trial, options).await?,
        };
        pinned = Some(trial.instances);
        let played = if is_ready { stage.play(trial).await? } else { None };
        let Some(played) = played else {
            account.is_stopped = true;
            break;
        };
        search.record(&played.outcome);
        account.add(played, search.result());
    }
    Ok(())
}

/// Lets the system scale by itself again.
async fn let_go(options: &Calibrate) -> anyhow::Result<()> {
    let Some(line) = &options.unpin else { return Ok(()) };
    log(&format!("unpinning `{line}`"));
    hook::run(line, options.patience).await.context("letting the system go")
}

/// Brings the system to the trial's number of instances; false if the operator stopped that.
async fn pin(stage: &mut Stage<'_>, trial: Trial, options: &Calibrate) -> anyhow::Result<bool> {
    let line = options.pin.replace(PLACEHOLDER, &trial.instances.to_string());
    log(&format!("pinning   `{line}`"));
    let pinned = hook::run(&line, options.patience);
    tokio::select! {
        pinned = pinned => pinned.with_context(|| format!("pinning {}", counted(trial.instances.into(), "instance"))).map(|()| true),
        () = stage.interrupts.recv() => Ok(false),
    }
}

/// Lets the system recover; false if the operator stopped that.
async fn rest(stage: &mut Stage<'_>, rest: Duration) -> bool {
    tokio::select! {
        () = tokio::time::sleep(rest) => true,
        () = stage.interrupts.recv() => false,
    }
}

fn code(account: &Account) -> ExitCode {
    let found = &account.calibration;
    match &found.end {
        None => ExitCode::Stopped, // an error would have been told
        Some(SearchEnd::NothingHeld { .. }) => ExitCode::Failed,
        Some(SearchEnd::Inconclusive { .. }) => ExitCode::Inconclusive,
        Some(SearchEnd::UpTo | SearchEnd::Ceiling) => ExitCode::Pass,
        // The system was never brought to its limit, unless fewer instances were.
        Some(SearchEnd::MostLoad) if found.per_instance.is_none_or(|each| each.at_most.is_none()) => {
            ExitCode::Inconclusive
        }
        Some(SearchEnd::MostLoad) => ExitCode::Pass,
    }
}
