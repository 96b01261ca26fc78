//! The user threads of an agent, and the merging of their seconds into the agent's.

use std::sync::Arc;

use anyhow::Context as _;
use rehearsal_engine::{Command, Report, RunClock, Setup, Share, Worker};
use rehearsal_link::Assignment;
use rehearsal_metrics::{Interval, Limits, Merger};
use rehearsal_plan::{AgentNumber, Environment, Target};
use rehearsal_script::Source;
use tokio::sync::mpsc;

use crate::connection::log;
use crate::health::Watch;

/// Reports that wait for the link thread: a few seconds of all threads.
const WAITING: usize = 256;

/// All user threads.
pub(crate) struct Crew {
    workers: Vec<Worker>,
    merger: Merger,
    idle: Vec<bool>,
    ended: usize,
    watch: Watch,
}

/// What the crew has to say.
pub(crate) enum CrewNews {
    /// Seconds that are complete, in order.
    Intervals(Vec<Interval>),
    /// Every thread has ended; the last intervals are these.
    Ended(Vec<Interval>),
}

impl Crew {
    /// Starts as many threads as the assignment says. Blocks while they compile the scenario.
    pub(crate) fn start(
        assignment: &Assignment,
        agent: AgentNumber,
        clock: &Arc<RunClock>,
    ) -> anyhow::Result<(Self, mpsc::Receiver<Report>)> {
        let setup = Arc::new(setup(assignment, agent)?);
        let (reports, receiver) = mpsc::channel(WAITING);
        let of = thread_count(assignment.threads);
        let start =
            |thread| Worker::start(Arc::clone(&setup), Arc::clone(clock), Share { thread, of }, reports.clone());
        let workers = (0..of).map(start).collect::<Result<Vec<_>, _>>().context("starting the user threads")?;
        let (idle, merger) = (vec![false; of as usize], Merger::new(of as usize, Limits::default()));
        Ok((Self { workers, merger, idle, ended: 0, watch: Watch::new() }, receiver))
    }

    pub(crate) fn tell(&self, command: &Command) {
        self.workers.iter().for_each(|worker| worker.tell(command.clone()));
    }

    /// Whether no user is left and none will come.
    pub(crate) fn is_idle(&self) -> bool {
        self.idle.iter().all(|idle| *idle)
    }

    /// Takes a thread's report.
    pub(crate) fn take(&mut self, report: Report) -> Option<CrewNews> {
        match report {
            Report::Interval { thread, interval } => {
                if let Err(error) = self.merger.add(thread, interval) {
                    log(&format!("merging a second of thread {thread}: {error}"));
                }
                let ready = self.merger.ready();
                (!ready.is_empty()).then(|| CrewNews::Intervals(self.with_health(ready)))
            }
            Report::Idle { thread, idle } => {
                self.idle[thread] = idle;
                None
            }
            Report::Ended { thread } => {
                self.merger.ended(thread);
                self.ended += 1;
                let done = self.ended == self.workers.len();
                let rest = self.merger.ready();
                let rest = self.with_health(rest);
                Some(if done { CrewNews::Ended(rest) } else { CrewNews::Intervals(rest) })
            }
        }
    }

    /// Notes the process's condition in the newest of these seconds.
    fn with_health(&mut self, mut intervals: Vec<Interval>) -> Vec<Interval> {
        if let Some(newest) = intervals.last_mut()
            && let Some(health) = self.watch.look()
        {
            newest.health.entry(newest.from).or_default().merge(&health);
        }
        intervals
    }
}

fn setup(assignment: &Assignment, agent: AgentNumber) -> anyhow::Result<Setup> {
    let environment: Environment = serde_json::from_str(&assignment.environment).context("reading the environment")?;
    let target = match &environment.target {
        Target::Url(url) => url.parse().with_context(|| format!("reading the target {url}"))?,
        Target::Demo => anyhow::bail!("the coordinator has not said where its demo is"),
    };
    Ok(Setup {
        source: Source { name: "scenario.rhai".to_owned(), text: assignment.scenario.to_string() },
        environment,
        target,
        plan: serde_json::from_str(&assignment.plan).context("reading the plan")?,
        common: serde_json::from_str(&assignment.common).context("reading what setup() returned")?,
        seed: assignment.seed,
        agent,
        agent_id: assignment.agent_id.clone(),
        region: assignment.region.clone(),
        limits: Limits::default(),
    })
}

/// One thread a core unless the assignment says how many.
fn thread_count(wanted: u32) -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    if wanted == 0 { cores } else { wanted }
}
