//! A coordinator, the demo and one agent on a host, a second agent on another host behind a network that gets bad.
//!
//! Users of both agents reach the demo over a network that stays perfect: what a test does to the network happens to the
//! link alone, and the demo goes on counting.

use std::fs;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rehearsal_demo::{Demo, Options, PerSecond};
use rehearsal_tests::{Conditions, Direction, Network, Outcome, Rehearsal, Running, Side, until};
use serde_json::Value;
use tokio::process::Child;

/// For what has to happen at some time in a debug build on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// How often the run is looked at: as often as a dashboard is told.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The agent beside the coordinator, and the one behind the bad network.
pub const NEAR: &str = "agent-1";
pub const FAR: &str = "agent-2";

/// How long an agent may wait for a coordinator that does not come back: 20 s of lease, 12 s for its users to leave, a minute
/// of trying to hand in its numbers, and some slack.
const ABANDONED_FOR: Duration = Duration::from_secs(100);

/// What differs from test to test.
pub struct Setting {
    pub scenario: &'static str,
    /// Keys of the environment that the scenario wants, one a line.
    pub keys: String,
    /// Keys of `[agents]`, one a line.
    pub agents: &'static str,
    pub arguments: &'static [&'static str],
    /// The network while the agents join.
    pub before: [Conditions; 2],
    /// How many seconds the monotonic clock of the far agent is ahead.
    pub ahead_s: i64,
    /// The longest that the run may take.
    pub bound: Duration,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            scenario: "",
            keys: String::new(),
            agents: "",
            arguments: &[],
            before: [Conditions::default(); 2],
            ahead_s: 0,
            bound: 3 * PATIENCE,
        }
    }
}

/// Everything, at work. Dropping it ends it.
pub struct Stage {
    pub running: Running,
    pub near: Child,
    pub far: Child,
    pub watch: Watch,
    pub demo: Demo,
    pub network: Network,
}

impl Stage {
    /// Starts everything and waits until the load runs, or says why it cannot be had here.
    pub async fn open(setting: Setting) -> Option<Self> {
        let network = Network::for_test()?;
        network.set(Direction::AToB, setting.before[0]);
        network.set(Direction::BToA, setting.before[1]);
        let (here, there) = (network.host(Side::A), network.host(Side::B));
        let listen = (here.perfect_address(), 0).into();
        let demo = here.within(|| Demo::start(Options { listen, ..Options::default() })).unwrap();
        let environment = format!(
            "target = \"http://{}\"\n{}\n[agents]\n{}\n[http]\n{}\n",
            demo.address(),
            setting.keys,
            setting.agents,
            "agent_header = \"x-rehearsal-agent\"\nuser_header = \"x-rehearsal-user\""
        );
        let advertised = here.address().to_string();
        let running = Rehearsal::of(setting.scenario)
            .environment(&environment)
            .arguments(["--agents", "join:2", "--advertise", &advertised])
            .arguments(setting.arguments.iter().copied())
            .bound(setting.bound)
            .on(here)
            .spawn();
        let watch = Watch::start(&network, running.control().await);
        let near = running.join(NEAR, |program| here.command(program)).await;
        watch.until("the near agent is the first", |look| look.agent(NEAR).is_some()).await;
        let far = running.join(FAR, |program| there.command_with_clock(program, setting.ahead_s)).await;
        watch.until("the load runs", |look| look.run["state"] == "running").await;
        Some(Self { running, near, far, watch, demo, network })
    }

    /// Waits until the run is so old.
    pub async fn at(&self, second: f64) {
        self.watch.until(&format!("second {second}"), |look| look.seconds("now_s") >= second).await;
    }

    /// Waits for the end of the run and of its agents, which must say that all is well.
    pub async fn end(mut self) -> (Outcome, Demo) {
        let outcome = self.running.end().await;
        for agent in [&mut self.near, &mut self.far] {
            assert_ended_well(agent, &outcome).await;
        }
        (outcome, self.demo)
    }

    /// The same where the line may have been so bad that the far agent was lost: nobody waits for it, and it ends when it has
    /// waited in vain.
    pub async fn end_with_or_without_far(mut self) -> (Outcome, Demo) {
        let outcome = self.running.end_outlived_by(ABANDONED_FOR).await;
        assert_ended_well(&mut self.near, &outcome).await;
        let status = self.far.wait().await.unwrap();
        let is_lost = outcome.entry("agents", "id", FAR)["lost"] == true;
        assert!(status.success() || is_lost, "the far agent ended with {status}\n{}", outcome.context());
        (outcome, self.demo)
    }
}

