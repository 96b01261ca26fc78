//! Leads a swarm through a run, and measures the coordinator meanwhile.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rehearsal_tests::{Outcome, Revivable};
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::Measure;
use crate::kernel::{cpu, peak_resident};
use crate::screen::{Screen, age_s, connected};

/// Users who come all the time, so that there are versions, ledgers and leaves; nobody asks the demo anything.
const SHOW: &str = r#"
fn plan() { #{ load: arrive(env.users).over(env.arrive_over).each_stays("20s"), ends_after: "1h" } }
fn user() {}
"#;
/// Users that come in a second.
const ARRIVALS: u64 = 200;
/// How long anything may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long the coordinator stays away after it was killed.
const AWAY: Duration = Duration::from_secs(1);
/// How long everything goes on when all are back.
const AFTERWARDS: Duration = Duration::from_secs(2);
/// How often the age of the screen is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What was measured.
#[derive(Debug, Default)]
pub struct Figures {
    /// From the first join to the last, in seconds.
    pub joining_s: f64,
    /// From the last join to the common start.
    pub arming_s: f64,
    /// Agents that owed their first second from the common start on.
    pub started: u64,
    /// The coordinator's CPU while all stream, as a share of a core.
    pub cpu_share: f64,
    /// The most resident memory that it had until then, in bytes.
    pub peak_bytes: u64,
    /// The greatest age of a screen meanwhile, in seconds.
    pub oldest_s: f64,
    /// From the new life's beginning until all are connected again.
    pub back_s: f64,
    /// What that cost it.
    pub back_cpu_s: f64,
    /// What the swarm says that it made, and what the report has: the name, made, reported.
    pub counts: Vec<(&'static str, u64, u64)>,
    /// Agents that ended in order.
    pub done: u64,
    /// Agents of which the report misses something.
    pub unobserved: u64,
}

/// Performs it all, in a folder of its own.
///
/// # Errors
/// What did not come about.
pub async fn measure(options: &Measure) -> Result<Figures, String> {
    let program = options.coordinator.canonicalize().map_err(|error| format!("finding the coordinator: {error}"))?;
    let seconds = options.seconds + 600;
    let environment = format!(
        "target = \"demo\"\nusers = {}\narrive_over = \"{seconds}s\"\n[agents]\nlaunch = \"join\"\n",
        seconds * ARRIVALS
    );
    let mut coordinator = Revivable::start(&program, SHOW, &environment, options.agents);
    let measured = lead(options, &mut coordinator).await;
    let (mut figures, made) = match measured {
        Ok(measured) => measured,
        Err(error) => {
            coordinator.kill();
            let outcome = coordinator.into_outcome();
            return Err(format!("{error}\n{}", outcome.context()));
        }
    };
    let outcome = coordinator.into_outcome();
    compare(&mut figures, &made, &outcome);
    read_times(&mut figures, &outcome).map_err(|error| format!("reading the run's database: {error}"))?;
    Ok(figures)
}

async fn lead(options: &Measure, coordinator: &mut Revivable) -> Result<(Figures, Value), String> {
    let mut figures = Figures::default();
    let screen = Screen::new();
    let swarm = swarm(options, coordinator).await?;
    screen.until(coordinator, "all have started", PATIENCE, |run| age_s(run).is_some()).await?;
    stream(&mut figures, &screen, coordinator, Duration::from_secs(options.seconds)).await?;
    come_back(&mut figures, &screen, coordinator, options.agents as usize).await?;
    tokio::time::sleep(AFTERWARDS).await;
    let stopped = coordinator.about_it(&["stop"]).output().map_err(|error| format!("stopping the run: {error}"))?;
    if !stopped.status.success() {
        return Err(format!("the run was not stopped: {}", String::from_utf8_lossy(&stopped.stderr)));
    }
    let ended = tokio::time::timeout(PATIENCE, swarm.wait_with_output()).await;
    let output =
        ended.map_err(|_| "the swarm does not end")?.map_err(|error| format!("waiting for the swarm: {error}"))?;
    let made = serde_json::from_slice(&output.stdout);
    Ok((figures, made.map_err(|error| format!("understanding the swarm: {error}"))?))
}

/// Starts the swarm, in a process of its own: this program once more.
async fn swarm(options: &Measure, coordinator: &Revivable) -> Result<Child, String> {
    let begun = Instant::now();
    let invitation = loop {
        match coordinator.invitation() {
            Some(invitation) => break invitation,
            None if begun.elapsed() > PATIENCE => return Err("the coordinator invites nobody".to_owned()),
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let program = std::env::current_exe().map_err(|error| format!("finding this program: {error}"))?;
    let mut swarm = Command::new(program);
    let (agents, series) = (options.agents.to_string(), options.series.to_string());
    swarm.args(["agents", "--agents", &agents, "--series", &series]).env("REHEARSAL_JOIN", invitation);
    let log = std::fs::File::create(coordinator.folder().join("swarm.log"));
    let log = log.map_err(|error| format!("making the swarm's log: {error}"))?;
    swarm.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
    swarm.spawn().map_err(|error| format!("starting the swarm: {error}"))
}

/// All stream for a time.
async fn stream(
    figures: &mut Figures,
    screen: &Screen,
    coordinator: &Revivable,
    length: Duration,
) -> Result<(), String> {
    let process = coordinator.process();
    let spent = || cpu(process).ok_or("the coordinator is gone");
    let (begun, before) = (Instant::now(), spent()?);
    while begun.elapsed() < length {
        tokio::time::sleep(LOOK_EVERY).await;
        let run = screen.look(coordinator).await.ok_or("the coordinator does not answer")?;
        figures.oldest_s = figures.oldest_s.max(age_s(&run).ok_or("the screen has no complete second")?);
    }
    figures.cpu_share = (spent()? - before).as_secs_f64() / begun.elapsed().as_secs_f64();
    figures.peak_bytes = peak_resident(process).ok_or("the coordinator is gone")?;
    Ok(())
}

/// The coordinator is killed, and all come back to the next at once.
async fn come_back(
    figures: &mut Figures,
    screen: &Screen,
    coordinator: &mut Revivable,
    agents: usize,
) -> Result<(), String> {
    coordinator.kill();
    tokio::time::sleep(AWAY).await;
    coordinator.take_up();
    let begun = Instant::now();
    screen.until(coordinator, "all are back", PATIENCE, |run| connected(run) == agents).await?;
    figures.back_s = begun.elapsed().as_secs_f64();
    figures.back_cpu_s = cpu(coordinator.process()).ok_or("the coordinator is gone")?.as_secs_f64();
    Ok(())
}

/// Holds what the swarm has made against the report.
fn compare(figures: &mut Figures, made: &Value, outcome: &Outcome) {
    let made = |key: &str| made[key].as_u64().unwrap_or_default();
    figures.done = made("done");
    let samples = outcome.count("http.response", &[]);
    let counted = outcome.count("socket.received", &[]);
    figures.counts = vec![("samples", made("samples"), samples), ("counted", made("counted"), counted)];
    let ended: u64 =
        ["finished", "cancelled", "failed", "lost", "dropped"].iter().map(|state| outcome.users(state)).sum();
    figures.counts.push(("users, all ended", outcome.users("planned"), ended));
    let misses = |agent: &&Value| agent["unobserved"].as_array().is_none_or(|spans| !spans.is_empty());
    figures.unobserved = outcome.list("agents").iter().filter(misses).count() as u64;
    figures.counts.push(("starts", made("starts"), live(outcome).unwrap_or_default()));
}

fn database(outcome: &Outcome) -> rusqlite::Result<Connection> {
    Connection::open(outcome.run_folder.clone().unwrap_or_default().join("run.db"))
}

/// Users that ever became live.
fn live(outcome: &Outcome) -> rusqlite::Result<u64> {
    let sum = "SELECT coalesce(sum(users), 0) FROM moved WHERE to_state = 'live'";
    database(outcome)?.query_row(sum, [], |row| row.get::<_, i64>(0)).map(|sum| sum as u64)
}

fn read_times(figures: &mut Figures, outcome: &Outcome) -> rusqlite::Result<()> {
    let database = database(outcome)?;
    let joins = "SELECT min(at_s), max(at_s) FROM event WHERE kind = 'agent' AND text = 'joined'";
    let (first, last): (f64, f64) = database.query_row(joins, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    (figures.joining_s, figures.arming_s) = (last - first, -last);
    let started = "SELECT count(*) FROM agent WHERE from_s <= 0";
    figures.started = database.query_row(started, [], |row| row.get::<_, i64>(0))? as u64;
    Ok(())
}

impl Figures {
    /// For tools.
    pub fn to_json(&self) -> Value {
        let counts =
            self.counts.iter().map(|(name, made, reported)| json!({ "of": name, "made": made, "reported": reported }));
        json!({
            "joining_s": self.joining_s, "arming_s": self.arming_s, "started": self.started,
            "cpu_share": self.cpu_share, "peak_bytes": self.peak_bytes, "oldest_s": self.oldest_s,
            "back_s": self.back_s, "back_cpu_s": self.back_cpu_s, "done": self.done, "unobserved": self.unobserved,
            "counts": counts.collect::<Vec<_>>(),
        })
    }
}
