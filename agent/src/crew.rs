//! Whoever plays the users of an agent: its user threads, whose seconds are merged into the agent's.

use std::sync::Arc;

use anyhow::Context as _;
use rehearsal_engine::{Command, Report, RunClock, Setup, Share, Worker};
use rehearsal_link::Assignment;
use rehearsal_metrics::{Interval, Limits, Merger};
use rehearsal_plan::{AgentNumber, Data, Environment, Instances, Plan, Target};
use rehearsal_script::Source;
use tokio::sync::{mpsc, watch};

use crate::connection::log;
use crate::health::Watch;

/// Reports that wait for the link thread: a few seconds of all threads.
const WAITING: usize = 256;

/// Plays users as commands say and tells what was measured. The session knows no more of it.
pub(crate) trait Crew: Sized + Send + 'static {
    /// How it is to be made, besides what the assignment says.
    type Options: Clone;
    /// What its parts tell.
    type Report;

    /// Begins to play an assignment; what its parts tell comes through the channel and is to be given to [`Crew::take`].
    fn start(
        options: &Self::Options,
        assignment: &Assignment,
        agent: AgentNumber,
        clock: &Arc<RunClock>,
    ) -> anyhow::Result<(Self, mpsc::Receiver<Self::Report>)>;

    fn tell(&self, command: &Command);

    /// Takes the instances of the target as they stand, if that is a service that is followed.
    fn follow(&self, instances: &Arc<Instances>);

    fn take(&mut self, report: Self::Report) -> Option<CrewNews>;

    /// Whether no user is left and none will come.
    fn is_idle(&self) -> bool;

    /// Ends whoever is left, and waits for its parts; blocks. Nobody may listen to them any more, or they wait themselves.
    fn end(self);
}

/// What the crew has to say.
pub(crate) enum CrewNews {
    /// Seconds that are complete, in order.
    Intervals(Vec<Interval>),
    /// Every part has ended; the last intervals are these.
    Ended(Vec<Interval>),
}

/// All user threads.
pub(crate) struct Threads {
    workers: Vec<Worker>,
    merger: Merger,
    idle: Vec<bool>,
    ended: usize,
    watch: Watch,
    /// Read by all threads whenever they open a connection.
    instances: watch::Sender<Arc<Instances>>,
}

impl Crew for Threads {
    type Options = ();
    type Report = Report;

    /// Starts as many threads as the assignment says. Blocks while they compile the scenario.
    fn start(
        (): &(),
        assignment: &Assignment,
        agent: AgentNumber,
        clock: &Arc<RunClock>,
    ) -> anyhow::Result<(Self, mpsc::Receiver<Report>)> {
        let instances = watch::Sender::default();
        let setup = Arc::new(setup(assignment, agent, &instances)?);
        let (reports, receiver) = mpsc::channel(WAITING);
        let of = thread_count(assignment.threads);
        let start =
            |thread| Worker::start(Arc::clone(&setup), Arc::clone(clock), Share { thread, of }, reports.clone());
        let workers = (0..of).map(start).collect::<Result<Vec<_>, _>>().context("starting the user threads")?;
        let (idle, merger) = (vec![false; of as usize], Merger::new(of as usize, Limits::default()));
        Ok((Self { workers, merger, idle, ended: 0, watch: Watch::new(), instances }, receiver))
    }

    fn tell(&self, command: &Command) {
        self.workers.iter().for_each(|worker| worker.tell(command.clone()));
    }

    fn follow(&self, instances: &Arc<Instances>) {
        self.instances.send_replace(Arc::clone(instances));
    }

    fn is_idle(&self) -> bool {
        self.idle.iter().all(|idle| *idle)
    }

    fn end(self) {
        self.tell(&Command::End);
        self.workers.into_iter().for_each(Worker::join);
    }

    fn take(&mut self, report: Report) -> Option<CrewNews> {
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
}

impl Threads {
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

fn setup(
    assignment: &Assignment,
    agent: AgentNumber,
    instances: &watch::Sender<Arc<Instances>>,
) -> anyhow::Result<Setup> {
    let environment: Environment = serde_json::from_str(&assignment.environment).context("reading the environment")?;
    let (url, instances) = match &environment.target {
        Target::Url(url) => (url.clone(), None),
        Target::Consul(service) => (service.url(), Some(instances.subscribe())),
        Target::Demo => anyhow::bail!("the coordinator has not said where its demo is"),
    };
    let target = url.parse().with_context(|| format!("reading the target {url}"))?;
    let plan: Plan = serde_json::from_str(&assignment.plan).context("reading the plan")?;
    let data = Data::read(&plan, &assignment.data).map_err(|problem| anyhow::anyhow!("reading the {problem}"))?;
    Ok(Setup {
        source: Source { name: "scenario.rhai".to_owned(), text: assignment.scenario.to_string() },
        environment,
        target,
        instances,
        plan,
        data: Arc::new(data),
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