async fn assert_ended_well(agent: &mut Child, outcome: &Outcome) {
    let status = agent.wait().await.unwrap();
    assert!(status.success(), "an agent ended with {status}\n{}", outcome.context());
}

/// Picks what is counted by second of Unix time.
pub type Counts = fn(&rehearsal_demo::Seconds) -> &PerSecond;

/// What the demo counted for an agent in a stretch of time after an instant. Seconds that are only partly in it are left out.
pub fn between(demo: &Demo, agent: &str, since: Stamp, stretch: Range<Duration>, counts: Counts) -> u64 {
    let counters = demo.counters();
    let Some(of_agent) = counters.by_agent.get(agent) else { return 0 };
    let [from, to] = [stretch.start, stretch.end].map(|after| since.unix_s + after.as_secs_f64());
    counts(&of_agent.seconds).total(|second| second as f64 >= from && (second + 1) as f64 <= to)
}

/// Asserts that no agent owes a second.
#[track_caller]
pub fn assert_all_observed(outcome: &Outcome) {
    for agent in outcome.list("agents") {
        assert_eq!(agent["unobserved"], serde_json::json!([]), "{agent}\n{}", outcome.context());
    }
}

/// An instant, by the clock that measures and by the clock that the demo counts seconds with.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    pub at: Instant,
    unix_s: f64,
}

impl Stamp {
    pub fn now() -> Self {
        let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Self { at: Instant::now(), unix_s: unix.as_secs_f64() }
    }

    /// Waits until so long after it: what happens to the network is a matter of time.
    pub async fn and(&self, after: Duration) {
        tokio::time::sleep_until((self.at + after).into()).await;
    }
}

/// What a dashboard would have shown.
#[derive(Clone, Debug)]
pub struct Look {
    pub at: Instant,
    pub run: Value,
}

impl Look {
    /// A time of the run, in seconds; before the start none is reached.
    pub fn seconds(&self, key: &str) -> f64 {
        self.run[key].as_f64().unwrap_or(f64::NEG_INFINITY)
    }

    pub fn agent(&self, id: &str) -> Option<&Value> {
        self.run["agents"].as_array()?.iter().find(|agent| agent["id"] == id)
    }

    pub fn is(&self, id: &str, state: &str) -> bool {
        self.agent(id).is_some_and(|agent| agent["state"] == state)
    }
}

/// Looks at the run, again and again.
#[derive(Clone)]
pub struct Watch {
    looks: Arc<Mutex<Vec<Look>>>,
}

impl Watch {
    /// `control` says how the run is reached. It is looked at until the network ends.
    fn start(network: &Network, control: Value) -> Self {
        let looks = Arc::new(Mutex::new(Vec::new()));
        let this = Self { looks };
        let (looks, text) = (Arc::clone(&this.looks), |key: &str| control[key].as_str().unwrap().to_owned());
        let (address, token) = (format!("http://{}/api/runs/last", text("address")), text("token"));
        let look = async move {
            let client = reqwest::Client::new();
            loop {
                let asked = client.get(&address).bearer_auth(&token).timeout(PATIENCE).send().await;
                // At the end nobody answers any more.
                let Ok(answer) = asked else { break };
                let Ok(run) = answer.json().await else { break };
                looks.lock().unwrap().push(Look { at: Instant::now(), run });
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        network.host(Side::A).within(|| tokio::spawn(look));
        this
    }

    /// Gives the first look from now on of which something holds.
    pub async fn until(&self, what: &str, holds: impl Fn(&Look) -> bool) -> Look {
        let mut next = self.looks.lock().unwrap().len().saturating_sub(1);
        let mut found = None;
        let search = || {
            let looks = self.looks.lock().unwrap();
            found = looks[next.min(looks.len())..].iter().find(|look| holds(look)).cloned();
            next = looks.len();
            found.is_some()
        };
        until(what, PATIENCE, search).await;
        found.expect("it was found")
    }

    /// Everything that was seen.
    pub fn looks(&self) -> Vec<Look> {
        self.looks.lock().unwrap().clone()
    }
}

/// Whoever looks at a running run sees that it goes on, whatever its numbers wait for.
#[track_caller]
pub fn assert_goes_on(looks: &[Look]) {
    let running: Vec<&Look> = looks.iter().filter(|look| look.run["state"] == "running").collect();
    for pair in running.windows(2) {
        let (elapsed, advanced) = (pair[1].at - pair[0].at, pair[1].seconds("now_s") - pair[0].seconds("now_s"));
        assert!(advanced >= elapsed.as_secs_f64() - 1.5, "the screen stood still for {elapsed:?}: {advanced} s");
    }
}

/// What a process holds in memory, in KiB.
pub fn resident(process: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
