//! A run of three agents against a demo that follows each user: for tests that take an agent away, or the coordinator.

use std::time::Duration;

use rehearsal_demo::{Counters, Demo, Options};
use rehearsal_tests::{
    AgentProcess, Outcome, Rehearsal, Running, assert_equal_outside_spans, assert_nobody_twice, until,
};

/// Time for what agents and coordinator do in a debug build on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// They come within six seconds.
pub(crate) const USERS: u64 = 150;

/// Everybody holds a socket and calls five times a second; rows are numbered like users.
pub(crate) const WITH_SOCKETS: &str = r#"
fn user() {
    if user.restored { count("restored") }
    check("own row", parse_int(data.rows.next().number) == user.number);
    http::post("/auth/guest");
    let socket = websocket("/socket");
    every("200ms", || http::get("/api/heartbeat"));
}
"#;

/// The same with no connection that would stand while its user sleeps.
pub(crate) const WITHOUT_SOCKETS: &str = r#"
fn user() {
    if user.restored { count("restored") }
    check("own row", parse_int(data.rows.next().number) == user.number);
    http::post("/auth/guest");
    every("200ms", || http::get("/api/heartbeat"));
}
"#;

/// Whom tests take away.
pub(crate) const TAKEN: &str = "agent-2";

/// What differs from one test to the next.
pub(crate) struct Part<'a> {
    pub(crate) user: &'a str,
    /// How long everybody stays after the last arrival.
    pub(crate) stay: &'a str,
    /// More keys of the plan.
    pub(crate) plan: &'a str,
    /// More keys of `[agents]`.
    pub(crate) agents: &'a str,
}

impl Default for Part<'_> {
    fn default() -> Self {
        Self { user: WITH_SOCKETS, stay: "4s", plan: "", agents: "" }
    }
}

/// The run.
pub(crate) struct Trio {
    pub(crate) demo: Demo,
    pub(crate) running: Running,
}

impl Trio {
    /// Starts a run.
    pub(crate) fn start(part: &Part<'_>) -> Self {
        let demo = Demo::start(Options::default()).unwrap();
        let Part { user, stay, plan, agents } = part;
        let load = format!("arrive({USERS}).over(\"6s\").stay(\"{stay}\")");
        let data = "data: #{ rows: csv(\"rows.csv\").exhausted(\"wrap\") }";
        let scenario = format!("fn plan() {{ #{{ load: {load}, {data}, {plan} }} }}\n{user}");
        let target = format!("target = \"http://{}\"", demo.address());
        let http = "[http]\nagent_header = \"x-rehearsal-agent\"\nuser_header = \"x-rehearsal-user\"";
        let environment = format!("{target}\n{http}\n[agents]\ncount = 3\n{agents}\n");
        let rows: String = (0..USERS).map(|number| format!("{number}\n")).collect();
        let rehearsal = Rehearsal::of(&scenario).environment(&environment).file("rows.csv", &format!("number\n{rows}"));
        Self { demo, running: rehearsal.bound(Duration::from_secs(120)).spawn() }
    }

    /// Starts a run and waits until the agent that is to be taken away has ten users.
    pub(crate) async fn at_work(part: &Part<'_>) -> Self {
        let trio = Self::start(part);
        until("users are at work", PATIENCE, || guests(&trio.demo.counters(), TAKEN) >= 10).await;
        trio
    }

    pub(crate) async fn taken(&self) -> AgentProcess {
        self.running.agent(TAKEN).await
    }

    /// Waits until something was told of somebody.
    pub(crate) async fn told(&self, who: &str, words: &str) {
        let is_told = || self.running.records().is_some_and(|records| records.tells(who, words));
        until(&format!("{who} {words}"), PATIENCE, is_told).await;
    }

    /// Waits for the end, and asserts what holds whatever happened: everybody is in one state in every second, each user that
    /// came had its own row, what agents told is what the demo knows, and of the agents that stayed everything is known.
    pub(crate) async fn end(self) -> (Demo, Outcome) {
        let outcome = self.running.end().await;
        assert_eq!(outcome.assert_users_add_up(), USERS);
        outcome.assert_every_second_balances().await;
        assert_equal_outside_spans(&outcome, &self.demo.counters());
        assert_eq!(outcome.entry("checks", "name", "own row")["failed"], 0);
        for agent in ["agent-1", "agent-3"] {
            assert!(outcome.unobserved(agent).is_empty(), "{:#}\n{}", outcome.summary["agents"], outcome.context());
        }
        (self.demo, outcome)
    }
}

/// How many users of an agent have signed in.
pub(crate) fn guests(counters: &Counters, agent: &str) -> u64 {
    let calls = counters.by_agent.get(agent).and_then(|agent| agent.requests.get("POST /auth/guest"));
    calls.map_or(0, |answers| answers.values().sum())
}

/// How many users of all agents have signed in.
pub(crate) fn all_guests(counters: &Counters) -> u64 {
    counters.by_agent.keys().map(|agent| guests(counters, agent)).sum()
}

/// How many requests of an agent were answered.
pub(crate) fn requests(counters: &Counters, agent: &str) -> u64 {
    counters.by_agent[agent].requests.values().flat_map(|answers| answers.values()).sum()
}

/// Asserts that everybody came, each at one agent only.
pub(crate) fn assert_all_stayed_where_they_were(demo: &Demo, outcome: &Outcome) {
    assert_eq!(outcome.users("finished"), USERS, "{}", outcome.context());
    assert_eq!(demo.users().followed, USERS);
    assert_eq!(demo.users().users, []);
    assert!(outcome.unobserved(TAKEN).is_empty(), "{:#}", outcome.summary["agents"]);
}

/// Asserts that nobody is lost who could come back: those whom the demo saw at the agent that was taken away it saw at one
/// other after it, and only those who came for a second time, or for the first instead of that agent, count as restored.
pub(crate) fn assert_all_came_back(demo: &Demo, outcome: &Outcome) {
    let (counters, users) = (demo.counters(), demo.users());
    assert_eq!(outcome.users("lost"), 0, "{}", outcome.context());
    assert_eq!(users.followed + outcome.users("dropped"), USERS, "{}", outcome.context());
    let twice: Vec<usize> = users.users.iter().map(|user| user.stays.len()).collect();
    assert_eq!(twice, vec![2; guests(&counters, TAKEN) as usize], "{}", outcome.context());
    assert!(users.users.iter().all(|user| user.stays[0].agent == TAKEN), "{:#?}", users.users);
    assert_nobody_twice(&users, outcome, &[]);
    let restored = outcome.users("restored");
    assert!(restored >= twice.len() as u64, "{}", outcome.context());
    assert_eq!(outcome.count("custom.restored", &[]), restored, "{}", outcome.context());
    assert_eq!(outcome.users("finished") + outcome.users("dropped"), USERS, "{}", outcome.context());
}
