//! Plays one scenario on one thread of users and counts, for `cargo xtask bench`: users without agent, link and coordinator.
//!
//! `bench_users SCENARIO ENVIRONMENT`, both files. Every line on standard input is answered with what was counted so far, as
//! one line of JSON; the end of standard input sends everybody away. When all have left, a last line has the totals.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // its output is what it is for

use std::collections::BTreeMap;
use std::error::Error;
use std::io::BufRead;
use std::sync::Arc;
use std::time::Duration;

use rehearsal_engine::{Command, Report, RunClock, Setup, Share, Stop, Worker};
use rehearsal_metrics::{CallCounts, Errors, Interval, Limits, Points, SeriesId};
use rehearsal_plan::{AgentNumber, Environment, Layer, Plan, RunTime, SlotTable, Target, Versions};
use rehearsal_script::{Source, validate};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;
use url::Url;

type Failed = Box<dyn Error>;

const AGENT: AgentNumber = AgentNumber(1);
const SEED: u64 = 1;
/// From here to run time zero: the thread compiles the scenario meanwhile.
const LEAD: Duration = Duration::from_millis(300);

fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [scenario, environment] = arguments.as_slice() else {
        return Err("usage: bench_users SCENARIO ENVIRONMENT".into());
    };
    let setup = read_setup(scenario, environment)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", runtime.block_on(play(setup))?);
    Ok(())
}

/// Plays the plan to its end and returns what was counted.
async fn play(setup: Setup) -> Result<Value, Failed> {
    let loads = setup.plan.scenarios.iter();
    let loads = loads.map(|scenario| scenario.load.clone()).collect();
    let slots = SlotTable::weighted(1, &[(AGENT, 1)]);
    let versions = Versions::first(RunTime::ZERO, loads, slots, SEED);
    let clock = Arc::new(RunClock::starting_at(Instant::now() + LEAD));
    // A report a second; when nobody takes them, the users' thread waits.
    let (reports, mut reported) = mpsc::channel(16);
    let share = Share { thread: 0, of: 1 };
    let worker = Worker::start(Arc::new(setup), clock, share, reports)?;
    worker.tell(Command::Versions(Arc::new(versions)));

    let mut questions = listen();
    let mut listening = true;
    let mut counted = Counted::default();
    loop {
        tokio::select! {
            // What the users report: samples, that all have left, that the thread has ended.
            report = reported.recv() => match report {
                Some(Report::Interval { interval, .. }) => counted.add(interval),
                Some(Report::Idle { idle, .. }) => if idle { worker.tell(Command::End) },
                Some(Report::Ended { .. }) | None => break,
            },
            // Somebody asks, or nobody will ask any more.
            question = questions.recv(), if listening => match question {
                Some(()) => println!("{}", counted.to_json()),
                None => {
                    listening = false;
                    worker.tell(Command::Stop(Stop::Graceful));
                }
            },
        }
    }
    worker.join();
    Ok(counted.to_json())
}

/// One message for every line on standard input; closed at its end.
fn listen() -> mpsc::Receiver<()> {
    let (ask, questions) = mpsc::channel(1);
    // Ends with its input or with the process; whoever asks too fast waits in the pipe.
    std::thread::spawn(move || {
        let mut lines = std::io::stdin().lock().lines().map_while(Result::ok);
        while lines.next().is_some() && ask.blocking_send(()).is_ok() {}
    });
    questions
}

fn read_setup(scenario: &str, environment: &str) -> Result<Setup, Failed> {
    let environment = read_environment(environment)?;
    let Target::Url(target) = &environment.target else {
        return Err("the environment has to name a target: nothing is started here".into());
    };
    let target = Url::parse(target)?;
    let text = std::fs::read_to_string(scenario)?;
    let source = Source { name: scenario.to_owned(), text };
    Ok(Setup {
        plan: read_plan(&source, &environment)?,
        source,
        environment,
        target,
        instances: None,
        common: Value::Null,
        data: Arc::default(),
        seed: SEED,
        agent: AGENT,
        agent_id: "bench".to_owned(),
        region: "local".to_owned(),
        limits: Limits::default(),
    })
}

fn read_environment(path: &str) -> Result<Environment, Failed> {
    let layer = Layer { name: path.to_owned(), toml: std::fs::read_to_string(path)? };
    let read = Environment::from_layers(&[layer], &BTreeMap::new(), &[]);
    read.map_err(|problems| format!("{problems:#?}").into())
}

fn read_plan(source: &Source, environment: &Environment) -> Result<Plan, Failed> {
    let validated = validate(source, environment);
    let problems = || format!("{:#?}", validated.diagnostics);
    validated.plan.ok_or_else(|| problems().into())
}

/// Sums over all intervals so far.
#[derive(Default)]
struct Counted {
    calls: CallCounts,
    errors: Errors,
    /// Names of the metrics behind the numbers that intervals use.
    names: BTreeMap<SeriesId, String>,
    /// Totals of metrics that count, by name.
    counts: BTreeMap<String, u64>,
}

impl Counted {
    fn add(&mut self, interval: Interval) {
        for calls in interval.calls.values() {
            self.calls.merge(calls);
        }
        self.errors.merge(&interval.errors, Errors::MOST_KINDS);
        let defined = interval.defines.into_iter();
        self.names.extend(defined.map(|series| (series.id, series.key.metric)));
        for (id, points) in &interval.points {
            if let (Points::Count(count), Some(name)) = (points, self.names.get(id)) {
                *self.counts.entry(name.clone()).or_default() += count;
            }
        }
    }

    fn to_json(&self) -> Value {
        let CallCounts { begun, answered, failed, cut } = self.calls;
        let errors = self.errors.iter();
        let errors: BTreeMap<_, _> =
            errors.map(|(kind, error)| (kind, json!({ "count": error.count, "sample": error.sample }))).collect();
        json!({
            "calls": { "begun": begun, "answered": answered, "failed": failed, "cut": cut },
            "counts": self.counts,
            "errors": errors,
        })
    }
}
